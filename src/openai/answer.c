#include "openai/answer.h"

/* Ids, names and states; the longest known are model names of some 200 bytes. */
#define NAME_MAX_BYTES 1024u
/* The file object of a completed upload: a name and ten numbers. */
#define FILE_MAX_BYTES 4096u

static const struct scan_watch watches[ANSWER_FIELD_COUNT] = {
    [ANSWER_ID] = {TEXT_INIT("id"), NAME_MAX_BYTES},
    [ANSWER_OBJECT] = {TEXT_INIT("object"), NAME_MAX_BYTES},
    [ANSWER_MODEL] = {TEXT_INIT("model"), NAME_MAX_BYTES},
    [ANSWER_SERVICE_TIER] = {TEXT_INIT("service_tier"), NAME_MAX_BYTES},
    [ANSWER_STATUS] = {TEXT_INIT("status"), NAME_MAX_BYTES},
    [ANSWER_USAGE] = {TEXT_INIT("usage"), ANSWER_USAGE_MAX},
    [ANSWER_ERROR] = {TEXT_INIT("error"), ANSWER_ERROR_MAX},
    [ANSWER_OUTPUT_FILE_ID] = {TEXT_INIT("output_file_id"), NAME_MAX_BYTES},
    [ANSWER_ERROR_FILE_ID] = {TEXT_INIT("error_file_id"), NAME_MAX_BYTES},
    [ANSWER_FILE] = {TEXT_INIT("file"), FILE_MAX_BYTES},
};

static const struct scan_watch id_watch[] = {{TEXT_INIT("id"), 0}};

void answer_facts_clear(struct answer_facts *facts)
{
    *facts = (struct answer_facts){0};
    usage_clear(&facts->usage);
}

void answer_tap_open(struct answer_tap *tap, struct arena *arena)
{
    tap->arena = arena;
    tap->broken = false;
    scan_open(&tap->scan, SCAN_LENIENT, watches, tap->values, ANSWER_FIELD_COUNT, arena);
}

void answer_tap_feed(struct answer_tap *tap, struct text bytes)
{
    if (!tap->broken && scan_feed(&tap->scan, bytes) != ERROR_OK)
        tap->broken = true;
}

static void name_read(const struct answer_tap *tap, enum answer_field field, struct text *out)
{
    const struct scan_value *value = &tap->values[field];
    /* A value that was cut off in the middle has a kind but no length. */
    if (value->kind != SCAN_STRING || value->length == 0 || value->cut ||
        scan_decode_string(tap->arena, value->raw, out) != ERROR_OK)
        *out = (struct text){NULL, 0};
}

static void related_add(struct answer_facts *facts, struct text id)
{
    if (!text_empty(id) && facts->related_count < ANSWER_RELATED_MAX)
        facts->related[facts->related_count++] = id;
}

static void related_read(const struct answer_tap *tap, struct answer_facts *facts)
{
    struct text id;
    name_read(tap, ANSWER_OUTPUT_FILE_ID, &id);
    related_add(facts, id);
    name_read(tap, ANSWER_ERROR_FILE_ID, &id);
    related_add(facts, id);
    const struct scan_value *file = &tap->values[ANSWER_FILE];
    struct scan scan;
    struct scan_value value;
    if (file->kind == SCAN_OBJECT && file->length > 0 && !file->cut &&
        scan_text(&scan, SCAN_LENIENT, file->raw, id_watch, &value, 1) == ERROR_OK &&
        value.kind == SCAN_STRING && scan_decode_string(tap->arena, value.raw, &id) == ERROR_OK)
        related_add(facts, id);
}

void answer_tap_finish(struct answer_tap *tap, struct answer_facts *facts)
{
    facts->json = !tap->broken && scan_finish(&tap->scan) == ERROR_OK;
    name_read(tap, ANSWER_ID, &facts->id);
    name_read(tap, ANSWER_OBJECT, &facts->object);
    name_read(tap, ANSWER_MODEL, &facts->model);
    name_read(tap, ANSWER_SERVICE_TIER, &facts->service_tier);
    name_read(tap, ANSWER_STATUS, &facts->status);
    related_read(tap, facts);
    const struct scan_value *usage = &tap->values[ANSWER_USAGE];
    if (usage->kind == SCAN_OBJECT && usage->length > 0 && !usage->cut) {
        facts->usage_raw = usage->raw;
        usage_read(&facts->usage, usage->raw);
    }
    const struct scan_value *error = &tap->values[ANSWER_ERROR];
    facts->is_error = error->kind != SCAN_ABSENT && error->kind != SCAN_NULL;
    if (facts->is_error && error->length > 0)
        facts->error_raw = error->raw;
    facts->finished = facts->json && !facts->is_error;
}
