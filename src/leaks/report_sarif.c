/* The sections named are those of SARIF 2.1.0. */
#include "codec/json.h"
#include "leaks/report.h"

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static void write_words(struct json_writer *json, const char *name, struct text words)
{
    json_key(json, text_from(name));
    json_begin_object(json);
    json_member_text(json, "text", words);
    json_end_object(json);
}

/* Section 3.49. */
static void write_rules(struct json_writer *json)
{
    json_key(json, TEXT("rules"));
    json_begin_array(json);
    for (unsigned i = 0; i < SECRET_KIND_COUNT; i++) {
        json_begin_object(json);
        json_member_text(json, "id", secret_rows[i].id);
        write_words(json, "shortDescription", secret_rows[i].title);
        json_end_object(json);
    }
    json_end_array(json);
}

/* Section 3.27.10: what opens something is an error, what does not is worth a note. */
static const char *level_of(const struct leak *leak)
{
    if (leak->state == LEAK_UNKNOWN)
        return "warning";
    return leak_may_be_live(leak) ? "error" : "note";
}

static void write_message(struct json_writer *json, const struct leak *leak)
{
    struct buffer words;
    buffer_open(&words, 4096);
    buffer_append_format(&words, "%.*s %s", TEXT_ARG(secret_rows[leak->kind].title), leak->shown);
    if (secret_is_ours(leak->kind))
        buffer_append_format(&words, " (%.*s)", TEXT_ARG(leak_state_name(leak->state)));
    if (!text_empty(leak->commit))
        buffer_append_format(&words, " since commit %.*s", TEXT_ARG(text_first(leak->commit, 12)));
    write_words(json, "message", buffer_text(&words));
    buffer_close(&words);
}

/* Percent-encoded as RFC 3986 has it (section 3.4.3). */
static void write_uri(struct json_writer *json, struct text path)
{
    struct buffer uri;
    buffer_open(&uri, 65536);
    for (size_t i = 0; i < path.length; i++) {
        unsigned char c = (unsigned char)path.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == '_' || c == '~' || c == '/';
        buffer_append_format(&uri, plain ? "%c" : "%%%02X", c);
    }
    json_member_text(json, "uri", buffer_text(&uri));
    buffer_close(&uri);
}

/* Section 3.28. */
static void write_location(struct json_writer *json, const struct leak *leak)
{
    json_key(json, TEXT("locations"));
    json_begin_array(json);
    json_begin_object(json);
    json_key(json, TEXT("physicalLocation"));
    json_begin_object(json);
    json_key(json, TEXT("artifactLocation"));
    json_begin_object(json);
    write_uri(json, text_starts_with(leak->file, TEXT("./")) ? text_from_index(leak->file, 2)
                                                             : leak->file);
    json_end_object(json);
    json_key(json, TEXT("region"));
    json_begin_object(json);
    json_member_unsigned(json, "startLine", leak->line);
    json_member_unsigned(json, "startColumn", leak->column);
    json_member_unsigned(json, "endColumn", leak->column + leak->length);
    json_end_object(json);
    json_end_object(json);
    json_end_object(json);
    json_end_array(json);
}

static void write_result(struct json_writer *json, const struct leak *leak)
{
    json_begin_object(json);
    json_member_text(json, "ruleId", secret_rows[leak->kind].id);
    json_member_unsigned(json, "ruleIndex", leak->kind);
    json_member_text(json, "level", text_from(level_of(leak)));
    write_message(json, leak);
    write_location(json, leak);
    json_key(json, TEXT("partialFingerprints"));
    json_begin_object(json);
    json_member_text(json, "secretHash/v1", text_from(leak->fingerprint));
    json_end_object(json);
    json_key(json, TEXT("properties"));
    json_begin_object(json);
    if (secret_is_ours(leak->kind)) {
        json_member_text(json, "state", leak_state_name(leak->state));
        json_member_text(json, "key", text_from(leak->id));
    }
    if (!text_empty(leak->commit)) {
        json_member_text(json, "commit", leak->commit);
        json_member_text(json, "author", leak->author);
        json_member_text(json, "date", leak->date);
    }
    json_end_object(json);
    json_end_object(json);
}

/* Section 3.20: whether everything was looked at. */
static void write_invocation(struct json_writer *json, const struct leaks *leaks,
                             const struct report_summary *summary)
{
    json_key(json, TEXT("invocations"));
    json_begin_array(json);
    json_begin_object(json);
    json_member_bool(json, "executionSuccessful",
                     !leaks->more && summary->unread == 0 && !summary->shallow);
    json_end_object(json);
    json_end_array(json);
}

static void write_tool(struct json_writer *json)
{
    json_key(json, TEXT("tool"));
    json_begin_object(json);
    json_key(json, TEXT("driver"));
    json_begin_object(json);
    json_member_text(json, "name", TEXT("turnpike scan"));
    json_member_text(json, "version", TEXT(TURNPIKE_VERSION));
    write_rules(json);
    json_end_object(json);
    json_end_object(json);
}

void report_write_sarif(const struct leaks *leaks, report_wants wants,
                        const struct report_summary *summary, struct buffer *out)
{
    struct json_writer json;
    json_open(&json, out);
    json_begin_object(&json);
    json_member_text(&json, "$schema", TEXT(SCHEMA));
    json_member_text(&json, "version", TEXT("2.1.0"));
    json_key(&json, TEXT("runs"));
    json_begin_array(&json);
    json_begin_object(&json);
    write_tool(&json);
    json_member_text(&json, "columnKind", TEXT("unicodeCodePoints"));
    write_invocation(&json, leaks, summary);
    json_key(&json, TEXT("results"));
    json_begin_array(&json);
    for (size_t i = 0; i < leaks->count; i++) {
        if (wants(&leaks->rows[i]))
            write_result(&json, &leaks->rows[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    buffer_append_char(out, '\n');
}
