#include "app/admin_session.h"

#include <pwd.h>
#include <unistd.h>

#include "app/known_networks.h"
#include "base/ensure.h"

#define ARENA_MAX ((size_t)1 << 30) /* a plan over 100,000 objects */
/* Milliseconds that a revocation waits for the store before it does without. */
#define SHORT_PATIENCE 300u

/* Who typed it: root by way of sudo is somebody else. */
static void name_user(char *out, size_t size)
{
    const char *behind = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *user = getpwuid(getuid());
    if (behind != NULL && *behind != '\0')
        (void)snprintf(out, size, "cli:%s", behind);
    else if (user != NULL)
        (void)snprintf(out, size, "cli:%s", user->pw_name);
    else
        (void)snprintf(out, size, "cli:%u", (unsigned)getuid());
}

void admin_session_begin(struct admin_session *session, const struct verb *verb, const char *data)
{
    *session = (struct admin_session){.verb = verb, .data = data ? data : DATA_DEFAULT};
    name_user(session->who, sizeof session->who);
    arena_open(&session->arena, NULL, ARENA_MAX);
    const struct admin_actor actor = {
        .who = text_from(session->who), .via = TEXT("cli"), .role = ADMIN_OWNER};
    operations_open(&session->operations, NULL, session->data, &session->arena, &actor);
    session->operations.learn_networks = known_networks_list;
}

void admin_session_end(struct admin_session *session)
{
    operations_close(&session->operations);
    store_close(session->store);
    arena_close(&session->arena);
}

static enum error open_store(struct admin_session *session, unsigned patience,
                             char problem[STORE_PROBLEM_SIZE])
{
    char path[PATH_SIZE];
    if (!data_path(session->data, STORE_FILE, path))
        return ERROR_ARGUMENT;
    enum error error = store_open(path, STORE_WRITE, patience, &session->store, problem);
    if (!error)
        session->operations.store = session->store;
    return error;
}

bool admin_session_open(struct admin_session *session, bool make)
{
    char problem[STORE_PROBLEM_SIZE] = "", path[PATH_SIZE];
    if (!data_directory_enter(session->data, make) || !data_path(session->data, STORE_FILE, path))
        return false;
    /* Who only looks must not be told of an empty store that was made for him. */
    if (!make && access(path, F_OK) != 0) {
        verb_fail("%s has no store (" STORE_FILE "); --data DIR names the data directory of "
                  "`turnpike serve`",
                  session->data);
        return false;
    }
    enum error error = open_store(session, ADMIN_PATIENCE, problem);
    if (error)
        verb_fail("%s", problem[0] ? problem : error_meaning(error));
    return !error;
}

void admin_session_try_open(struct admin_session *session)
{
    char problem[STORE_PROBLEM_SIZE] = "";
    enum error error = open_store(session, SHORT_PATIENCE, problem);
    if (!error) {
        /* It can be opened: now the wait for a writer may be longer, the file being written first.
         */
        store_close(session->store);
        session->store = session->operations.store = NULL;
        error = open_store(session, ADMIN_PATIENCE, problem);
    }
    if (error)
        fprintf(stderr, "turnpike: %s\n", problem[0] ? problem : error_meaning(error));
}

/* ------------------------------------------------------------------ what went wrong */

const char *admin_option_of(const char *field)
{
    static const struct {
        const char *field, *option;
    } others[] = {{"models", "model"},     {"deny_models", "deny-model"},
                  {"tags", "tag"},         {"expires_at", "expires"},
                  {"alerts", "alert"},     {"input_tokens", "input-tokens"},
                  {"raised_to", "amount"}, {"output_tokens", "output-tokens"}};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (text_equal(text_from(field), text_from(others[i].field)))
            return others[i].option;
    }
    return field;
}

static bool has_option(const struct verb *verb, const char *name)
{
    for (const struct option *option = verb->options; option && option->name; option++) {
        if (text_equal(text_from(option->name), text_from(name)))
            return true;
    }
    return false;
}

int admin_session_fail(struct admin_session *session)
{
    const struct admin_problem *problem = &session->operations.problem;
    const char *option = admin_option_of(problem->field);
    bool named = has_option(session->verb, option);
    const char *before = named ? "--" : "", *name = named ? option : "", *after = named ? ": " : "";
    switch (problem->code) {
    case ADMIN_PROBLEM_MISSING:
        if (named)
            return verb_misused(session->verb, "--%s is missing: %s", option, problem->message);
        return verb_misused(session->verb, "%s", problem->message);
    case ADMIN_PROBLEM_INVALID:
    case ADMIN_PROBLEM_FIXED:
        return verb_misused(session->verb, "%s%s%s%s", before, name, after, problem->message);
    default: return verb_fail("%s", problem->message);
    }
}

bool admin_session_check(struct admin_session *session, const struct object_change *change,
                         bool creating)
{
    if (operations_check(&session->operations, change, creating))
        return true;
    (void)admin_session_fail(session);
    return false;
}

void admin_session_remark(const struct operation_result *result)
{
    if (!text_empty(result->remark))
        (void)verb_fail("%.*s", TEXT_ARG(result->remark));
}

/* ------------------------------------------------------------------ options into changes */

void admin_say_text(struct object_change *change, enum object_member member, const char *value)
{
    if (value != NULL)
        object_set_text(change, member, text_from(value));
}

void admin_say_flag(struct object_change *change, enum object_member member, bool given)
{
    if (given)
        object_set_flag(change, member, true);
}

static struct object_item *take_items(struct admin_session *session, size_t count)
{
    return ensure_memory(arena_take_zeroed(&session->arena, count * sizeof(struct object_item)));
}

bool admin_say_list(struct admin_session *session, struct object_change *change,
                    enum object_member member, const struct option_list *list, bool none,
                    bool reset)
{
    if ((list->count > 0) + none + reset > 1) {
        (void)verb_misused(session->verb, "--%s and its opposite do not go together",
                           admin_option_of(object_members[member].name.data));
        return false;
    }
    struct object_item *items = take_items(session, list->count);
    for (size_t i = 0; i < list->count; i++)
        items[i].value = text_from(list->values[i]);
    if (list->count > 0 || none)
        object_set_items(change, member, items, list->count);
    else if (reset)
        object_set_null(change, member);
    return true;
}

bool admin_say_tags(struct admin_session *session, struct object_change *change,
                    enum object_member member, const struct option_list *list, bool none)
{
    struct object_item *items = take_items(session, list->count);
    if (list->count > 0 && none) {
        (void)verb_misused(session->verb, "--tag and its opposite do not go together");
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        items[i].value = text_from(list->values[i]);
        items[i].name = text_split(&items[i].value, '=');
        if (items[i].value.data == NULL || text_empty(items[i].name)) {
            (void)verb_misused(session->verb, "--tag takes NAME=VALUE");
            return false;
        }
    }
    if (list->count > 0 || none)
        object_set_items(change, member, items, list->count);
    return true;
}
