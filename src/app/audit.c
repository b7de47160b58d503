/* turnpike audit: who changed what. */
#include "store/audit.h"
#include "admin/difference.h"
#include "admin/when.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/output.h"
#include "base/clock.h"
#include "base/number.h"
#include "codec/json.h"

#define TABLE_LIMIT 100u
#define CELL_MAX    (1u << 20)

struct audit_options {
    const char *data, *since, *until, *who, *kind, *id, *limit;
    bool json;
};

/* ------------------------------------------------------------------ what is asked for */

static bool parse_past(const struct verb_call *call, const char *name, const char *value,
                       uint64_t *out)
{
    if (value == NULL || when_parse(value, NULL, clock_wall(), out))
        return true;
    (void)verb_misused(call->verb, "--%s: '%.60s' is no time: write " WHEN_FORMS, name, value);
    return false;
}

static bool read_filter(const struct verb_call *call, struct audit_filter *filter)
{
    const struct audit_options *options = call->options;
    *filter = (struct audit_filter){.object_kind = text_from(options->kind),
                                    .object_id = text_from(options->id),
                                    .who = text_from(options->who),
                                    .limit = options->json ? 0 : TABLE_LIMIT};
    if (options->limit && !number_parse_unsigned(text_from(options->limit), &filter->limit)) {
        (void)verb_misused(call->verb, "--limit takes a whole number, not '%.60s'", options->limit);
        return false;
    }
    return parse_past(call, "since", options->since, &filter->since) &&
           parse_past(call, "until", options->until, &filter->until);
}

/* ------------------------------------------------------------------ what is shown */

/* "admin_key" is the "admin key": in the audit each kind is one word. */
static bool is_kind(enum object_kind kind, struct text name)
{
    struct text words = object_kinds[kind].singular;
    if (words.length != name.length)
        return false;
    for (size_t i = 0; i < words.length; i++) {
        if (name.data[i] != (words.data[i] == ' ' ? '_' : words.data[i]))
            return false;
    }
    return true;
}

static enum object_kind kind_of(struct text name)
{
    if (text_equal(name, TEXT("exchanged_key")))
        return OBJECT_KEY;
    for (unsigned i = 0; i < OBJECT_KIND_COUNT; i++) {
        if (is_kind((enum object_kind)i, name))
            return (enum object_kind)i;
    }
    return OBJECT_ADMIN_KEY; /* of a newer version: shown as far as the members are the same */
}

static void write_raw(struct json_writer *writer, const char *name, struct text json)
{
    json_key(writer, text_from(name));
    json_raw(writer, text_empty(json) ? TEXT("null") : json);
}

static bool print_json(void *context, const struct audit_entry *entry)
{
    char time[CLOCK_RFC3339_SIZE];
    struct buffer line;
    struct json_writer writer;
    buffer_open(&line, CELL_MAX * 4);
    json_open(&writer, &line);
    json_begin_object(&writer);
    json_member_signed(&writer, "number", entry->number);
    json_member_text(&writer, "time", text_of(time, clock_format_rfc3339(entry->time, time)));
    json_member_text(&writer, "who", entry->who);
    json_member_text(&writer, "via", entry->via);
    json_member_text(&writer, "action", entry->action);
    json_member_text(&writer, "object", entry->object_kind);
    json_member_text(&writer, "id", entry->object_id);
    write_raw(&writer, "before", entry->before);
    write_raw(&writer, "after", entry->after);
    json_end_object(&writer);
    if (json_done(&writer))
        printf("%.*s\n", TEXT_ARG(buffer_text(&line)));
    buffer_close(&line);
    return true;
}

/* No object: an act of its own, which `after` (or `before`) tells of. NULL for objects. */
static const char *act_of(struct text kind)
{
    static const struct {
        struct text kind;
        const char *label;
    } acts[] = {
        {TEXT_INIT("ledger"), "the ledger"},
        {TEXT_INIT("configuration"), "the configuration"},
        {TEXT_INIT("session"), "a session"},
        {TEXT_INIT("sign_in_code"), "a one-time link"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        if (text_equal(acts[i].kind, kind))
            return acts[i].label;
    }
    return NULL;
}

static void add_cells(struct output_table *table, const struct audit_entry *entry)
{
    char time[CLOCK_RFC3339_SIZE];
    struct buffer cell;
    enum object_kind kind = kind_of(entry->object_kind);
    const char *act = act_of(entry->object_kind);
    bool deleted = text_empty(entry->after);
    buffer_open(&cell, CELL_MAX);
    (void)clock_format_rfc3339(entry->time, time);
    time[10] = ' ';
    output_table_cell(table, STYLE_DIM, text_of(time, 19));
    output_table_cell(table, STYLE_PLAIN, entry->who);
    output_table_cell(table, deleted ? STYLE_BAD : STYLE_PLAIN, entry->action);
    if (act)
        buffer_append(&cell, text_from(act));
    else
        difference_write_label(kind, deleted ? entry->before : entry->after, &cell);
    output_table_cell(table, STYLE_PLAIN, buffer_text(&cell));
    buffer_clear(&cell);
    if (act)
        buffer_append(&cell, deleted ? entry->before : entry->after);
    else if (!deleted &&
             difference_write(kind, entry->before, entry->after, TEXT(""), TEXT("; "), &cell) &&
             cell.length > 2)
        cell.length -= 2;
    output_table_cell(table, STYLE_PLAIN, buffer_text(&cell));
    buffer_close(&cell);
}

struct listing {
    struct output_table *table;
    size_t count;
};

static bool list_one(void *context, const struct audit_entry *entry)
{
    struct listing *listing = context;
    listing->count++;
    add_cells(listing->table, entry);
    return true;
}

static int list(struct admin_session *session, const struct audit_filter *filter, bool as_json)
{
    static const struct output_column columns[] = {
        {"TIME (UTC)", false, false}, {"WHO", false, true},     {"DID", false, false},
        {"WHAT", false, true},        {"CHANGED", false, true},
    };
    struct listing listing = {0};
    if (!as_json)
        listing.table = output_table_create(columns, ARRAY_LENGTH(columns));
    enum error error =
        audit_list(session->store, filter, as_json ? print_json : list_one, &listing);
    if (listing.table != NULL)
        output_table_print(listing.table);
    if (error)
        return verb_fail("the store: %s", store_problem(session->store));
    if (listing.count == filter->limit && !as_json && filter->limit > 0)
        printf("\nThe newest %zu; `--limit 0` shows all.\n", listing.count);
    if (listing.count == 0 && !as_json)
        printf("\nNothing was changed.\n");
    return VERB_OK;
}

static int audit_run(const struct verb_call *call)
{
    const struct audit_options *options = call->options;
    struct admin_session session;
    struct audit_filter filter;
    int exit_code = VERB_FAILED;
    if (!read_filter(call, &filter))
        return VERB_USAGE;
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code = list(&session, &filter, options->json);
    admin_session_end(&session);
    return exit_code;
}

#define ROW(name, member, value, help) \
    ADMIN_TEXT_ROW(struct audit_options, name, member, value, help)

static const struct option audit_option_rows[] = {
    ADMIN_DATA_ROW(struct audit_options),
    ROW("since", since, "WHEN", "changes at or after WHEN: 2h or 7d ago, 2026-11-22"),
    ROW("until", until, "WHEN", "changes before WHEN"),
    ROW("who", who, "WHO", "by whom: cli:alice, or key:ID of an admin key"),
    ROW("object", kind, "KIND",
        "team, key, budget, limit, network_rule, organisation, admin_key or session; "
        "exchanged_key: keys "
        "given for tokens, which are left out else"),
    ROW("id", id, "ID", "of one object: a team's name, the id of the others"),
    OPTION_TEXT_LETTER_ROW('n', "limit", struct audit_options, limit, "N",
                           "only the newest N; 0: all [100; all with --json]", OPTION_ANY),
    OPTION_FLAG_ROW("json", struct audit_options, json,
                    "one JSON object per line, with the object before and after"),
    OPTION_WIDE_ROW,
    OPTION_END,
};

const struct verb verb_audit = {
    .name = "audit",
    .summary = "Show who changed what",
    .options = audit_option_rows,
    .options_size = sizeof(struct audit_options),
    .description = "Every change of teams, keys, budgets, limits and admin keys, the newest first. "
                   "Secrets are in none.",
    .examples = "turnpike audit --since 7d\n"
                "turnpike audit --object budget --json | jq -c '[.who, .before.amount, "
                ".after.amount]'",
    .run = audit_run,
};
