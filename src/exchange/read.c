/* read: the body. JSON is held whole and scanned as it arrives; a form is held until its `model`
 * was seen (Node's SDK sends the file first) and streams from there; everything else streams at
 * once.
 *
 * Nothing is read before the caller is known: the steps before this one run while the head is being
 * handled, and 100 Continue has not been sent. */
#include <string.h>

#include "base/ensure.h"
#include "exchange/echo.h"

/* A held JSON body of known length gets its memory at once up to here; then, so many times what has
 * come, so that a caller cannot make us hold what was never sent, and little of what
 * was is copied to a larger place. */
#define BODY_RESERVED_AT_ONCE (256u * 1024u)
#define BODY_GROWTH           8u

static void refuse_now(struct exchange *exchange, enum refusal refusal,
                       struct refusal_context context)
{
    (void)exchange_refuse(exchange, refusal, context);
    exchange_end(exchange, ENDING_OWN);
    exchange_resume(exchange);
}

static enum refusal scan_refusal(enum error error, const struct envelope *envelope)
{
    if (error == ERROR_MEMORY)
        return REFUSAL_MEMORY_LIMIT;
    return envelope->param.length > 0 ? REFUSAL_PARAMETER_INVALID : REFUSAL_JSON_INVALID;
}

static void refuse_scan(struct exchange *exchange, enum error error)
{
    refuse_now(exchange, scan_refusal(error, &exchange->envelope),
               (struct refusal_context){.detail = exchange->envelope.reason,
                                        .param = exchange->envelope.param});
}

static bool is_held(const struct exchange *exchange)
{
    return exchange->body_kind == BODY_JSON || exchange->body_kind == BODY_SMALL;
}

/* Not in tiny pieces, each of which costs a system call, while the rest has no room yet. */
#define ROOM_MINIMUM (16u * 1024u)

/* Room for the rest of a body of known length, or for a part of it. False: it stays as it is, and
 * hold() says so where that is for want of memory. */
static bool enlarge(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    struct buffer *body = &exchange->body;
    uint64_t declared = head->has_content_length ? head->content_length : 0;
    size_t more = body->length * (BODY_GROWTH - 1);

    if (declared <= body->capacity)
        return false;
    if (more > declared - body->length)
        more = (size_t)(declared - body->length);
    return buffer_reserve(body, more) != NULL;
}

char *read_room(struct exchange *exchange, size_t *size)
{
    struct buffer *body = &exchange->body;

    if (!is_held(exchange))
        return NULL;
    size_t room = body->capacity - body->length;
    if (room < ROOM_MINIMUM && enlarge(exchange))
        room = body->capacity - body->length;
    if (room < *size && room < ROOM_MINIMUM)
        return NULL;
    if (*size > room)
        *size = room;
    return body->data + body->length;
}

/* Behind the body's bytes; that is where they are already when they were read into its room. */
static bool hold(struct buffer *body, struct text bytes)
{
    if (bytes.length > body->capacity - body->length || bytes.data != body->data + body->length)
        return buffer_append(body, bytes);
    body->length += bytes.length;
    return true;
}

static void take_held(struct exchange *exchange, struct text bytes)
{
    if (!hold(&exchange->body, bytes)) {
        bool full = exchange->body_seen > exchange->body.maximum;
        refuse_now(exchange, full ? REFUSAL_BODY_TOO_LARGE : REFUSAL_MEMORY_LIMIT,
                   (struct refusal_context){.limit = exchange->body.maximum});
        return;
    }
    if (exchange->body_kind == BODY_SMALL)
        return;
    enum error error = envelope_feed(&exchange->envelope, bytes);
    if (error != ERROR_OK)
        refuse_scan(exchange, error);
    else
        references_search(&exchange->references, buffer_text(&exchange->body));
}

/* A model's name longer than this is none. */
#define FORM_MODEL_MAXIMUM 1024u

/* The data of the `model` field, which may come in pieces. */
static bool gather_model(struct exchange *exchange, struct text data)
{
    struct text before = exchange->form_model;
    size_t length = before.length + data.length;

    if (length > FORM_MODEL_MAXIMUM)
        return false;
    if (data.length == 0)
        return true;
    char *joined = arena_take(&exchange->arena, length); /* not by format: it may have a NUL */
    if (!joined)
        return false;
    if (before.length > 0)
        memcpy(joined, before.data, before.length);
    memcpy(joined + before.length, data.data, data.length);
    exchange->form_model = text_of(joined, length);
    return true;
}

/* What a form's event says about its model; NULL, or what is wrong with that. */
static const char *take_form_event(struct exchange *exchange, const struct multipart_event *event)
{
    switch (event->kind) {
    case MULTIPART_BEGIN:
        exchange->in_model_field = text_equal(event->part->name, TEXT("model"));
        if (!exchange->in_model_field)
            return NULL;
        if (exchange->model_complete)
            return "\"model\" stands in the form twice";
        exchange->form_model_offset = event->offset;
        return event->part->has_filename ? "\"model\" is a file" : NULL;
    case MULTIPART_DATA:
        return exchange->in_model_field && !gather_model(exchange, event->data)
                   ? "\"model\" is too long"
                   : NULL;
    case MULTIPART_END:
        exchange->model_complete = exchange->model_complete || exchange->in_model_field;
        return NULL;
    case MULTIPART_MORE:
    case MULTIPART_DONE: return NULL;
    }
    return NULL;
}

/* To the end of the form, also when it streams already: the provider may read another `model` than
 * we do where there are two. */
enum error read_scan_form(struct exchange *exchange, struct text bytes, const char **wrong)
{
    struct multipart_event event;

    *wrong = NULL;
    do {
        enum error error = multipart_next(&exchange->form, &bytes, &event);
        if (error != ERROR_OK) {
            *wrong = exchange->form.reason;
            return error;
        }
        *wrong = take_form_event(exchange, &event);
        if (*wrong)
            return ERROR_SYNTAX;
    } while (event.kind != MULTIPART_MORE);
    return ERROR_OK;
}

/* A form with its `model` field somewhere: held until then. */
static void take_form(struct exchange *exchange, struct text bytes)
{
    const struct config_limits *limits = &exchange->upstreams->config->limits;

    if (exchange->body.length + bytes.length > limits->multipart_hold) {
        refuse_now(
            exchange, REFUSAL_BODY_TOO_LARGE,
            (struct refusal_context){
                .limit = limits->multipart_hold,
                .detail = TEXT("its \"model\" field did not come before that; send it first")});
        return;
    }
    if (!buffer_append(&exchange->body, bytes)) {
        refuse_now(exchange, REFUSAL_MEMORY_LIMIT,
                   (struct refusal_context){.limit = exchange->body.maximum});
        return;
    }
    const char *wrong;
    if (read_scan_form(exchange, bytes, &wrong) != ERROR_OK)
        refuse_now(exchange, REFUSAL_FORM_INVALID,
                   (struct refusal_context){.detail = text_from(wrong)});
}

static void take_hashed(struct exchange *exchange, struct text bytes)
{
    if (exchange->body_seen > ECHO_BODY_MAXIMUM)
        refuse_now(exchange, REFUSAL_BODY_TOO_LARGE,
                   (struct refusal_context){.limit = ECHO_BODY_MAXIMUM});
    else
        echo_take_body(exchange, bytes);
}

void read_take(struct exchange *exchange, struct text bytes)
{
    if (exchange->body_kind == BODY_HASHED)
        take_hashed(exchange, bytes);
    else if (is_held(exchange))
        take_held(exchange, bytes);
    else
        take_form(exchange, bytes);
    if (exchange->step == STEP_READ && exchange->body_kind == BODY_FORM && exchange->model_complete)
        exchange_resume(exchange);
}

void read_end(struct exchange *exchange)
{
    if (exchange->body_kind == BODY_JSON && exchange->body.length > 0) {
        enum error error = envelope_finish(&exchange->envelope);
        if (error != ERROR_OK) {
            refuse_scan(exchange, error);
            return;
        }
    }
    if (exchange->form_open && multipart_finish(&exchange->form) != ERROR_OK) {
        refuse_now(exchange, REFUSAL_FORM_INVALID,
                   (struct refusal_context){.detail = text_from(exchange->form.reason)});
        return;
    }
    if (exchange->step == STEP_READ)
        exchange_resume(exchange);
}

/* Whether routing needs something from the form. */
static bool form_decides(const struct exchange *exchange)
{
    return exchange->body_kind == BODY_FORM &&
           exchange->match.endpoint->routing == ENDPOINT_BY_FORM_MODEL;
}

static enum step_result open_held(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    uint64_t size =
        head->content_length < BODY_RESERVED_AT_ONCE ? head->content_length : BODY_RESERVED_AT_ONCE;

    if (head->has_content_length && !buffer_reserve(&exchange->body, (size_t)size))
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = size});
    http_request_accept_body(exchange->request);
    http_request_resume_body(exchange->request); /* it was held up while the caller was looked up */
    return STEP_WAIT;
}

static enum step_result open_form(struct exchange *exchange)
{
    struct text type = http1_head_value(http_request_head(exchange->request), HEADER_CONTENT_TYPE);

    struct text boundary;

    if (multipart_boundary(type, &boundary) != ERROR_OK)
        return exchange_refuse(
            exchange, REFUSAL_FORM_INVALID,
            (struct refusal_context){.detail = TEXT("its Content-Type has no usable boundary")});
    multipart_open(&exchange->form, boundary);
    exchange->form_open = true;
    http_request_accept_body(exchange->request);
    http_request_resume_body(exchange->request);
    return STEP_WAIT;
}

static enum step_result open_hashed(struct exchange *exchange)
{
    if (!echo_open(exchange))
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT, (struct refusal_context){0});
    http_request_accept_body(exchange->request);
    http_request_resume_body(exchange->request);
    return STEP_WAIT;
}

enum step_result read_step(struct exchange *exchange)
{
    bool first = !exchange->reading;

    exchange->reading = true;
    if (exchange->body_kind == BODY_NONE)
        return STEP_NEXT;
    if (is_held(exchange))
        return first ? open_held(exchange) : exchange->body_ended ? STEP_NEXT : STEP_WAIT;
    if (exchange->body_kind == BODY_HASHED)
        return first ? open_hashed(exchange) : exchange->body_ended ? STEP_NEXT : STEP_WAIT;
    if (first && form_decides(exchange))
        return open_form(exchange);
    if (form_decides(exchange) && !exchange->model_complete && !exchange->body_ended)
        return STEP_WAIT;
    if (!exchange->body_ended)
        http_request_pause_body(exchange->request);
    return STEP_NEXT;
}
