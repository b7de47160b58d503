#include "openai/envelope.h"

#include <inttypes.h>

#include "codec/json.h"

/* Longest that real ones are, with room: a name, an id, an options object. */
#define SMALL_MAX 4096u
/* 16 pairs of a 64 byte key and a 512 character value, which JSON may escape sixfold, is the API's
 * own limit; nobody comes near it. */
#define METADATA_MAX 16384u

/* In the order of enum envelope_field. */
static const struct scan_watch watches[ENVELOPE_FIELD_COUNT] = {
    [ENVELOPE_MODEL] = {TEXT_INIT("model"), SMALL_MAX},
    [ENVELOPE_STREAM] = {TEXT_INIT("stream"), SMALL_MAX},
    [ENVELOPE_STREAM_OPTIONS] = {TEXT_INIT("stream_options"), SMALL_MAX},
    [ENVELOPE_MAX_TOKENS] = {TEXT_INIT("max_tokens"), SMALL_MAX},
    [ENVELOPE_MAX_COMPLETION_TOKENS] = {TEXT_INIT("max_completion_tokens"), SMALL_MAX},
    [ENVELOPE_MAX_OUTPUT_TOKENS] = {TEXT_INIT("max_output_tokens"), SMALL_MAX},
    [ENVELOPE_N] = {TEXT_INIT("n"), SMALL_MAX},
    [ENVELOPE_USER] = {TEXT_INIT("user"), SMALL_MAX},
    [ENVELOPE_METADATA] = {TEXT_INIT("metadata"), METADATA_MAX},
    [ENVELOPE_PREVIOUS_RESPONSE_ID] = {TEXT_INIT("previous_response_id"), SMALL_MAX},
    [ENVELOPE_CONVERSATION] = {TEXT_INIT("conversation"), SMALL_MAX},
    [ENVELOPE_INPUT_FILE_ID] = {TEXT_INIT("input_file_id"), SMALL_MAX},
    [ENVELOPE_FILE_ID] = {TEXT_INIT("file_id"), SMALL_MAX},
    [ENVELOPE_FILE_IDS] = {TEXT_INIT("file_ids"), METADATA_MAX},
    [ENVELOPE_TRAINING_FILE] = {TEXT_INIT("training_file"), SMALL_MAX},
    [ENVELOPE_BACKGROUND] = {TEXT_INIT("background"), SMALL_MAX},
    [ENVELOPE_STORE] = {TEXT_INIT("store"), SMALL_MAX},
    [ENVELOPE_SERVICE_TIER] = {TEXT_INIT("service_tier"), SMALL_MAX},
};

static const struct scan_watch id_watch[] = {{TEXT_INIT("id"), 0}};
static const struct scan_watch usage_watch[] = {{TEXT_INIT("include_usage"), 0}};

void envelope_open(struct envelope *envelope, struct arena *arena)
{
    memset(envelope, 0,
           offsetof(struct envelope, scan)); /* the scan clears itself and the values */
    envelope->arena = arena;
    envelope->max_output = -1;
    envelope->n = -1;
    scan_open(&envelope->scan, SCAN_STRICT, watches, envelope->values, ENVELOPE_FIELD_COUNT, arena);
}

struct text envelope_field_name(enum envelope_field field)
{
    return watches[field].key;
}

struct text envelope_raw(const struct envelope *envelope, enum envelope_field field)
{
    return envelope->values[field].raw;
}

/* ---- errors ---- */

static enum error scan_failed(struct envelope *envelope, enum error error)
{
    const struct scan *scan = &envelope->scan;
    if (error == ERROR_OK || error == ERROR_MEMORY)
        return error;
    envelope->reason = arena_format(envelope->arena, "%s, at line %" PRIu64 ", column %" PRIu64,
                                    scan->reason, scan->line, scan_column(scan));
    if (error == ERROR_UNSUPPORTED && scan->key_length > 0 &&
        scan_is_utf8(text_of(scan->key, scan->key_length)))
        envelope->param = arena_copy(envelope->arena, text_of(scan->key, scan->key_length));
    return envelope->reason.data != NULL ? error : ERROR_MEMORY;
}

static enum error field_failed(struct envelope *envelope, enum envelope_field field,
                               const char *expected)
{
    envelope->param = watches[field].key;
    envelope->reason =
        arena_format(envelope->arena, "\"%s\" %s (it starts at byte %" PRIu64 ")",
                     watches[field].key.data, expected, envelope->values[field].offset);
    return envelope->reason.data != NULL ? ERROR_SYNTAX : ERROR_MEMORY;
}

/* ---- values ---- */

static bool is_given(const struct scan_value *value)
{
    return value->kind != SCAN_ABSENT && value->kind != SCAN_NULL;
}

/* Decodes a string member; one that is not there leaves `out` empty. */
static enum error read_string(struct envelope *envelope, enum envelope_field field,
                              struct text *out)
{
    const struct scan_value *value = &envelope->values[field];
    if (!is_given(value))
        return ERROR_OK;
    if (value->kind != SCAN_STRING)
        return field_failed(envelope, field, "must be a string");
    if (value->cut)
        return field_failed(envelope, field, "is longer than 4096 bytes");
    enum error error = scan_decode_string(envelope->arena, value->raw, out);
    if (error == ERROR_SYNTAX)
        return field_failed(envelope, field, "is not valid UTF-8 or has half a surrogate pair");
    return error;
}

static enum error read_flag(struct envelope *envelope, enum envelope_field field, bool *out)
{
    const struct scan_value *value = &envelope->values[field];
    if (!is_given(value))
        return ERROR_OK;
    if (value->kind != SCAN_TRUE && value->kind != SCAN_FALSE)
        return field_failed(envelope, field, "must be true or false");
    *out = value->kind == SCAN_TRUE;
    return ERROR_OK;
}

/* A limit that is no whole number is the provider's to refuse. */
static int64_t read_number(const struct envelope *envelope, enum envelope_field field)
{
    const struct scan_value *value = &envelope->values[field];
    int64_t number;
    if (value->kind != SCAN_NUMBER || !scan_whole_number(value->raw, &number))
        return -1;
    return number;
}

static void read_numbers(struct envelope *envelope)
{
    static const enum envelope_field limits[] = {
        ENVELOPE_MAX_TOKENS, ENVELOPE_MAX_COMPLETION_TOKENS, ENVELOPE_MAX_OUTPUT_TOKENS};
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        int64_t limit = read_number(envelope, limits[i]);
        if (limit > envelope->max_output)
            envelope->max_output = limit;
    }
    envelope->n = read_number(envelope, ENVELOPE_N);
}

static enum error read_stream_options(struct envelope *envelope)
{
    const struct scan_value *value = &envelope->values[ENVELOPE_STREAM_OPTIONS];
    if (!is_given(value))
        return ERROR_OK;
    if (value->kind != SCAN_OBJECT)
        return field_failed(envelope, ENVELOPE_STREAM_OPTIONS, "must be an object");
    if (value->cut)
        return field_failed(envelope, ENVELOPE_STREAM_OPTIONS, "is longer than 4096 bytes");
    struct scan scan;
    struct scan_value *option = &envelope->usage_option;
    if (scan_text(&scan, SCAN_STRICT, value->raw, usage_watch, option, 1) != ERROR_OK)
        return field_failed(envelope, ENVELOPE_STREAM_OPTIONS, "names include_usage twice");
    if (is_given(option) && option->kind != SCAN_TRUE && option->kind != SCAN_FALSE)
        return field_failed(envelope, ENVELOPE_STREAM_OPTIONS,
                            "has an include_usage that is not true or false");
    envelope->options_empty = scan.object_empty;
    envelope->include_usage = option->kind == SCAN_TRUE;
    option->offset += value->offset;
    return ERROR_OK;
}

/* {"id":"conv_…"} */
static enum error read_object_id(struct envelope *envelope, enum envelope_field field,
                                 struct text *out)
{
    const struct scan_value *value = &envelope->values[field];
    struct scan scan;
    struct scan_value id;
    if (value->cut || scan_text(&scan, SCAN_STRICT, value->raw, id_watch, &id, 1) != ERROR_OK ||
        id.kind != SCAN_STRING || scan_decode_string(envelope->arena, id.raw, out) != ERROR_OK)
        return field_failed(envelope, field, "must be an id or an object with one");
    return ERROR_OK;
}

/* ["file-…", …]: the first. The scan has checked the array. */
static enum error read_first(struct envelope *envelope, enum envelope_field field, struct text *out)
{
    const struct scan_value *value = &envelope->values[field];
    struct text rest = value->raw;
    if (value->cut)
        return field_failed(envelope, field, "is longer than 16384 bytes");
    ptrdiff_t start = text_find_char(rest, '"');
    if (start < 0)
        return ERROR_OK;
    rest = text_from_index(rest, (size_t)start);
    size_t end = 1;
    while (end < rest.length && rest.data[end] != '"')
        end += rest.data[end] == '\\' ? 2 : 1;
    enum error error = scan_decode_string(envelope->arena, text_first(rest, end + 1), out);
    if (error == ERROR_SYNTAX)
        return field_failed(envelope, field, "must be an array of strings");
    return error;
}

static enum error read_reference(struct envelope *envelope)
{
    static const enum envelope_field fields[] = {ENVELOPE_PREVIOUS_RESPONSE_ID,
                                                 ENVELOPE_CONVERSATION,
                                                 ENVELOPE_INPUT_FILE_ID,
                                                 ENVELOPE_FILE_ID,
                                                 ENVELOPE_FILE_IDS,
                                                 ENVELOPE_TRAINING_FILE};
    for (size_t i = 0; i < ARRAY_LENGTH(fields) && text_empty(envelope->reference); i++) {
        enum error error;
        switch (envelope->values[fields[i]].kind) {
        case SCAN_OBJECT: error = read_object_id(envelope, fields[i], &envelope->reference); break;
        case SCAN_ARRAY: error = read_first(envelope, fields[i], &envelope->reference); break;
        default: error = read_string(envelope, fields[i], &envelope->reference); break;
        }
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static enum error read_strings(struct envelope *envelope)
{
    enum error error = read_string(envelope, ENVELOPE_MODEL, &envelope->model);
    if (error == ERROR_OK)
        error = read_string(envelope, ENVELOPE_USER, &envelope->user);
    if (error == ERROR_OK)
        error = read_string(envelope, ENVELOPE_SERVICE_TIER, &envelope->service_tier);
    return error;
}

static enum error read_flags(struct envelope *envelope)
{
    enum error error = read_flag(envelope, ENVELOPE_STREAM, &envelope->stream);
    if (error == ERROR_OK)
        error = read_flag(envelope, ENVELOPE_BACKGROUND, &envelope->background);
    if (error == ERROR_OK)
        error = read_flag(envelope, ENVELOPE_STORE, &envelope->store);
    envelope->store_stated = is_given(&envelope->values[ENVELOPE_STORE]);
    return error;
}

enum error envelope_feed(struct envelope *envelope, struct text bytes)
{
    if (envelope->scan.error != ERROR_OK)
        return envelope->scan.error;
    return scan_failed(envelope, scan_feed(&envelope->scan, bytes));
}

enum error envelope_finish(struct envelope *envelope)
{
    if (envelope->scan.error != ERROR_OK)
        return envelope->scan.error;
    enum error error = scan_failed(envelope, scan_finish(&envelope->scan));
    envelope->body_length = envelope->scan.offset;
    if (error == ERROR_OK)
        error = read_strings(envelope);
    if (error == ERROR_OK)
        error = read_flags(envelope);
    if (error == ERROR_OK)
        error = read_stream_options(envelope);
    if (error == ERROR_OK)
        error = read_reference(envelope);
    read_numbers(envelope);
    if (envelope->values[ENVELOPE_METADATA].kind == SCAN_OBJECT)
        envelope->metadata = envelope->values[ENVELOPE_METADATA].raw;
    envelope->scan.error = error;
    return error;
}

/* ---- edits ---- */

enum error envelope_set_model(const struct envelope *envelope, struct text model,
                              struct splices *splices)
{
    const struct scan_value *value = &envelope->values[ENVELOPE_MODEL];
    if (value->kind != SCAN_STRING || !scan_is_utf8(model))
        return ERROR_ARGUMENT;
    struct buffer escaped;
    buffer_open(&escaped, model.length * 6 + 2); /* "\u0001" for each byte, and the quotes */
    struct text replacement = {NULL, 0};
    if (json_append_text(&escaped, model))
        replacement = arena_copy(envelope->arena, buffer_text(&escaped));
    buffer_close(&escaped);
    if (replacement.data == NULL)
        return ERROR_MEMORY;
    splices_add(splices, value->offset, value->length, replacement);
    return ERROR_OK;
}

void envelope_ask_usage(const struct envelope *envelope, struct splices *splices)
{
    const struct scan_value *options = &envelope->values[ENVELOPE_STREAM_OPTIONS];
    const struct scan_value *option = &envelope->usage_option;
    if (envelope->include_usage)
        return;
    if (options->kind == SCAN_ABSENT)
        /* Behind the opening bracket, where a comma is right unless nothing else follows. */
        splices_add(splices, envelope->scan.object_open + 1, 0,
                    envelope->scan.object_empty
                        ? TEXT("\"stream_options\":{\"include_usage\":true}")
                        : TEXT("\"stream_options\":{\"include_usage\":true},"));
    else if (options->kind == SCAN_NULL)
        splices_add(splices, options->offset, options->length, TEXT("{\"include_usage\":true}"));
    else if (option->kind == SCAN_ABSENT)
        splices_add(splices, options->offset + 1, 0,
                    envelope->options_empty ? TEXT("\"include_usage\":true")
                                            : TEXT("\"include_usage\":true,"));
    else
        splices_add(splices, option->offset, option->length, TEXT("true"));
}
