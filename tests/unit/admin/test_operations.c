#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "admin/operations.h"
#include "base/clock.h"
#include "store/audit.h"

static char directory[64];
static struct store *store;
static struct arena arena;
static struct operations operations;

static const struct admin_actor owner = {
    .who = TEXT_INIT("cli:test"), .via = TEXT_INIT("cli"), .role = ADMIN_OWNER};

static int set_up(void **state)
{
    char path[128], problem[STORE_PROBLEM_SIZE];
    (void)snprintf(directory, sizeof directory, "/tmp/turnpike-operations-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/" STORE_FILE, directory);
    if (store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK)
        return 1;
    arena_open(&arena, NULL, 1u << 24);
    operations_open(&operations, store, directory, &arena, &owner);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    operations_close(&operations);
    store_close(store);
    arena_close(&arena);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? 0 : 1;
}

/* ------------------------------------------------------------------ saying and doing */

struct said {
    enum object_member member;
    const char *value; /* NULL: null */
};

static void say(struct object_change *change, enum object_kind kind, const struct said *said,
                size_t count)
{
    object_open(change, kind);
    for (size_t i = 0; i < count; i++) {
        if (said[i].value == NULL)
            object_set_null(change, said[i].member);
        else
            object_set_text(change, said[i].member, text_from(said[i].value));
    }
}

static enum admin_problem_code create(enum object_kind kind, const struct said *said, size_t count,
                                      struct operation_result *result)
{
    struct operation_result own;
    struct object_change change;
    say(&change, kind, said, count);
    bool good = operations_create(&operations, &change, result ? result : &own);
    secret_free(good ? (result ? result : &own)->secret : NULL);
    assert_int_equal(good, operations.problem.code == ADMIN_PROBLEM_NONE);
    return operations.problem.code;
}

#define CREATE(kind, result, ...)                    \
    create(kind, (const struct said[]){__VA_ARGS__}, \
           sizeof((const struct said[]){__VA_ARGS__}) / sizeof(struct said), result)

static bool count_entry(void *context, const struct audit_entry *entry)
{
    ++*(size_t *)context;
    return true;
}

static size_t audited(void)
{
    size_t count = 0;
    const struct audit_filter all = {0};
    assert_int_equal(audit_list(store, &all, count_entry, &count), ERROR_OK);
    return count;
}

static void make_teams(void)
{
    assert_int_equal(CREATE(OBJECT_TEAM, NULL, {OBJECT_TEAM_name, "search"}), ADMIN_PROBLEM_NONE);
    assert_int_equal(CREATE(OBJECT_TEAM, NULL, {OBJECT_TEAM_name, "chat"}), ADMIN_PROBLEM_NONE);
}

/* ------------------------------------------------------------------ tests */

/* One member of a budget, and whether it can be. */
static void test_budget_values(void **state)
{
    static const struct {
        enum object_member member;
        const char *value;
        enum admin_problem_code code;
    } rows[] = {
        {OBJECT_BUDGET_amount, "0", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_amount, "-0", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_amount, "1000000000000", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_amount, "1000000000000.000000000001", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_amount, "0.1234567890123", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_amount, "1,000", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_amount, " 1", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_currency, "USD", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_currency, "usd", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_currency, NULL, ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_period, "week", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_period, "year", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_period, "rolling", ADMIN_PROBLEM_MISSING},
        {OBJECT_BUDGET_rolling, "1h", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_rolling, "366d", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_rolling, "59m", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_rolling, "367d", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_rolling, "99999999999999999999d", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_timezone, "UTC", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_timezone, "", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_timezone, "Nowhere/Atall", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_timezone, "/etc/passwd", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_mode, "observe", ADMIN_PROBLEM_NONE},
        {OBJECT_BUDGET_mode, "shadow", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_name, "\x1b[2J", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_name, "\xff", ADMIN_PROBLEM_INVALID},
        {OBJECT_BUDGET_key, "search", ADMIN_PROBLEM_INVALID}, /* a second scope */
    };
    make_teams();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct said said[] = {{OBJECT_BUDGET_team, "search"},
                                    {OBJECT_BUDGET_amount, "1"},
                                    {rows[i].member, rows[i].value}};
        size_t before = audited();
        struct operation_result result = {0};
        enum admin_problem_code code = create(OBJECT_BUDGET, said, ARRAY_LENGTH(said), &result);
        if (code != rows[i].code)
            fail_msg("row %zu: %s: %s", i, rows[i].value, operations.problem.message);
        assert_int_equal(audited(), before + (code == ADMIN_PROBLEM_NONE));
        if (code != ADMIN_PROBLEM_NONE)
            continue;
        const struct operation_deletion deletion = {0};
        struct text id = result.id;
        assert_true(operations_delete(&operations, OBJECT_BUDGET, id, &deletion, &result));
    }
}

static void test_a_failure_names_its_member(void **state)
{
    make_teams();
    assert_int_equal(
        CREATE(OBJECT_BUDGET, NULL, {OBJECT_BUDGET_team, "serch"}, {OBJECT_BUDGET_amount, "1"}),
        ADMIN_PROBLEM_NOT_FOUND);
    assert_string_equal(operations.problem.field, "team");
    assert_string_equal(operations.problem.message,
                        "there is no team 'serch'; did you mean 'search'?");
    assert_string_equal(admin_problem_name(operations.problem.code), "not_found");
    assert_int_equal(admin_problem_status(operations.problem.code), 404);
    assert_int_equal(CREATE(OBJECT_BUDGET, NULL, {OBJECT_BUDGET_team, "search"}),
                     ADMIN_PROBLEM_MISSING);
    assert_string_equal(operations.problem.field, "amount");
}

static void test_many_are_one(void **state)
{
    size_t before = audited();
    assert_true(operations_begin(&operations));
    make_teams();
    assert_int_equal(CREATE(OBJECT_TEAM, NULL, {OBJECT_TEAM_name, "chat"}), ADMIN_PROBLEM_EXISTS);
    assert_int_equal(audited(), before + 2);
    operations_roll_back(&operations);
    assert_int_equal(audited(), before);
    struct text json;
    assert_false(operations_show(&operations, OBJECT_TEAM, TEXT("search"), &json));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_NOT_FOUND);

    assert_true(operations_begin(&operations));
    make_teams();
    assert_int_equal(CREATE(OBJECT_TEAM, NULL, {OBJECT_TEAM_name, "chat"}), ADMIN_PROBLEM_EXISTS);
    assert_true(operations_commit(&operations));
    assert_int_equal(audited(), before + 2);
}

static void test_edit(void **state)
{
    struct operation_result result;
    struct object_change change;
    make_teams();
    size_t before = audited();
    say(&change, OBJECT_TEAM, (const struct said[]){{OBJECT_TEAM_title, "Search"}}, 1);
    assert_true(operations_edit(&operations, TEXT("search"), &change, &result));
    assert_true(result.changed);
    assert_true(text_find(result.before, TEXT("\"title\":null")) > 0);
    assert_true(text_find(result.after, TEXT("\"title\":\"Search\"")) > 0);
    assert_true(operations_edit(&operations, TEXT("search"), &change, &result));
    assert_false(result.changed);
    assert_int_equal(audited(), before + 1);
    say(&change, OBJECT_TEAM, (const struct said[]){{OBJECT_TEAM_name, "other"}}, 1);
    assert_false(operations_edit(&operations, TEXT("search"), &change, &result));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_FIXED);
}

/* What each role may make, and whom it sees. */
static void test_roles(void **state)
{
    static const struct {
        enum admin_role role;
        bool team, key, other_key, budget, admin_key, see_organisation;
    } rows[] = {
        {ADMIN_OWNER, true, true, true, true, true, true},
        {ADMIN_OPERATOR, true, true, true, true, false, true},
        {ADMIN_FINANCE, false, false, false, false, false, true},
        {ADMIN_TEAM_LEAD, false, true, false, false, false, false},
    };
    make_teams();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct admin_actor actor = {
            .who = TEXT("key:x"), .via = TEXT("api"), .role = rows[i].role, .team = TEXT("search")};
        char name[16];
        struct text json;
        (void)snprintf(name, sizeof name, "new%zu", i);
        operations_use(&operations, &arena, &actor);
#define IS(expected, kind, ...) \
    assert_int_equal(expected, CREATE(kind, NULL, __VA_ARGS__) == ADMIN_PROBLEM_NONE)
        IS(rows[i].team, OBJECT_TEAM, {OBJECT_TEAM_name, name});
        IS(rows[i].key, OBJECT_KEY, {OBJECT_KEY_name, name}, {OBJECT_KEY_team, "search"});
        IS(rows[i].other_key, OBJECT_KEY, {OBJECT_KEY_name, name}, {OBJECT_KEY_team, "chat"});
        IS(rows[i].budget, OBJECT_BUDGET, {OBJECT_BUDGET_team, "search"},
           {OBJECT_BUDGET_amount, "1"}, {OBJECT_BUDGET_name, name});
        IS(rows[i].admin_key, OBJECT_ADMIN_KEY, {OBJECT_ADMIN_KEY_name, name},
           {OBJECT_ADMIN_KEY_role, "owner"});
        assert_int_equal(rows[i].see_organisation,
                         operations_show(&operations, OBJECT_ORGANISATION, TEXT(""), &json));
    }
}

static void count_json(void *context, struct text json)
{
    ++*(size_t *)context;
}

static void test_a_team_lead_sees_its_team_alone(void **state)
{
    const struct admin_actor lead = {
        .who = TEXT("key:x"), .via = TEXT("api"), .role = ADMIN_TEAM_LEAD, .team = TEXT("search")};
    const struct operations_filter all = {0}, others = {.team = TEXT("chat")};
    struct operation_result mine, other, result;
    struct text json;
    size_t count = 0;
    make_teams();
    CREATE(OBJECT_KEY, &mine, {OBJECT_KEY_name, "mine"}, {OBJECT_KEY_team, "search"});
    CREATE(OBJECT_KEY, &other, {OBJECT_KEY_name, "other"}, {OBJECT_KEY_team, "chat"});
    CREATE(OBJECT_BUDGET, NULL, {OBJECT_BUDGET_key, "mine"}, {OBJECT_BUDGET_amount, "1"});
    CREATE(OBJECT_BUDGET, NULL, {OBJECT_BUDGET_key, "other"}, {OBJECT_BUDGET_amount, "1"});
    CREATE(OBJECT_BUDGET, NULL, {OBJECT_BUDGET_organisation, "true"}, {OBJECT_BUDGET_amount, "1"});
    operations_use(&operations, &arena, &lead);
    assert_true(operations_list(&operations, OBJECT_KEY, &all, count_json, &count));
    assert_true(operations_list(&operations, OBJECT_BUDGET, &all, count_json, &count));
    assert_true(operations_list(&operations, OBJECT_TEAM, &all, count_json, &count));
    assert_int_equal(count, 3);
    assert_true(operations_list(&operations, OBJECT_KEY, &others, count_json, &count));
    assert_int_equal(count, 4); /* its own again: the filter cannot widen */
    assert_true(operations_show(&operations, OBJECT_KEY, mine.id, &json));
    assert_false(operations_show(&operations, OBJECT_KEY, other.id, &json));
    assert_false(operations_show(&operations, OBJECT_KEY, TEXT("other"), &json));
    assert_false(operations_show(&operations, OBJECT_TEAM, TEXT("chat"), &json));
    assert_false(operations_rotate_key(&operations, other.id, 0, &result));
    assert_false(operations_revoke_key(&operations, other.id, TEXT(""), &result));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_NOT_FOUND);
    struct object_change change;
    say(&change, OBJECT_KEY, (const struct said[]){{OBJECT_KEY_team, "chat"}}, 1);
    assert_false(operations_edit(&operations, mine.id, &change, &result));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_FORBIDDEN);
    say(&change, OBJECT_KEY, (const struct said[]){{OBJECT_KEY_team, NULL}}, 1);
    assert_true(operations_edit(&operations, mine.id, &change, &result));
    assert_true(text_find(result.after, TEXT("\"team\":\"search\"")) > 0);
}

/* With no store at all an id is taken at its word, and the file holds it. */
static void test_revoke_without_a_store(void **state)
{
    struct operation_result made, result;
    struct text json;
    CREATE(OBJECT_KEY, &made, {OBJECT_KEY_name, "lost"});
    operations.store = NULL;
    assert_false(operations_revoke_key(&operations, TEXT("lost"), TEXT(""), &result));
    assert_true(operations_revoke_key(&operations, made.id, TEXT("found"), &result));
    assert_false(result.in_store);
    operations.store = store;
    assert_true(operations_show(&operations, OBJECT_KEY, made.id, &json));
    assert_true(text_find(json, TEXT("\"state\":\"revoked\"")) > 0);
    assert_true(text_find(json, TEXT("\"revoked_reason\":\"found\"")) > 0);
}

static void test_admin_keys(void **state)
{
    struct operation_result made, result;
    const struct operation_deletion deletion = {0};
    make_teams();
#define ADMIN_KEY(expected, ...) \
    assert_int_equal(expected, CREATE(OBJECT_ADMIN_KEY, NULL, __VA_ARGS__))
    ADMIN_KEY(ADMIN_PROBLEM_INVALID, {OBJECT_ADMIN_KEY_name, "a"}, {OBJECT_ADMIN_KEY_role, "root"});
    ADMIN_KEY(ADMIN_PROBLEM_MISSING, {OBJECT_ADMIN_KEY_name, "a"},
              {OBJECT_ADMIN_KEY_role, "team_lead"});
    ADMIN_KEY(ADMIN_PROBLEM_INVALID, {OBJECT_ADMIN_KEY_name, "a"},
              {OBJECT_ADMIN_KEY_role, "finance"}, {OBJECT_ADMIN_KEY_team, "search"});
    ADMIN_KEY(ADMIN_PROBLEM_NOT_FOUND, {OBJECT_ADMIN_KEY_name, "a"},
              {OBJECT_ADMIN_KEY_role, "team_lead"}, {OBJECT_ADMIN_KEY_team, "nobody"});
    ADMIN_KEY(ADMIN_PROBLEM_INVALID, {OBJECT_ADMIN_KEY_name, "a"}, {OBJECT_ADMIN_KEY_role, "owner"},
              {OBJECT_ADMIN_KEY_expires_at, "2020-01-01"});
    assert_int_equal(CREATE(OBJECT_ADMIN_KEY, &made, {OBJECT_ADMIN_KEY_name, "a"},
                            {OBJECT_ADMIN_KEY_role, "owner"}),
                     ADMIN_PROBLEM_NONE);
    assert_true(operations_delete(&operations, OBJECT_ADMIN_KEY, made.id, &deletion, &result));
    assert_true(result.changed);
    assert_true(operations_delete(&operations, OBJECT_ADMIN_KEY, made.id, &deletion, &result));
    assert_false(result.changed);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_budget_values),
        TEST(test_a_failure_names_its_member),
        TEST(test_many_are_one),
        TEST(test_edit),
        TEST(test_roles),
        TEST(test_a_team_lead_sees_its_team_alone),
        TEST(test_revoke_without_a_store),
        TEST(test_admin_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
