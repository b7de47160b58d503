/* turnpike admin session: who is signed in to the console. */
#include "app/admin_sessions.h"

#include <yyjson.h>

#include "admin/moment.h"
#include "admin/sessions.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/output.h"
#include "codec/json.h"

struct session_options {
    const char *data;
    bool json;
};

static const struct option session_options[] = {
    ADMIN_DATA_ROW(struct session_options),
    ADMIN_JSON_ROW(struct session_options),
    OPTION_END,
};

/* ---- list ---- */

struct listing {
    struct output_table *table; /* NULL: a line of JSON for each */
    size_t count;
};

static void add_text(struct output_table *table, yyjson_val *root, const char *name)
{
    struct text text = TEXT("");

    (void)json_get_text(root, name, &text);
    output_table_cell(table, STYLE_PLAIN, text);
}

static void add_age(struct output_table *table, yyjson_val *root, const char *name)
{
    struct text text = TEXT("");
    char age[OUTPUT_AGE_SIZE] = "";
    uint64_t time;

    if (json_get_text(root, name, &text) == JSON_PRESENT && moment_parse(text, 0, &time))
        (void)output_age(time, clock_wall(), age);
    output_table_cell(table, STYLE_PLAIN, text_from(age));
}

static void list_one(void *context, struct text json)
{
    struct listing *listing = context;

    listing->count++;
    if (!listing->table) {
        printf("%.*s\n", TEXT_ARG(json));
        return;
    }
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    add_text(listing->table, root, "id");
    add_text(listing->table, root, "who");
    add_text(listing->table, root, "role");
    add_text(listing->table, root, "source");
    add_age(listing->table, root, "created_at");
    add_age(listing->table, root, "used_at");
    add_age(listing->table, root, "expires_at");
    yyjson_doc_free(document);
}

static int list(struct admin_session *session, bool as_json)
{
    static const struct output_column columns[] = {
        {"ID", false, false},   {"WHO", false, true},    {"ROLE", false, false},
        {"FROM", false, true},  {"BEGUN", false, false}, {"USED", false, false},
        {"ENDS", false, false},
    };
    struct listing listing = {0};

    if (!as_json)
        listing.table = output_table_create(columns, ARRAY_LENGTH(columns));
    bool good = sessions_show(&session->operations, list_one, &listing);
    if (listing.table)
        output_table_print(listing.table);
    if (!good)
        return admin_session_fail(session);
    if (listing.count == 0 && !as_json)
        printf("\nNobody is signed in; `turnpike console` prints a link.\n");
    return VERB_OK;
}

static int list_run(const struct verb_call *call)
{
    const struct session_options *options = call->options;
    struct admin_session session;
    int exit_code = VERB_FAILED;

    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code = list(&session, options->json);
    admin_session_end(&session);
    return exit_code;
}

static const struct verb session_list = {
    .name = "list",
    .summary = "Show who is signed in to the console, the newest first",
    .options = session_options,
    .options_size = sizeof(struct session_options),
    .run = list_run,
};

/* ---- revoke ---- */

static int revoke_run(const struct verb_call *call)
{
    const struct session_options *options = call->options;
    struct admin_session session;
    struct text before;
    int exit_code = VERB_FAILED;

    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false)) {
        if (!sessions_end_one(&session.operations, text_from(call->operands[0]), &before))
            exit_code = admin_session_fail(&session);
        else if (options->json)
            exit_code = printf("%.*s\n", TEXT_ARG(before)) > 0 ? VERB_OK : VERB_FAILED;
        else
            exit_code =
                printf("session %s has ended\n", call->operands[0]) > 0 ? VERB_OK : VERB_FAILED;
    }
    admin_session_end(&session);
    return exit_code;
}

static const struct verb session_revoke = {
    .name = "revoke",
    .summary = "End a session of the console at once",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = session_options,
    .options_size = sizeof(struct session_options),
    .description =
        "The next request of that browser is refused. A revoked admin key takes its sessions "
        "along by itself.",
    .examples = "turnpike admin session revoke ses_4f0c2v9qk1tz",
    .run = revoke_run,
};

static const struct verb *const session_verbs[] = {&session_list, &session_revoke, NULL};

const struct verb verb_admin_session = {
    .name = "session",
    .summary = "List and end sessions of the console",
    .verbs = session_verbs,
};
