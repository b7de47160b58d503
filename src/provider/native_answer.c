/* native_answer: how a provider's answer reaches the caller as OpenAI would have given it.
 *
 *   CLOSED -> (head) -> ERROR   a status of failure: its body is held, then told in OpenAI's words
 *                    -> WHOLE   held to its end, then translated
 *                    -> STREAM  translated frame by frame
 *   any of them -> FAILED       the provider said within a good status that it failed
 *
 * The head is held back until the translation writes something: until then a failure still has a
 * status of its own. After that it is told in the stream. */
#include "codec/event_stream.h"
#include "codec/sse.h"
#include "provider/dialect.h"
#include "provider/native_parts.h"

enum reading { READING_CLOSED, READING_ERROR, READING_WHOLE, READING_STREAM };

/* Frames are small and many: a short one is parsed on the stack. */
#define SHORT_FRAME  2048u
#define PARSE_MEMORY (24u << 10)

struct reader {
    struct native_answer answer;
    struct answer_facts facts;
    struct provider_answer_out *out;
    enum reading reading;
    bool failed, error_written;
    struct native_error error;
    struct buffer held; /* ERROR, WHOLE */
    struct sse_splitter sse;
    struct buffer joined;
    struct event_stream events;
};

static struct reader *reader_of(struct provider_answer *base)
{
    return CONTAINER_OF(base, struct reader, answer.base);
}

static void sink_write(void *owner, struct text bytes)
{
    const struct provider_answer *base = owner;
    if (bytes.length > 0)
        base->sink->write(base->sink->owner, bytes);
}

/* ---- failures ---- */

static struct text keep(struct native_answer *answer, struct text text)
{
    return text_empty(text) ? text : arena_copy(answer->arena, text);
}

void native_fail(struct native_answer *answer, const struct native_error *error)
{
    struct reader *reader = CONTAINER_OF(answer, struct reader, answer);
    if (reader->failed)
        return;
    reader->failed = true;
    reader->error = *error;
    reader->error.type = keep(answer, error->type);
    reader->error.code = keep(answer, error->code);
    reader->error.param = keep(answer, error->param);
    reader->error.message = keep(answer, error->message);
    answer->base.outcome.failure = error->failure;
    if (error->retry_after > 0)
        answer->base.outcome.retry_after = error->retry_after;
    reader->facts.is_error = true;
}

static void fail_invalid(struct reader *reader, const char *message)
{
    struct native_error error = {.message = text_from(message)};
    native_error_set(&error, PROVIDER_FAILURE_NONE);
    error.failure = PROVIDER_FAILURE_SERVER;
    native_fail(&reader->answer, &error);
}

/* Fields that only a failure has. */
static void write_late_lines(struct reader *reader, struct buffer *lines)
{
    uint64_t retry = reader->answer.base.outcome.retry_after;
    buffer_append(lines, TEXT("content-type: application/json\r\n"));
    if (reader->error.failure == PROVIDER_FAILURE_QUOTA)
        buffer_append(lines, TEXT("x-should-retry: false\r\n"));
    if (reader->error.retry_after == 0 || retry == 0)
        return;
    buffer_append(lines, TEXT("retry-after-ms: "));
    buffer_append_unsigned(lines, (retry + 999999) / 1000000);
    buffer_append(lines, TEXT("\r\nretry-after: "));
    buffer_append_unsigned(lines, (retry + 999999999) / 1000000000);
    buffer_append(lines, TEXT("\r\n"));
}

/* The failure instead of an answer; nothing has been written so far. */
static bool write_error(struct reader *reader)
{
    struct buffer body, lines;
    buffer_open(&body, NATIVE_ERROR_MAX);
    buffer_open(&lines, NATIVE_TARGET_MAX);
    write_late_lines(reader, &lines);
    reader->out->status = reader->error.status;
    reader->out->relay = PROVIDER_RELAY_WHOLE;
    reader->out->late_lines = arena_copy(reader->answer.arena, buffer_text(&lines));
    bool ok = native_error_write(&body, &reader->error) && !lines.failed;
    if (ok)
        sink_write(&reader->answer.base, buffer_text(&body));
    reader->error_written = ok;
    buffer_close(&body);
    buffer_close(&lines);
    return ok;
}

static bool is_streaming(const struct reader *reader)
{
    return reader->answer.translation != NULL && reader->answer.ask->stream;
}

/* Told in the stream where that has begun, as an answer of its own where nothing was written. */
static bool tell_failure(struct reader *reader)
{
    if (reader->error_written)
        return true;
    if (!is_streaming(reader) || !translation_has_content(reader->answer.translation))
        return write_error(reader);
    translation_break(reader->answer.translation, reader->error.type, reader->error.code,
                      reader->error.message);
    reader->error_written = true;
    reader->facts.broken = true;
    return true;
}

/* ---- the head ---- */

static bool has_type(const struct http1_head *head, struct text type)
{
    struct text value = http1_head_value(head, HEADER_CONTENT_TYPE);
    return text_equal_ignoring_case(text_trim(text_split(&value, ';')), type);
}

static enum reading reading_of(const struct native *native, const struct http1_head *head)
{
    if (head->status < 200 || head->status > 299)
        return READING_ERROR;
    if (native->framing == NATIVE_SSE && has_type(head, TEXT("text/event-stream")))
        return READING_STREAM;
    if (native->framing == NATIVE_EVENT_STREAM &&
        has_type(head, TEXT("application/vnd.amazon.eventstream")))
        return READING_STREAM;
    return READING_WHOLE;
}

static struct text find_header(const struct http1_head *head, struct text name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (text_equal_ignoring_case(head->headers[i].name, name))
            return head->headers[i].value;
    return (struct text){NULL, 0};
}

static void write_lines(struct reader *reader, const struct http1_head *head, struct buffer *lines)
{
    static const struct text passed[] = {TEXT_INIT("retry-after"), TEXT_INIT("retry-after-ms"),
                                         TEXT_INIT("x-should-retry")};
    const struct native *native = reader->answer.native;
    const struct provider_call *call = reader->answer.base.call;
    for (size_t i = 0; i < ARRAY_LENGTH(passed); i++) {
        struct text value = find_header(head, passed[i]);
        if (!text_empty(value))
            http1_append_header(lines, passed[i], value);
    }
    reader->out->request_id = text_empty(native->request_id)
                                  ? http1_head_value(head, HEADER_X_REQUEST_ID)
                                  : find_header(head, native->request_id);
    if (!text_empty(reader->out->request_id))
        http1_append_header(lines, TEXT("x-turnpike-upstream-request-id"), reader->out->request_id);
    if (native->write_rates != NULL && !call->own_rates)
        native->write_rates(head, call->now, lines);
}

static bool is_coded(const struct http1_head *head)
{
    struct text coding = http1_head_value(head, HEADER_CONTENT_ENCODING);
    return !text_empty(coding) && !text_equal_ignoring_case(coding, TEXT("identity"));
}

static void open_reading(struct reader *reader, const struct http1_head *head)
{
    reader->reading = reading_of(reader->answer.native, head);
    buffer_open(&reader->held,
                reader->reading == READING_ERROR ? NATIVE_ERROR_MAX : NATIVE_ANSWER_MAX);
    sse_splitter_open(&reader->sse, SSE_FRAME_LIMIT);
    buffer_open(&reader->joined, SSE_FRAME_LIMIT);
    event_stream_open(&reader->events, EVENT_STREAM_FRAME_LIMIT);
}

static enum error answer_head(struct provider_answer *base, const struct http1_head *head,
                              struct buffer *lines, struct provider_answer_out *out)
{
    struct reader *reader = reader_of(base);
    if (is_coded(head))
        return ERROR_UNSUPPORTED;
    reader->out = out;
    *out = (struct provider_answer_out){
        .status = head->status, .relay = PROVIDER_RELAY_WHOLE, .held = true};
    open_reading(reader, head);
    write_lines(reader, head, lines);
    base->outcome = dialect_outcome(head);
    if (reader->answer.native->read_head != NULL)
        reader->answer.native->read_head(&reader->answer, head);
    if (reader->reading == READING_ERROR) {
        native_error_for(&reader->error, head->status, NULL);
        base->outcome.failure = reader->error.failure;
        return ERROR_OK;
    }
    bool streams = is_streaming(reader);
    out->relay = streams ? PROVIDER_RELAY_STREAM : PROVIDER_RELAY_WHOLE;
    out->late_lines = streams ? TEXT("content-type: text/event-stream; charset=utf-8\r\n"
                                     "cache-control: no-cache\r\n")
                              : TEXT("content-type: application/json\r\n");
    return ERROR_OK;
}

/* ---- the body ---- */

static enum error read_parsed(struct reader *reader, struct native_frame *frame, yyjson_doc *parsed)
{
    frame->root = parsed == NULL ? NULL : yyjson_doc_get_root(parsed);
    enum error error = reader->answer.native->read_frame(&reader->answer, frame);
    yyjson_doc_free(parsed);
    reader->answer.base.has_content = translation_has_content(reader->answer.translation);
    if (error != ERROR_REFUSED)
        return error;
    (void)tell_failure(reader);
    return ERROR_OK;
}

static yyjson_doc *parse_in(struct text data, const yyjson_alc *allocator)
{
    return yyjson_read_opts((char *)(uintptr_t)data.data, data.length, YYJSON_READ_NOFLAG,
                            allocator, NULL);
}

/* Also what holds half a character; NULL when it is no JSON or memory is short. */
static yyjson_doc *parse(struct text data)
{
    yyjson_doc *document;
    return json_parse(data, &document) == ERROR_OK ? document : NULL;
}

static enum error read_frame(struct reader *reader, struct native_frame *frame)
{
    char memory[PARSE_MEMORY];
    yyjson_alc pool;
    if (reader->failed)
        return ERROR_OK;
    if (frame->data.length <= SHORT_FRAME && yyjson_alc_pool_init(&pool, memory, sizeof memory)) {
        yyjson_doc *parsed = parse_in(frame->data, &pool);
        if (parsed != NULL)
            return read_parsed(reader, frame, parsed);
    }
    return read_parsed(reader, frame, parse(frame->data));
}

static enum error read_sse_frame(struct reader *reader, const struct sse_frame *raw)
{
    struct sse_event event;
    if (!raw->whole)
        return ERROR_LIMIT;
    if (!sse_read(raw, &reader->joined, &event))
        return ERROR_MEMORY;
    struct native_frame frame = {.name = event.name, .data = event.data};
    return event.has_data ? read_frame(reader, &frame) : ERROR_OK;
}

static enum error read_sse(struct reader *reader, struct text bytes)
{
    struct sse_frame frame;
    enum error error = ERROR_OK;
    while (error == ERROR_OK && sse_next(&reader->sse, &bytes, &frame))
        error = read_sse_frame(reader, &frame);
    return error;
}

static enum error read_message(struct reader *reader, const struct event_stream_frame *raw)
{
    struct event_stream_message message;
    if (!event_stream_read(raw, &message))
        return ERROR_SYNTAX;
    struct native_frame frame = {
        .name = message.name,
        .data = text_empty(message.payload) ? message.message : message.payload,
        .exception = message.kind != EVENT_STREAM_EVENT,
    };
    return read_frame(reader, &frame);
}

static enum error read_events(struct reader *reader, struct text bytes)
{
    for (;;) {
        struct event_stream_frame frame;
        enum error error = event_stream_next(&reader->events, &bytes, &frame);
        if (error != ERROR_OK || text_empty(frame.raw))
            return error;
        error = read_message(reader, &frame);
        if (error != ERROR_OK)
            return error;
    }
}

/* What does not fit is the end of a page for people. */
static void hold_error(struct reader *reader, struct text bytes)
{
    (void)buffer_append(&reader->held, text_first(bytes, NATIVE_ERROR_MAX - reader->held.length));
}

static enum error answer_bytes(struct provider_answer *base, struct text bytes)
{
    struct reader *reader = reader_of(base);
    switch (reader->reading) {
    case READING_CLOSED: break;
    case READING_ERROR: hold_error(reader, bytes); break;
    case READING_WHOLE: return buffer_append(&reader->held, bytes) ? ERROR_OK : ERROR_LIMIT;
    case READING_STREAM:
        return reader->answer.native->framing == NATIVE_SSE ? read_sse(reader, bytes)
                                                            : read_events(reader, bytes);
    }
    return ERROR_OK;
}

/* ---- usage ---- */

static yyjson_mut_doc *counts_document(struct native_answer *answer)
{
    yyjson_alc allocator = native_allocator(answer->arena);
    /* The document copies what it needs of the allocator. */
    return yyjson_mut_doc_new(&allocator);
}

static bool text_is(yyjson_mut_val *old, yyjson_val *value)
{
    return yyjson_mut_is_str(old) && yyjson_is_str(value) &&
           yyjson_mut_equals_strn(old, yyjson_get_str(value), yyjson_get_len(value));
}

/* Of an entry such as {"modality": "TEXT", "tokenCount": 5}: the same words, other numbers. */
static bool overwrite_object(yyjson_mut_val *old, yyjson_val *value)
{
    yyjson_val *key, *member;
    size_t index, count;
    if (!yyjson_mut_is_obj(old) || yyjson_mut_obj_size(old) != yyjson_obj_size(value))
        return false;
    yyjson_obj_foreach(json_members(value), index, count, key, member)
    {
        yyjson_mut_val *kept = yyjson_mut_obj_getn(old, yyjson_get_str(key), yyjson_get_len(key));
        if (yyjson_mut_is_num(kept) && yyjson_is_uint(member))
            (void)yyjson_mut_set_uint(kept, yyjson_get_uint(member));
        else if (!text_is(kept, member))
            return false;
    }
    return true;
}

/* In its place where that is possible: a stream may tell of its usage in each frame. */
static bool overwrite(yyjson_mut_val *old, yyjson_val *value)
{
    if (yyjson_mut_is_num(old) && yyjson_is_uint(value))
        return yyjson_mut_set_uint(old, yyjson_get_uint(value));
    if (!yyjson_mut_is_arr(old) || !yyjson_is_arr(value) ||
        yyjson_mut_arr_size(old) != yyjson_arr_size(value))
        return false;
    yyjson_mut_val *entry;
    size_t index, count;
    yyjson_mut_arr_foreach(old, index, count, entry)
    {
        if (!overwrite_object(entry, yyjson_arr_get(value, index)))
            return false;
    }
    return true;
}

void native_take_usage(struct native_answer *answer, yyjson_val *usage)
{
    yyjson_val *key, *value;
    size_t index, count;
    if (!yyjson_is_obj(usage))
        return;
    if (answer->counts == NULL) {
        answer->counts_document = counts_document(answer);
        answer->counts = yyjson_mut_obj(answer->counts_document);
    }
    if (answer->counts == NULL)
        return;
    yyjson_obj_foreach(usage, index, count, key, value)
    {
        if (yyjson_is_null(value))
            continue;
        yyjson_mut_doc *document = answer->counts_document;
        if (overwrite(yyjson_mut_obj_getn(answer->counts, yyjson_get_str(key), yyjson_get_len(key)),
                      value))
            continue;
        yyjson_mut_obj_put(answer->counts, yyjson_val_mut_copy(document, key),
                           yyjson_val_mut_copy(document, value));
    }
    answer->native->count_usage(answer);
}

int64_t native_usage(struct native_answer *answer, const char *path)
{
    struct text rest = text_from(path);
    yyjson_mut_val *value = answer->counts;
    while (rest.data != NULL && value != NULL) {
        struct text key = text_split(&rest, '.');
        value = yyjson_mut_obj_getn(value, key.data, key.length);
    }
    if (value == NULL || yyjson_mut_is_null(value))
        return -1;
    if (yyjson_mut_is_uint(value) && yyjson_mut_get_uint(value) <= INT64_MAX) {
        answer->usage.source = USAGE_REPORTED;
        return (int64_t)yyjson_mut_get_uint(value);
    }
    answer->usage.suspicious = true;
    return -1;
}

/* Nothing, or only what was known at the start, was said of a stream that broke off: the rest is
 * estimated from what the model wrote. */
static void estimate(struct reader *reader)
{
    struct native_answer *answer = &reader->answer;
    const struct envelope *envelope = answer->base.call->envelope;
    bool touched = translation_has_content(answer->translation) || answer->counts != NULL;
    if (answer->complete || !touched)
        return;
    struct usage guess;
    usage_clear(&guess);
    usage_estimate(&guess, envelope != NULL ? (int64_t)envelope->body_length : -1,
                   (int64_t)translation_content_bytes(answer->translation));
    if (answer->usage.input < 0)
        answer->usage.input = guess.input;
    if (answer->usage.output < guess.output)
        answer->usage.output = guess.output;
    answer->usage.source = USAGE_ESTIMATED;
}

static void settle_facts(struct reader *reader)
{
    struct native_answer *answer = &reader->answer;
    struct answer_facts *facts = &reader->facts;
    if (answer->translation != NULL && reader->reading == READING_STREAM)
        estimate(reader);
    facts->usage = answer->usage;
    facts->service_tier = answer->service_tier;
    facts->usage_dialect = answer->native->usage_dialect;
    facts->finished = answer->complete;
    if (answer->counts != NULL) {
        yyjson_alc allocator = native_allocator(answer->arena);
        size_t length = 0;
        char *bytes = yyjson_mut_val_write_opts(answer->counts, YYJSON_WRITE_NOFLAG, &allocator,
                                                &length, NULL);
        facts->usage_raw = text_of(bytes, bytes == NULL ? 0 : length);
    }
    if (answer->translation != NULL)
        facts->content_bytes = translation_content_bytes(answer->translation);
}

/* ---- the end ---- */

static bool error_end(struct reader *reader)
{
    struct native_answer *answer = &reader->answer;
    yyjson_doc *parsed = parse(buffer_text(&reader->held));
    yyjson_val *root = parsed == NULL ? NULL : yyjson_doc_get_root(parsed);
    struct native_error error;
    native_error_for(&error, reader->out->status, root);
    if (answer->native->read_error != NULL)
        answer->native->read_error(answer, root, &error);
    native_fail(answer, &error);
    yyjson_doc_free(parsed);
    return tell_failure(reader);
}

static enum error read_embeddings(struct reader *reader, yyjson_val *root)
{
    struct buffer out;
    buffer_open(&out, NATIVE_ANSWER_MAX);
    enum error error = reader->answer.native->read_embeddings(&reader->answer, root, &out);
    if (error == ERROR_OK && out.failed)
        error = ERROR_LIMIT;
    if (error == ERROR_OK) {
        sink_write(&reader->answer.base, buffer_text(&out));
        reader->answer.base.has_content = true;
    }
    buffer_close(&out);
    return error;
}

/* {"object":"response.input_tokens","input_tokens":25}. */
static enum error read_count(struct reader *reader, yyjson_val *root)
{
    const struct native_answer *answer = &reader->answer;
    struct buffer out;
    struct json_writer json;
    uint64_t count;
    if (json_get_unsigned(root, answer->native->count_member, &count) != JSON_PRESENT)
        return ERROR_SYNTAX;
    buffer_open(&out, NATIVE_ERROR_MAX);
    json_open(&json, &out);
    json_begin_object(&json);
    json_member_text(&json, "object", TEXT("response.input_tokens"));
    json_member_unsigned(&json, "input_tokens", count);
    json_end_object(&json);
    enum error error = json_done(&json) ? ERROR_OK : ERROR_MEMORY;
    if (error == ERROR_OK)
        sink_write(&reader->answer.base, buffer_text(&out));
    buffer_close(&out);
    return error;
}

static enum error read_whole(struct reader *reader)
{
    struct native_answer *answer = &reader->answer;
    yyjson_doc *parsed = parse(buffer_text(&reader->held));
    yyjson_val *root = parsed == NULL ? NULL : yyjson_doc_get_root(parsed);
    enum error error = root == NULL                        ? ERROR_SYNTAX
                       : answer->ask->task == NATIVE_CHAT  ? answer->native->read_chat(answer, root)
                       : answer->ask->task == NATIVE_COUNT ? read_count(reader, root)
                                                           : read_embeddings(reader, root);
    yyjson_doc_free(parsed);
    return error;
}

static bool whole_end(struct reader *reader, enum error error)
{
    struct native_answer *answer = &reader->answer;
    if (error != ERROR_OK)
        return false;
    error = read_whole(reader);
    if (error == ERROR_OK)
        answer->complete = true;
    if (error == ERROR_OK && answer->translation != NULL && !translation_end(answer->translation))
        error = ERROR_LIMIT;
    answer->base.has_content |= error == ERROR_OK;
    if (error == ERROR_OK)
        return true;
    if (error != ERROR_REFUSED)
        fail_invalid(reader, error == ERROR_SYNTAX
                                 ? "The provider's answer is not of a form that is known here."
                                 : "The provider's answer is too large to be translated.");
    return tell_failure(reader);
}

/* A last frame without its blank line. */
static enum error drain(struct reader *reader)
{
    struct sse_frame frame;
    if (reader->answer.native->framing == NATIVE_EVENT_STREAM)
        return event_stream_end(&reader->events);
    if (!sse_end(&reader->sse, &frame))
        return ERROR_OK;
    frame.whole = !reader->sse.passing;
    return read_sse_frame(reader, &frame);
}

static bool stream_end(struct reader *reader, enum error error, struct text code,
                       struct text message)
{
    struct native_answer *answer = &reader->answer;
    /* What is left may be the end that the stream still lacks; where it cannot be read it is not.
     */
    if (error == ERROR_OK && !reader->failed)
        (void)drain(reader);
    if (reader->failed)
        return tell_failure(reader);
    if (answer->complete)
        return translation_end(answer->translation);
    struct native_error broken = {.code = code, .message = message};
    native_error_set(&broken, PROVIDER_FAILURE_NONE);
    broken.code = code;
    broken.failure = PROVIDER_FAILURE_SERVER;
    native_fail(answer, &broken);
    reader->facts.is_error = false; /* what came before counts */
    reader->facts.broken = true;
    return tell_failure(reader);
}

static bool answer_end(struct provider_answer *base, enum error error, struct text code,
                       struct text message)
{
    struct reader *reader = reader_of(base);
    bool told = false;
    switch (reader->reading) {
    case READING_CLOSED: return false;
    case READING_ERROR: told = error_end(reader); break;
    case READING_WHOLE: told = whole_end(reader, error); break;
    case READING_STREAM: told = stream_end(reader, error, code, message); break;
    }
    settle_facts(reader);
    return told;
}

static void answer_close(struct provider_answer *base)
{
    struct reader *reader = reader_of(base);
    translation_close(reader->answer.translation);
    if (reader->reading == READING_CLOSED)
        return;
    buffer_close(&reader->held);
    buffer_close(&reader->joined);
    sse_splitter_close(&reader->sse);
    event_stream_close(&reader->events);
}

static const struct provider_answer_methods methods = {
    .head = answer_head,
    .bytes = answer_bytes,
    .end = answer_end,
    .close = answer_close,
};

enum error native_answer_open(const struct provider_call *call,
                              const struct provider_request *request,
                              const struct provider_sink *sink, struct provider_answer **answer)
{
    const struct native *native = request->ask->native;
    struct reader *reader = arena_take_zeroed(call->arena, sizeof *reader);
    if (reader == NULL)
        return ERROR_MEMORY;
    answer_facts_clear(&reader->facts);
    reader->answer = (struct native_answer){
        .base = {.methods = &methods, .sink = sink, .call = call, .facts = &reader->facts},
        .native = native,
        .ask = request->ask,
        .state = request->ask->state,
        .arena = call->arena,
    };
    usage_clear(&reader->answer.usage);
    *answer = &reader->answer.base;
    if (request->ask->task != NATIVE_CHAT)
        return ERROR_OK;
    const struct translation_settings settings = {
        .conversation = request->ask->conversation,
        .model = call->envelope->model,
        .request_id = call->request_id,
        .seal_origin = native->seal_origin,
        .created = call->now,
        .arena = call->arena,
        .write = sink_write,
        .owner = &reader->answer.base,
    };
    reader->answer.translation = translation_open(&settings);
    return reader->answer.translation == NULL ? ERROR_MEMORY : ERROR_OK;
}
