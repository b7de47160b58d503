/* turnpike key: makes, shows, edits, rotates, expires and revokes API keys, beside a running server
 * or without one. */
#include "identity/key.h"
#include "admin/key_source.h"
#include "app/admin_options.h"
#include "app/admin_run.h"
#include "app/admin_session.h"
#include "app/admin_view.h"
#include "app/output.h"
#include "base/clock.h"
#include "base/number.h"
#include "store/exchanged_keys.h"

#define GRACE_DEFAULT "24h"
#define SOURCES_MAX   32768u /* bytes of JSON: KEY_SOURCES_MAX and one, each under a kilobyte */

struct key_options {
    const char *data, *name, *team, *expires, *grace, *reason, *unused;
    struct option_list models, denied, tags;
    bool json, all_models, no_models, deny_none, no_tags, live, exchanged;
};

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct key_options *options = given;
    session->operations.make_teams = true;
    admin_say_text(change, OBJECT_KEY_name, options->name);
    admin_say_text(change, OBJECT_KEY_team, options->team);
    admin_say_text(change, OBJECT_KEY_expires_at, options->expires);
    return admin_say_list(session, change, OBJECT_KEY_models, &options->models, options->no_models,
                          options->all_models) &&
           admin_say_list(session, change, OBJECT_KEY_deny_models, &options->denied, false,
                          options->deny_none) &&
           admin_say_tags(session, change, OBJECT_KEY_tags, &options->tags, options->no_tags);
}

/* ------------------------------------------------------------------ create and edit */

static int create_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    const struct admin_common common = {options->data, options->json};
    return admin_run_create(call, &common, OBJECT_KEY, say);
}

#define EXPIRES_ROW                                                \
    ADMIN_TEXT_ROW(struct key_options, "expires", expires, "WHEN", \
                   "90d, 12h, 2027-01-31, 2027-01-31T18:00:00Z or never [never]")
#define TAG_ROW                                                    \
    OPTION_LIST_ROW("tag", struct key_options, tags, "NAME=VALUE", \
                    "goes into each of its records; budgets may count by it")

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_TEXT_ROW(struct key_options, "name", name, "NAME",
                   "what it is for (required); need not be unique, the id is"),
    ADMIN_TEXT_ROW(struct key_options, "team", team, "TEAM",
                   "who answers for it; one that is new is made"),
    EXPIRES_ROW,
    ADMIN_MODEL_ROWS(struct key_options),
    TAG_ROW,
    ADMIN_JSON_ROW(struct key_options),
    OPTION_END,
};

static const struct verb key_create = {
    .name = "create",
    .summary = "Make a key and print it, this once",
    .required = "--name NAME",
    .options = create_options,
    .options_size = sizeof(struct key_options),
    .description = "The server need not be running; a running one knows the key within a second.",
    .examples = "turnpike key create --name checkout --team payments\n"
                "turnpike key create --name trial --expires 14d --model 'gpt-*' --json",
    .run = create_run,
};

static int edit_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    const struct admin_common common = {options->data, options->json};
    return admin_run_edit(call, &common, OBJECT_KEY, call->operands[0], say);
}

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_TEXT_ROW(struct key_options, "name", name, "NAME", "what it is for"),
    ADMIN_TEXT_ROW(struct key_options, "team", team, "TEAM", "who answers for it; '' for nobody"),
    EXPIRES_ROW,
    ADMIN_MODEL_ROWS(struct key_options),
    ADMIN_MODEL_EDIT_ROWS(struct key_options),
    TAG_ROW,
    OPTION_FLAG_ROW("no-tags", struct key_options, no_tags, "take its tags away"),
    ADMIN_JSON_ROW(struct key_options),
    OPTION_END,
};

static const struct verb key_edit = {
    .name = "edit",
    .summary = "Change what a key is for and what it may do",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = edit_options,
    .options_size = sizeof(struct key_options),
    .description = "What is not said stays as it is; --model, --deny-model and --tag replace the "
                   "whole list.",
    .examples = "turnpike key edit checkout --model 'gpt-*' --model o4-mini\n"
                "turnpike key edit checkout --all-models --deny-model '*-preview'",
    .run = edit_run,
};

static int expire_run(const struct verb_call *call)
{
    struct key_options options = *(const struct key_options *)call->options;
    struct verb_call edit = *call;
    options.expires = call->operands[1];
    edit.options = &options;
    return edit_run(&edit);
}

/* ------------------------------------------------------------------ list and show */

/* What an empty list of keys means. */
static const char *hint_of(const struct operations_filter *filter)
{
    if (filter->unused)
        return "No live key is known to be unused for so long; `turnpike key list --help` says "
               "since when uses are counted.";
    return filter->exchanged ? "No key was given in exchange for a token."
                             : "There is no key yet: `turnpike key create --name NAME` makes one.";
}

/* Keys given for tokens are many, and end by themselves: a line for all of them. */
static enum error tell_exchanged(struct admin_session *session)
{
    uint64_t count = 0, first_end;
    enum error error =
        exchanged_keys_count(session->store, text_of(NULL, 0), clock_wall(), &count, &first_end);
    if (!error && count > 0)
        printf("\n%llu more were given in exchange for tokens: `turnpike key list --exchanged`.\n",
               (unsigned long long)count);
    return error;
}

static int list_keys(const struct verb_call *call, const struct operations_filter *filter)
{
    const struct key_options *options = call->options;
    struct admin_session session;
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code = admin_view_list(&session, OBJECT_KEY, filter, options->json, hint_of(filter));
    if (exit_code == VERB_OK && !options->json && !filter->exchanged &&
        tell_exchanged(&session) != ERROR_OK)
        exit_code = verb_fail("the store: %s", store_problem(session.store));
    admin_session_end(&session);
    return exit_code;
}

static int list_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    struct operations_filter filter = {
        .team = text_from(options->team), .live = options->live, .exchanged = options->exchanged};
    uint64_t milliseconds = 0;
    if (options->unused &&
        (!number_parse_duration(text_from(options->unused), &milliseconds) || milliseconds == 0 ||
         milliseconds > INT64_MAX / NANOSECONDS_PER_MILLISECOND))
        return verb_misused(call->verb, "--unused: '%.60s' is no length of time: write 12h or 90d",
                            options->unused);
    filter.unused = milliseconds * NANOSECONDS_PER_MILLISECOND;
    return list_keys(call, &filter);
}

static const struct option list_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_TEXT_ROW(struct key_options, "team", team, "TEAM", "only keys of this team"),
    OPTION_FLAG_ROW("live", struct key_options, live, "only keys that work"),
    OPTION_FLAG_ROW("exchanged", struct key_options, exchanged,
                    "those that were given in exchange for tokens and certificates instead"),
    ADMIN_TEXT_ROW(struct key_options, "unused", unused, "TIME",
                   "only live keys that were not used for so long: 90d"),
    ADMIN_JSON_ROW(struct key_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct verb key_list = {
    .name = "list",
    .summary = "List all keys, the newest first",
    .options = list_options,
    .options_size = sizeof(struct key_options),
    .description =
        "With --json, one object a line.\n"
        "\n"
        "A key is unused since its last call with the right secret, since it was made or "
        "got a new secret, whichever is last. Uses are counted since the store was made or "
        "brought up by a version that counts them: before that many days have passed, none "
        "is listed.",
    .examples = "turnpike key list --team search --live\n"
                "turnpike key list --unused 90d            # who could do without\n"
                "turnpike key list --json | jq -r 'select(.state == \"live\").id'",
    .run = list_run,
};

static bool add_source(void *context, const struct key_source *source)
{
    struct output_table *table = context;
    char calls[24], first[OUTPUT_AGE_SIZE], last[OUTPUT_AGE_SIZE], good[OUTPUT_AGE_SIZE] = "never";
    uint64_t now = clock_wall();
    (void)snprintf(calls, sizeof calls, "%lld", (long long)source->calls);
    if (source->good_at)
        (void)output_age(source->good_at, now, good);
    output_table_cell(table, STYLE_PLAIN, source->network);
    output_table_cell(table, STYLE_PLAIN, text_from(calls));
    output_table_cell(table, STYLE_DIM, text_from(output_age(source->first_at, now, first)));
    output_table_cell(table, STYLE_PLAIN, text_from(output_age(source->last_at, now, last)));
    output_table_cell(table, source->good_at ? STYLE_GOOD : STYLE_DIM, text_from(good));
    return true;
}

static enum error show_sources(struct admin_session *session, struct text id)
{
    static const struct output_column columns[] = {{"USED FROM", false, true},
                                                   {"CALLS", true, false},
                                                   {"FIRST", false, false},
                                                   {"LAST", false, false},
                                                   {"LAST GOOD", false, false}};
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    putchar('\n');
    enum error error = key_sources_list(session->store, id, add_source, table);
    output_table_print(table);
    return error;
}

static bool write_source(void *context, const struct key_source *source)
{
    struct json_writer *writer = context;
    json_begin_object(writer);
    key_source_write(writer, source);
    json_end_object(writer);
    return true;
}

/* The object with one more member, "used_from". */
static enum error show_json(struct admin_session *session, struct text id, struct text json)
{
    struct buffer sources;
    struct json_writer writer;
    buffer_open(&sources, SOURCES_MAX);
    json_open(&writer, &sources);
    json_begin_array(&writer);
    enum error error = key_sources_list(session->store, id, write_source, &writer);
    json_end_array(&writer);
    if (!error && json_done(&writer))
        printf("%.*s,\"used_from\":%.*s}\n", TEXT_ARG(text_first(json, json.length - 1)),
               TEXT_ARG(buffer_text(&sources)));
    buffer_close(&sources);
    return error;
}

static int show(struct admin_session *session, struct text given, bool as_json)
{
    struct text id, json;
    if (!operations_show(&session->operations, OBJECT_KEY, given, &json) ||
        !operations_resolve_key(&session->operations, "", given, &id))
        return admin_session_fail(session);
    if (!as_json)
        admin_view_object(OBJECT_KEY, json, NULL, false);
    enum error error = as_json ? show_json(session, id, json) : show_sources(session, id);
    return error ? verb_fail("the store: %s", store_problem(session->store)) : VERB_OK;
}

static int show_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    struct admin_session session;
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code = show(&session, text_from(call->operands[0]), options->json);
    admin_session_end(&session);
    return exit_code;
}

static const struct option show_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_JSON_ROW(struct key_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct verb key_show = {
    .name = "show",
    .summary = "Show what is known of a key, and where it was used from",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = show_options,
    .options_size = sizeof(struct key_options),
    .description = "ID is the id of a key, or its name where only one live key has that name, or "
                   "none and one that was revoked.",
    .examples = "turnpike key show 4f0c2v9qk1tz",
    .run = show_run,
};

static const struct verb key_expire = {
    .name = "expire",
    .summary = "Say until when a key is good",
    .operands = "ID WHEN",
    .operands_min = 2,
    .operands_max = 2,
    .options = show_options,
    .options_size = sizeof(struct key_options),
    .description = "WHEN is 90d, 12h (from now), 2027-01-31, 2027-01-31T18:00:00Z, now or never.\n"
                   "Unlike a revocation it can be taken back, and it needs a working store.",
    .examples = "turnpike key expire trial 14d\n"
                "turnpike key expire trial never",
    .run = expire_run,
};

/* ------------------------------------------------------------------ rotate */

static int rotate_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    const char *grace = options->grace ? options->grace : GRACE_DEFAULT;
    uint64_t milliseconds;
    struct admin_session session;
    struct operation_result result = {0};
    int exit_code = VERB_FAILED;
    if (!number_parse_duration(text_from(grace), &milliseconds) ||
        milliseconds > (uint64_t)INT64_MAX / 2 / NANOSECONDS_PER_MILLISECOND)
        return verb_misused(call->verb, "'%.60s' is no duration: write 0, 30m, 24h or 7d", grace);
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code = operations_rotate_key(&session.operations, text_from(call->operands[0]),
                                          milliseconds * NANOSECONDS_PER_MILLISECOND, &result)
                        ? VERB_OK
                        : admin_session_fail(&session);
    if (exit_code == VERB_OK)
        admin_view_result(OBJECT_KEY, &result, options->json);
    secret_free(result.secret);
    admin_session_end(&session);
    return exit_code;
}

static const struct option rotate_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_TEXT_ROW(struct key_options, "grace", grace, "TIME",
                   "how long the old secret stays good; 0: not at all [" GRACE_DEFAULT "]"),
    ADMIN_JSON_ROW(struct key_options),
    OPTION_END,
};

static const struct verb key_rotate = {
    .name = "rotate",
    .summary = "Give a key a new secret and print it, this once",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = rotate_options,
    .options_size = sizeof(struct key_options),
    .description = "Id, name, team and limits stay. The old secret is good for the time of grace;\n"
                   "only the one before the last is ever kept.",
    .examples = "turnpike key rotate checkout\n"
                "turnpike key rotate 4f0c2v9qk1tz --grace 0",
    .run = rotate_run,
};

/* ------------------------------------------------------------------ revoke */

/* Says whether it holds in the store too. */
static int tell_revoked(struct admin_session *session, const struct operation_result *result,
                        bool json)
{
    if (!result->in_store) {
        if (session->store != NULL)
            (void)verb_fail("%s", session->operations.problem.message);
        (void)verb_fail("the store could not be changed; the revocation holds all the same, and a "
                        "running server adds it to the store when that works again");
    }
    if (json)
        printf("{\"id\":\"%.*s\",\"revoked\":true,\"in_store\":%s}\n", TEXT_ARG(result->id),
               result->in_store ? "true" : "false");
    else
        printf("The key %.*s is revoked. A running server refuses it within a second.\n",
               TEXT_ARG(result->id));
    return VERB_OK;
}

static int revoke_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    struct admin_session session;
    struct operation_result result = {0};
    int exit_code = VERB_FAILED;
    admin_session_begin(&session, call->verb, options->data);
    if (data_directory_enter(session.data, false)) {
        admin_session_try_open(&session);
        exit_code = operations_revoke_key(&session.operations, text_from(call->operands[0]),
                                          text_from(options->reason), &result)
                        ? tell_revoked(&session, &result, options->json)
                        : admin_session_fail(&session);
    }
    admin_session_end(&session);
    return exit_code;
}

static const struct option revoke_options[] = {
    ADMIN_DATA_ROW(struct key_options),
    ADMIN_TEXT_ROW(struct key_options, "reason", reason, "TEXT", "kept with the key"),
    ADMIN_JSON_ROW(struct key_options),
    OPTION_END,
};

static const struct verb key_revoke = {
    .name = "revoke",
    .summary = "End a key at once and for good",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = revoke_options,
    .options_size = sizeof(struct key_options),
    .description =
        "A running server refuses the key within a second, whatever state the store is in: the\n"
        "revocation is first written to the file `revocations` in the data directory. With the\n"
        "store down, the key must be named by its id.",
    .examples = "turnpike key revoke 4f0c2v9qk1tz --reason 'found in a public repository'",
    .run = revoke_run,
};

static const struct verb *const key_verbs[] = {
    &key_create, &key_list, &key_show, &key_edit, &key_rotate, &key_expire, &key_revoke, NULL,
};

const struct verb verb_key = {
    .name = "key",
    .summary = "Make, list, edit, rotate, expire and revoke API keys",
    .description = "Keys are " KEY_PATTERN ". Only their hashes are stored.",
    .verbs = key_verbs,
};
