#include "leaks/report.h"

#include "codec/json.h"

static void member_or_null(struct json_writer *json, const char *name, struct text value)
{
    json_member_text(json, name, text_empty(value) ? text_of(NULL, 0) : value);
}

static void write_leak(struct json_writer *json, const struct leak *leak)
{
    bool ours = secret_is_ours(leak->kind);
    json_begin_object(json);
    json_member_text(json, "rule", secret_rows[leak->kind].id);
    json_member_text(json, "secret", text_from(leak->shown));
    json_member_text(json, "file", leak->file);
    json_member_unsigned(json, "line", leak->line);
    json_member_unsigned(json, "column", leak->column);
    json_member_unsigned(json, "length", leak->length);
    member_or_null(json, "commit", leak->commit);
    member_or_null(json, "object", leak->object);
    member_or_null(json, "author", leak->author);
    member_or_null(json, "date", leak->date);
    member_or_null(json, "state", ours ? leak_state_name(leak->state) : TEXT(""));
    member_or_null(json, "key", text_from(leak->id));
    member_or_null(json, "name", leak->name);
    member_or_null(json, "team", leak->team);
    json_member_text(json, "fingerprint", text_from(leak->fingerprint));
    json_end_object(json);
}

static void write_summary(struct json_writer *json, const struct leaks *leaks, uint64_t told,
                          const struct report_summary *summary)
{
    json_key(json, TEXT("summary"));
    json_begin_object(json);
    json_member_unsigned(json, "found", told);
    json_member_unsigned(json, "hidden", leaks->count - told);
    json_member_bool(json, "complete", !leaks->more && summary->unread == 0 && !summary->shallow);
    json_member_unsigned(json, "look_alikes", leaks->look_alikes);
    json_member_unsigned(json, "files", summary->files);
    json_member_unsigned(json, "bytes", summary->bytes);
    json_member_unsigned(json, "unread", summary->unread);
    json_member_unsigned(json, "milliseconds", summary->milliseconds);
    json_end_object(json);
}

void report_write_json(const struct leaks *leaks, report_wants wants,
                       const struct report_summary *summary, struct buffer *out)
{
    struct json_writer json;
    uint64_t told = 0;
    json_open(&json, out);
    json_begin_object(&json);
    json_member_text(&json, "turnpike", TEXT(TURNPIKE_VERSION));
    json_key(&json, TEXT("findings"));
    json_begin_array(&json);
    for (size_t i = 0; i < leaks->count; i++) {
        if (!wants(&leaks->rows[i]))
            continue;
        write_leak(&json, &leaks->rows[i]);
        told++;
    }
    json_end_array(&json);
    write_summary(&json, leaks, told, summary);
    json_end_object(&json);
    buffer_append_char(out, '\n');
}
