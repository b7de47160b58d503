/* An answer of an upstream of OpenAI's dialect, on its way to the caller.
 *
 *   OPAQUE  passes unread
 *   WHOLE   passes as it comes, with a tap that scans it
 *   STREAM  passes frame by frame: what is not a complete frame yet is held back, so that a stream
 *           that dies never leaves the caller with half a frame in front of the error event
 *
 * Runs of frames that lie side by side in what was given go to the sink in one piece.
 *
 * Where a server says `reasoning` (QUIRK_REASONING) the key alone is changed, in frames that have
 * it; a whole answer is held for that. */
#include "codec/sse.h"
#include "openai/stream.h"
#include "provider/dialect.h"
#include "provider/quirks.h"

/* A whole answer that is held for its key to be changed; a longer one passes as it is. */
#define HELD_MAX (16u << 20)

struct dialect_answer {
    struct provider_answer base;
    const struct provider_request *request;
    enum provider_relay relay;
    bool opened; /* the head was seen: of the two at the end, what `relay` says is in use */
    bool rekeys; /* `reasoning` becomes `reasoning_content` */
    struct answer_facts facts;
    struct buffer held; /* WHOLE: until its end */
    struct buffer rekeyed;

    /* From here on nothing is zeroed (DIALECT_ANSWER_ZEROED). */
    struct answer_tap tap;    /* WHOLE */
    struct stream_tap stream; /* STREAM, with what follows */
    struct sse_splitter splitter;
    struct buffer joined; /* of data over several lines; nobody sends such */
};

#define DIALECT_ANSWER_ZEROED offsetof(struct dialect_answer, tap)

/* ---- the head ---- */

/* Headers of an upstream that stay here, beside the hop-by-hop ones. */
static const bool kept_back[HEADER_COUNT] = {
    [HEADER_CONTENT_LENGTH] = true,
    /* They speak about the provider's host, and the caller talks to another one. */
    [HEADER_SET_COOKIE] = true,
    [HEADER_ALT_SVC] = true,
    [HEADER_STRICT_TRANSPORT_SECURITY] = true,
    [HEADER_SERVER] = true,
};

/* How much of the account's own limits is left, which is the gateway's business. */
static bool is_rate(enum header_id id)
{
    return id >= HEADER_X_RATELIMIT_LIMIT_REQUESTS && id <= HEADER_X_RATELIMIT_RESET_TOKENS;
}

static void write_head_lines(const struct http1_head *head, bool own_rates, struct buffer *lines)
{
    struct text nominations = dialect_nominations(head);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (header->id == HEADER_X_REQUEST_ID)
            http1_append_header(lines, TEXT("x-turnpike-upstream-request-id"), header->value);
        else if (!kept_back[header->id] && !header_is_hop_by_hop(header->id) &&
                 !(own_rates && is_rate(header->id)) && !dialect_is_own_header(header->name) &&
                 !dialect_is_nominated(nominations, header->name))
            http1_append_parsed_header(lines, header);
    }
}

/* "text/event-stream" of "text/event-stream; charset=utf-8". */
static bool has_type(const struct http1_head *head, struct text type)
{
    struct text value = http1_head_value(head, HEADER_CONTENT_TYPE);
    return text_equal_ignoring_case(text_trim(text_split(&value, ';')), type);
}

static enum provider_relay relay_of(const struct http1_head *head)
{
    struct text coding = http1_head_value(head, HEADER_CONTENT_ENCODING);
    /* It was told not to; what it sends nevertheless the caller may be able to read. */
    if (!text_empty(coding) && !text_equal_ignoring_case(coding, TEXT("identity")))
        return PROVIDER_RELAY_OPAQUE;
    if (has_type(head, TEXT("text/event-stream")))
        return PROVIDER_RELAY_STREAM;
    return has_type(head, TEXT("application/json")) ? PROVIDER_RELAY_WHOLE : PROVIDER_RELAY_OPAQUE;
}

static enum stream_dialect dialect_of(const struct endpoint *endpoint)
{
    if (endpoint->kind == ENDPOINT_CHAT)
        return STREAM_CHAT;
    if (endpoint->kind == ENDPOINT_COMPLETIONS)
        return STREAM_COMPLETIONS;
    return text_starts_with(endpoint->pattern, TEXT("/responses")) ? STREAM_RESPONSES
                                                                   : STREAM_MEDIA;
}

static enum error answer_head(struct provider_answer *base, const struct http1_head *head,
                              struct buffer *lines, struct provider_answer_out *out)
{
    struct dialect_answer *answer = CONTAINER_OF(base, struct dialect_answer, base);
    write_head_lines(head, base->call->own_rates, lines);
    base->outcome = dialect_outcome(head);
    answer->relay = relay_of(head);
    answer->opened = true;
    answer->rekeys = answer->relay != PROVIDER_RELAY_OPAQUE &&
                     quirks_have(base->call->settings->quirks, QUIRK_REASONING) &&
                     base->call->match->endpoint->kind == ENDPOINT_CHAT;
    *out = (struct provider_answer_out){
        .status = head->status,
        .relay = answer->relay,
        .length_kept = answer->relay != PROVIDER_RELAY_STREAM && !answer->rekeys,
    };
    if (answer->relay == PROVIDER_RELAY_WHOLE) {
        answer_tap_open(&answer->tap, base->call->arena);
    } else if (answer->relay == PROVIDER_RELAY_STREAM) {
        stream_tap_open(&answer->stream, dialect_of(base->call->match->endpoint),
                        base->call->arena);
        sse_splitter_open(&answer->splitter, SSE_FRAME_LIMIT);
        buffer_open(&answer->joined, SSE_FRAME_LIMIT);
        base->facts = &answer->stream.facts;
    }
    return ERROR_OK;
}

/* ---- keys ---- */

/* With the changed key; `text` itself where it has none. Within a string the quote before it would
 * have a backslash. */
static struct text rekey(struct dialect_answer *answer, struct text text)
{
    struct text key = TEXT("\"reasoning\":"), rest = text;
    ptrdiff_t found = answer->rekeys ? text_find(text, key) : -1; /* a look at every byte */
    if (found < 0)
        return text;
    buffer_clear(&answer->rekeyed);
    for (; found >= 0; found = text_find(rest, key)) {
        bool quoted = found > 0 && rest.data[found - 1] == '\\';
        buffer_append(&answer->rekeyed, text_first(rest, (size_t)found));
        buffer_append(&answer->rekeyed, quoted ? key : TEXT("\"reasoning_content\":"));
        rest = text_from_index(rest, (size_t)found + key.length);
    }
    buffer_append(&answer->rekeyed, rest);
    return answer->rekeyed.failed ? text : buffer_text(&answer->rekeyed);
}

/* ---- the body ---- */

static void sink_write(const struct provider_answer *base, struct text bytes)
{
    if (bytes.length > 0)
        base->sink->write(base->sink->owner, bytes);
}

/* Whether the frame goes on to the caller. */
static bool frame_look(struct dialect_answer *answer, const struct sse_frame *frame)
{
    struct sse_event event;
    if (!frame->whole || !sse_read(frame, &answer->joined, &event) || !event.has_data) {
        answer->base.has_content |= !frame->whole; /* a piece of something large */
        return true;
    }
    struct stream_marks marks = stream_tap_frame(&answer->stream, event.name, event.data);
    answer->base.has_content |= marks.content;
    return !(marks.usage_only && answer->request->usage_asked);
}

static void stream_bytes(struct dialect_answer *answer, struct text bytes)
{
    struct sse_frame frame;
    struct text run = {NULL, 0};
    while (sse_next(&answer->splitter, &bytes, &frame)) {
        if (!frame_look(answer, &frame))
            continue;
        struct text changed = rekey(answer, frame.raw);
        if (changed.data != frame.raw.data) {
            sink_write(&answer->base, run);
            sink_write(&answer->base, changed);
            run = (struct text){NULL, 0};
            continue;
        }
        if (run.length > 0 && run.data + run.length == frame.raw.data) {
            run.length += frame.raw.length;
            continue;
        }
        sink_write(&answer->base, run);
        run = frame.raw;
        /* A frame that was put together is gone with the next call: pass it on now. */
        if (frame.raw.data + frame.raw.length != bytes.data) {
            sink_write(&answer->base, run);
            run = (struct text){NULL, 0};
        }
    }
    sink_write(&answer->base, run);
}

static enum error answer_bytes(struct provider_answer *base, struct text bytes)
{
    struct dialect_answer *answer = CONTAINER_OF(base, struct dialect_answer, base);
    if (answer->relay == PROVIDER_RELAY_STREAM) {
        stream_bytes(answer, bytes);
        return ERROR_OK;
    }
    if (answer->relay == PROVIDER_RELAY_WHOLE)
        answer_tap_feed(&answer->tap, bytes);
    base->has_content = true;
    if (answer->rekeys && buffer_append(&answer->held, bytes))
        return ERROR_OK;
    if (answer->held.length > 0) { /* it does not fit */
        answer->rekeys = false;
        sink_write(base, buffer_text(&answer->held));
        buffer_close(&answer->held);
    }
    sink_write(base, bytes);
    return ERROR_OK;
}

/* ---- the end ---- */

/* Usage counts where the call made the model work; a stored answer that is looked at again must not
 * be paid again, and a file may say anything. */
static bool usage_counts(const struct endpoint *endpoint)
{
    return endpoint->routing == ENDPOINT_BY_MODEL || endpoint->routing == ENDPOINT_BY_FORM_MODEL;
}

static bool names_further_objects(const struct endpoint *endpoint)
{
    return text_starts_with(endpoint->pattern, TEXT("/batches")) ||
           text_starts_with(endpoint->pattern, TEXT("/uploads"));
}

static void settle_facts(struct dialect_answer *answer)
{
    const struct endpoint *endpoint = answer->base.call->match->endpoint;
    struct answer_facts *facts = answer->base.facts;
    if (!usage_counts(endpoint)) {
        usage_clear(&facts->usage);
        facts->usage_raw = (struct text){NULL, 0};
    }
    if (!names_further_objects(endpoint))
        facts->related_count = 0;
}

static bool is_text_stream(const struct stream_tap *stream)
{
    return stream->dialect != STREAM_MEDIA;
}

/* Whether the stream came to an end of its own. */
static bool stream_is_whole(const struct stream_tap *stream, enum error error)
{
    if (stream->terminal_seen)
        return true;
    /* Some servers leave [DONE] out; which event is the last of a media stream is not known of all;
     * and frames that are no chunks are none of ours. An end in good order is believed then. */
    bool understood = is_text_stream(stream) && (stream->identity_known || stream->frames == 0);
    return error == ERROR_OK && (stream->facts.finished || !understood);
}

/* Writes what tells the caller that the stream broke; false when memory for it is short. */
static bool stream_break(struct dialect_answer *answer, bool in_frame, struct text code,
                         struct text message)
{
    struct buffer out;
    buffer_open(&out, SSE_FRAME_LIMIT);
    if (in_frame)
        buffer_append(&out, TEXT("\n\n"));
    answer->base.facts->broken = true;
    bool ok = stream_write_broken(&answer->stream, code, message, &out);
    if (ok)
        sink_write(&answer->base, buffer_text(&out));
    buffer_close(&out);
    return ok;
}

static bool stream_end(struct dialect_answer *answer, enum error error, struct text code,
                       struct text message)
{
    struct stream_tap *stream = &answer->stream;
    struct sse_frame frame;
    bool in_frame = answer->splitter.passing;
    if (sse_end(&answer->splitter, &frame) && error == ERROR_OK) {
        /* A last frame without its blank line. */
        bool was_passing = in_frame;
        frame.whole = !was_passing;
        if (frame_look(answer, &frame)) {
            sink_write(&answer->base, frame.raw);
            in_frame = true;
        }
    }
    const struct envelope *envelope = answer->base.call->envelope;
    /* An error instead of an answer is worth nothing; one in the middle comes after what was. */
    if (is_text_stream(stream) && (!stream->error_seen || answer->base.has_content))
        stream_tap_estimate(stream, envelope != NULL ? (int64_t)envelope->body_length : -1);
    return stream_is_whole(stream, error) || stream_break(answer, in_frame, code, message);
}

static bool answer_end(struct provider_answer *base, enum error error, struct text code,
                       struct text message)
{
    struct dialect_answer *answer = CONTAINER_OF(base, struct dialect_answer, base);
    bool whole = error == ERROR_OK;
    if (!answer->opened)
        return false;
    if (answer->relay == PROVIDER_RELAY_STREAM)
        whole = stream_end(answer, error, code, message);
    else if (answer->relay == PROVIDER_RELAY_WHOLE)
        answer_tap_finish(&answer->tap, base->facts);
    sink_write(base, rekey(answer, buffer_text(&answer->held)));
    if (base->facts->is_error)
        dialect_refine_outcome(&base->outcome, base->facts->error_raw);
    settle_facts(answer);
    return whole;
}

static void answer_close(struct provider_answer *base)
{
    struct dialect_answer *answer = CONTAINER_OF(base, struct dialect_answer, base);
    buffer_close(&answer->held);
    buffer_close(&answer->rekeyed);
    if (!answer->opened || answer->relay != PROVIDER_RELAY_STREAM)
        return;
    sse_splitter_close(&answer->splitter);
    buffer_close(&answer->joined);
}

static const struct provider_answer_methods methods = {
    .head = answer_head,
    .bytes = answer_bytes,
    .end = answer_end,
    .close = answer_close,
};

enum error dialect_answer_open(const struct provider_call *call,
                               const struct provider_request *request,
                               const struct provider_sink *sink, struct provider_answer **answer)
{
    struct dialect_answer *made =
        arena_take_zeroed_to(call->arena, sizeof *made, DIALECT_ANSWER_ZEROED);
    if (made == NULL)
        return ERROR_MEMORY;
    made->base = (struct provider_answer){
        .methods = &methods, .sink = sink, .call = call, .facts = &made->facts};
    made->request = request;
    buffer_open(&made->held, HELD_MAX);
    buffer_open(&made->rekeyed, 2 * HELD_MAX);
    answer_facts_clear(&made->facts);
    *answer = &made->base;
    return ERROR_OK;
}
