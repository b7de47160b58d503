/* A frame is first walked for the few members that make it matter, wherever in it they stand; only
 * then it is scanned. The walk goes from string to string: one with a colon behind it is a member's
 * name. And a frame that is like the one before but for what the model wrote is not even walked
 * (openai/frame_pattern.h). */
#include "openai/stream.h"

#include "base/number.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "openai/scan_string.h"

/* Larger than the two events that tell of a broken stream can get, however long the texts. */
#define BROKEN_MAX 65536u

/* ---- members found without a scan ---- */

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Moves `rest` to the value of the next member, at any depth; false when there is none. */
static inline bool next_member(struct text *rest, struct text *name)
{
    const char *p = rest->data, *end = p + rest->length;
    while ((p = scan_quote(p, end)) < end) {
        const char *close = scan_string_close(p + 1, end);
        if (close == end)
            break;
        const char *behind = skip_space(close + 1, end);
        if (behind < end && *behind == ':') {
            behind = skip_space(behind + 1, end);
            *name = text_of(p + 1, (size_t)(close - p - 1));
            *rest = text_of(behind, (size_t)(end - behind));
            return behind < end;
        }
        p = close + 1;
    }
    return false;
}

/* Moves `rest` to the value of the next member with the name. */
static bool next_member_named(struct text *rest, struct text wanted)
{
    struct text name;
    while (next_member(rest, &name))
        if (text_equal(name, wanted))
            return true;
    return false;
}

/* The string that `value` starts with, as it is escaped, without its quotes; empty for anything
 * else. */
static struct text string_at(struct text value)
{
    if (value.data[0] != '"')
        return (struct text){NULL, 0};
    const char *begin = value.data + 1;
    return text_of(begin, (size_t)(scan_string_close(begin, value.data + value.length) - begin));
}

static bool has_object(struct text data, struct text name)
{
    while (next_member_named(&data, name))
        if (data.data[0] == '{')
            return true;
    return false;
}

/* Of all string values of members with the name. */
static size_t string_bytes(struct text data, struct text name)
{
    size_t bytes = 0;
    while (next_member_named(&data, name))
        bytes += string_at(data).length;
    return bytes;
}

/* ---- what is kept of scanned objects ---- */

enum {
    FRAME_ID,
    FRAME_OBJECT,
    FRAME_MODEL,
    FRAME_SERVICE_TIER,
    FRAME_STATUS,
    FRAME_CREATED,
    FRAME_CREATED_AT,
    FRAME_USAGE,
    FRAME_ERROR,
    FRAME_CHOICES,
    FRAME_RESPONSE,
    FRAME_TYPE,
    FRAME_FIELD_COUNT
};

static const struct scan_watch watches[FRAME_FIELD_COUNT] = {
    [FRAME_ID] = {TEXT_INIT("id"), 0},
    [FRAME_OBJECT] = {TEXT_INIT("object"), 0},
    [FRAME_MODEL] = {TEXT_INIT("model"), 0},
    [FRAME_SERVICE_TIER] = {TEXT_INIT("service_tier"), 0},
    [FRAME_STATUS] = {TEXT_INIT("status"), 0},
    [FRAME_CREATED] = {TEXT_INIT("created"), 0},
    [FRAME_CREATED_AT] = {TEXT_INIT("created_at"), 0},
    [FRAME_USAGE] = {TEXT_INIT("usage"), 0},
    [FRAME_ERROR] = {TEXT_INIT("error"), 0},
    [FRAME_CHOICES] = {TEXT_INIT("choices"), 0},
    [FRAME_RESPONSE] = {TEXT_INIT("response"), 0},
    [FRAME_TYPE] = {TEXT_INIT("type"), 0},
};

static void keep_name(struct stream_tap *tap, struct text *kept, const struct scan_value *value)
{
    struct text name;
    /* Azure's first chunk has empty ones. */
    if (value->kind != SCAN_STRING || value->length <= 2 ||
        scan_decode_string(tap->arena, value->raw, &name) != ERROR_OK || text_equal(*kept, name))
        return;
    name = arena_copy(tap->arena, name);
    if (name.data != NULL)
        *kept = name;
}

/* Servers that report usage in every frame must not fill the arena: the place is used again. */
static void keep_usage(struct stream_tap *tap, struct text raw)
{
    usage_read(&tap->facts.usage, raw);
    if (raw.length > ANSWER_USAGE_MAX)
        return;
    char *place = (char *)tap->facts.usage_raw.data;
    if (raw.length > tap->usage_capacity) {
        size_t capacity = raw.length * 2;
        place = arena_take(tap->arena, capacity);
        if (place == NULL)
            return;
        tap->usage_capacity = capacity;
    }
    memcpy(place, raw.data, raw.length);
    tap->facts.usage_raw = text_of(place, raw.length);
}

static void keep_error(struct stream_tap *tap, struct text raw)
{
    tap->facts.is_error = true;
    if (raw.length <= ANSWER_ERROR_MAX && text_empty(tap->facts.error_raw))
        tap->facts.error_raw = arena_copy(tap->arena, raw);
}

/* Keeps what an object (a chunk, a response) says about the answer as a whole. */
static void keep_object(struct stream_tap *tap, const struct scan_value *values)
{
    struct answer_facts *facts = &tap->facts;
    keep_name(tap, &facts->id, &values[FRAME_ID]);
    keep_name(tap, &facts->object, &values[FRAME_OBJECT]);
    keep_name(tap, &facts->model, &values[FRAME_MODEL]);
    keep_name(tap, &facts->service_tier, &values[FRAME_SERVICE_TIER]);
    keep_name(tap, &facts->status, &values[FRAME_STATUS]);
    for (int field = FRAME_CREATED; field <= FRAME_CREATED_AT; field++) {
        int64_t created;
        if (values[field].kind == SCAN_NUMBER && scan_whole_number(values[field].raw, &created) &&
            created > 0)
            tap->created = created;
    }
    if (values[FRAME_USAGE].kind == SCAN_OBJECT)
        keep_usage(tap, values[FRAME_USAGE].raw);
    if (values[FRAME_ERROR].kind >= SCAN_STRING)
        keep_error(tap, values[FRAME_ERROR].raw);
    if (!text_empty(facts->id))
        tap->identity_known = true;
}

static bool frame_scan(struct text data, struct scan_value values[FRAME_FIELD_COUNT])
{
    struct scan scan;
    return scan_text(&scan, SCAN_LENIENT, data, watches, values, FRAME_FIELD_COUNT) == ERROR_OK;
}

static bool is_empty_array(const struct scan_value *value)
{
    if (value->kind != SCAN_ARRAY)
        return false;
    const char *end = value->raw.data + value->raw.length;
    return skip_space(value->raw.data + 1, end) == end - 1;
}

/* ---- chat and completions ---- */

enum chat_meaning { CHAT_OTHER, CHAT_CONTENT, CHAT_PADDING, CHAT_FINISH, CHAT_USAGE, CHAT_ERROR };

static enum chat_meaning chat_meaning(enum stream_dialect dialect, struct text name)
{
    static const struct {
        struct text name;
        enum chat_meaning meaning;
    } rows[] = {
        {TEXT_INIT("content"), CHAT_CONTENT}, {TEXT_INIT("reasoning_content"), CHAT_CONTENT},
        {TEXT_INIT("refusal"), CHAT_CONTENT}, {TEXT_INIT("arguments"), CHAT_CONTENT},
        {TEXT_INIT("usage"), CHAT_USAGE},     {TEXT_INIT("finish_reason"), CHAT_FINISH},
        {TEXT_INIT("error"), CHAT_ERROR},     {TEXT_INIT("obfuscation"), CHAT_PADDING},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(rows[i].name, name))
            continue;
        bool chat_only = rows[i].meaning == CHAT_CONTENT;
        return chat_only && dialect == STREAM_COMPLETIONS ? CHAT_OTHER : rows[i].meaning;
    }
    return dialect == STREAM_COMPLETIONS && text_equal(name, TEXT("text")) ? CHAT_CONTENT
                                                                           : CHAT_OTHER;
}

struct chat_look {
    size_t content_bytes;
    bool finish, usage, error;
    struct frame_strings strings;
};

static void look_at_string(struct chat_look *look, struct text frame, struct text value,
                           bool is_content)
{
    struct text string = string_at(value);
    if (string.data == NULL)
        return;
    look->content_bytes += is_content ? string.length : 0;
    frame_strings_add(&look->strings, frame, string, is_content);
}

static struct chat_look chat_look(enum stream_dialect dialect, struct text frame)
{
    struct chat_look look = {0};
    struct text data = frame, name;
    while (next_member(&data, &name)) {
        char first = data.data[0];
        switch (chat_meaning(dialect, name)) {
        case CHAT_CONTENT: look_at_string(&look, frame, data, true); break;
        case CHAT_PADDING: look_at_string(&look, frame, data, false); break;
        case CHAT_FINISH: look.finish |= first == '"'; break;
        case CHAT_USAGE: look.usage |= first == '{'; break;
        case CHAT_ERROR: look.error |= first == '{' || first == '"'; break;
        case CHAT_OTHER: break;
        }
    }
    return look;
}

static struct stream_marks chat_frame(struct stream_tap *tap, struct text data)
{
    struct stream_marks marks = {0};
    if (text_starts_with(data, TEXT("[DONE]"))) {
        marks.terminal = true;
        return marks;
    }
    size_t content_bytes;
    if (frame_pattern_match(&tap->pattern, data, &content_bytes)) {
        tap->facts.content_bytes += content_bytes;
        marks.content = content_bytes > 0;
        return marks;
    }
    struct chat_look look = chat_look(tap->dialect, data);
    tap->facts.content_bytes += look.content_bytes;
    marks.content = look.content_bytes > 0;
    marks.finish = look.finish;
    if (tap->identity_known && !look.usage && !look.error) {
        if (!look.finish)
            frame_pattern_learn(&tap->pattern, tap->arena, data, &look.strings);
        return marks;
    }
    struct scan_value values[FRAME_FIELD_COUNT];
    if (!frame_scan(data, values))
        return marks;
    keep_object(tap, values);
    marks.usage = values[FRAME_USAGE].kind == SCAN_OBJECT;
    marks.usage_only = marks.usage && is_empty_array(&values[FRAME_CHOICES]);
    marks.error = values[FRAME_ERROR].kind >= SCAN_STRING;
    marks.terminal = marks.error;
    return marks;
}

/* ---- responses and media: events with a type ---- */

enum event_meaning { EVENT_OTHER, EVENT_DELTA, EVENT_BEGIN, EVENT_FINISH, EVENT_FAILED };

static enum event_meaning event_meaning(struct text type)
{
    static const struct {
        struct text type;
        enum event_meaning meaning;
    } rows[] = {
        {TEXT_INIT("response.created"), EVENT_BEGIN},
        {TEXT_INIT("response.queued"), EVENT_BEGIN},
        {TEXT_INIT("response.in_progress"), EVENT_BEGIN},
        {TEXT_INIT("response.completed"), EVENT_FINISH},
        {TEXT_INIT("response.incomplete"), EVENT_FINISH},
        {TEXT_INIT("response.failed"), EVENT_FAILED},
        {TEXT_INIT("error"), EVENT_FAILED},
        {TEXT_INIT("response.audio.delta"), EVENT_OTHER}, /* base64, no text */
        {TEXT_INIT("image_generation.completed"), EVENT_FINISH},
        {TEXT_INIT("image_edit.completed"), EVENT_FINISH},
        {TEXT_INIT("speech.audio.done"), EVENT_FINISH},
        {TEXT_INIT("transcript.text.done"), EVENT_FINISH},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(type, rows[i].type))
            return rows[i].meaning;
    return text_ends_with(type, TEXT(".delta")) ? EVENT_DELTA : EVENT_OTHER;
}

/* The type of a frame without a name. Written first by everybody, but order means nothing in JSON.
 */
static struct text type_of(struct text data)
{
    struct scan_value values[FRAME_FIELD_COUNT];
    const struct scan_value *type = &values[FRAME_TYPE];
    if (!frame_scan(data, values) || type->kind != SCAN_STRING)
        return (struct text){NULL, 0};
    return text_of(type->raw.data + 1, type->raw.length - 2);
}

static void keep_sequence(struct stream_tap *tap, struct text data)
{
    if (!next_member_named(&data, TEXT("sequence_number")))
        return;
    size_t digits = 0;
    while (digits < data.length && data.data[digits] >= '0' && data.data[digits] <= '9')
        digits++;
    int64_t sequence;
    if (scan_whole_number(text_first(data, digits), &sequence))
        tap->sequence = sequence;
}

/* Keeps what the event's response, or the event itself where it has none, says. */
static void keep_event(struct stream_tap *tap, struct text data, struct stream_marks *marks)
{
    struct scan_value values[FRAME_FIELD_COUNT], inner[FRAME_FIELD_COUNT];
    if (!frame_scan(data, values))
        return;
    const struct scan_value *kept = values;
    if (values[FRAME_RESPONSE].kind == SCAN_OBJECT && frame_scan(values[FRAME_RESPONSE].raw, inner))
        kept = inner;
    keep_object(tap, kept);
    marks->usage = kept[FRAME_USAGE].kind == SCAN_OBJECT;
    if (marks->error && !tap->facts.is_error)
        keep_error(tap, data);
}

static struct stream_marks event_frame(struct stream_tap *tap, struct text name, struct text data)
{
    struct stream_marks marks = {0};
    if (text_starts_with(data, TEXT("[DONE]"))) {
        marks.terminal = true;
        return marks;
    }
    keep_sequence(tap, data);
    switch (event_meaning(text_empty(name) ? type_of(data) : name)) {
    case EVENT_DELTA: {
        size_t bytes = string_bytes(data, TEXT("delta"));
        tap->facts.content_bytes += bytes;
        marks.content = bytes > 0;
        break;
    }
    case EVENT_BEGIN:
        if (!tap->identity_known)
            keep_event(tap, data, &marks);
        break;
    case EVENT_FINISH:
        marks.finish = marks.terminal = true;
        keep_event(tap, data, &marks);
        break;
    case EVENT_FAILED:
        marks.error = marks.terminal = true;
        keep_event(tap, data, &marks);
        break;
    case EVENT_OTHER:
        marks.content = true;
        /* A failure may come as data with an error in it and no type of its own. */
        if (has_object(data, TEXT("error")) && text_empty(type_of(data))) {
            marks.error = marks.terminal = true;
            keep_event(tap, data, &marks);
        }
        break;
    }
    return marks;
}

/* ---- public ---- */

void stream_tap_open(struct stream_tap *tap, enum stream_dialect dialect, struct arena *arena)
{
    *tap = (struct stream_tap){.dialect = dialect, .sequence = -1, .created = -1, .arena = arena};
    answer_facts_clear(&tap->facts);
}

struct stream_marks stream_tap_frame(struct stream_tap *tap, struct text name, struct text data)
{
    bool typed = tap->dialect == STREAM_RESPONSES || tap->dialect == STREAM_MEDIA;
    struct stream_marks marks = typed ? event_frame(tap, name, data) : chat_frame(tap, data);
    tap->frames++;
    tap->terminal_seen |= marks.terminal;
    tap->error_seen |= marks.error;
    tap->content_seen |= marks.content;
    if (marks.finish || (marks.terminal && !marks.error))
        tap->facts.finished = true;
    return marks;
}

void stream_tap_estimate(struct stream_tap *tap, int64_t input_bytes)
{
    if (tap->facts.usage.source != USAGE_REPORTED)
        usage_estimate(&tap->facts.usage, input_bytes, (int64_t)tap->facts.content_bytes);
}

static void write_error(struct json_writer *json, struct text code, struct text message)
{
    json_begin_object(json);
    json_member_text(json, "message", message);
    json_member_text(json, "type", TEXT("server_error"));
    json_member_text(json, "param", (struct text){NULL, 0});
    json_member_text(json, "code", code);
    json_end_object(json);
}

/* Flat, as the API describes it, and nested, as it is on the wire: Python's SDK raises on `error`,
 * Node's on the event's name. */
static void write_error_event(const struct stream_tap *tap, struct text code, struct text message,
                              struct json_writer *json)
{
    json_begin_object(json);
    json_member_text(json, "type", TEXT("error"));
    json_member_signed(json, "sequence_number", tap->sequence + 1);
    json_member_text(json, "code", code);
    json_member_text(json, "message", message);
    json_member_text(json, "param", (struct text){NULL, 0});
    json_key(json, TEXT("error"));
    write_error(json, code, message);
    json_end_object(json);
}

/* All keys that the API's schema requires of a response. */
static void write_failed_event(const struct stream_tap *tap, struct text message,
                               struct json_writer *json)
{
    json_begin_object(json);
    json_member_text(json, "type", TEXT("response.failed"));
    json_member_signed(json, "sequence_number", tap->sequence + 2);
    json_key(json, TEXT("response"));
    json_begin_object(json);
    json_member_text(json, "id", tap->facts.id);
    json_member_text(json, "object", TEXT("response"));
    json_member_signed(json, "created_at", tap->created < 0 ? 0 : tap->created);
    json_member_text(json, "status", TEXT("failed"));
    json_key(json, TEXT("error"));
    json_begin_object(json);
    json_member_text(json, "code", TEXT("server_error"));
    json_member_text(json, "message", message);
    json_end_object(json);
    json_key(json, TEXT("incomplete_details"));
    json_null(json);
    json_key(json, TEXT("instructions"));
    json_null(json);
    json_key(json, TEXT("metadata"));
    json_raw(json, TEXT("{}"));
    json_member_text(json, "model", tap->facts.model);
    json_key(json, TEXT("output"));
    json_raw(json, TEXT("[]"));
    json_member_bool(json, "parallel_tool_calls", true);
    json_key(json, TEXT("temperature"));
    json_null(json);
    json_member_text(json, "tool_choice", TEXT("auto"));
    json_key(json, TEXT("tools"));
    json_raw(json, TEXT("[]"));
    json_key(json, TEXT("top_p"));
    json_null(json);
    json_key(json, TEXT("usage"));
    json_null(json);
    json_end_object(json);
    json_end_object(json);
}

bool stream_write_broken(const struct stream_tap *tap, struct text code, struct text message,
                         struct buffer *out)
{
    struct buffer data;
    struct json_writer json;
    buffer_open(&data, BROKEN_MAX);
    json_open(&json, &data);
    bool ok;
    if (tap->dialect != STREAM_RESPONSES) {
        json_begin_object(&json);
        json_key(&json, TEXT("error"));
        write_error(&json, code, message);
        json_end_object(&json);
        ok = json_done(&json) && sse_append(out, TEXT(""), buffer_text(&data));
    } else {
        write_error_event(tap, code, message, &json);
        ok = json_done(&json) && sse_append(out, TEXT("error"), buffer_text(&data));
        buffer_clear(&data);
        json_open(&json, &data);
        write_failed_event(tap, message, &json);
        ok = ok && json_done(&json) && sse_append(out, TEXT("response.failed"), buffer_text(&data));
    }
    buffer_close(&data);
    if (!ok)
        out->failed = true;
    return ok;
}
