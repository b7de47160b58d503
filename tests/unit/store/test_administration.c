/* The tables that administrators change: organisation, teams, budgets, limits, admin keys, audit,
 * outbox, and the numbers of their changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <unistd.h>

#include "store/admin_keys.h"
#include "store/audit.h"
#include "store/budgets.h"
#include "store/changes.h"
#include "store/keys.h"
#include "store/limits.h"
#include "store/organisation.h"
#include "store/outbox.h"
#include "store/teams.h"

static char path[64];
static struct store *store;

static struct store *open_store(void)
{
    struct store *opened = NULL;
    char problem[STORE_PROBLEM_SIZE];
    if (store_open(path, STORE_WRITE, 1000, &opened, problem) != ERROR_OK)
        fail_msg("%s", problem);
    return opened;
}

static int set_up(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/turnpike-admin-XXXXXX");
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    store = open_store();
    return 0;
}

static int tear_down(void **state)
{
    store_close(store);
    unlink(path);
    return 0;
}

/* The ids or names of what was found, in order, and the last number. */
struct seen {
    char ids[256];
    size_t count;
    int64_t changed;
    uint64_t deleted_at;
    char detail[64];
};

static void see(struct seen *seen, struct text id, int64_t changed, struct text detail)
{
    size_t used = strlen(seen->ids);
    (void)snprintf(seen->ids + used, sizeof seen->ids - used, "%s%.*s", used > 0 ? " " : "",
                   TEXT_ARG(id));
    seen->count++;
    seen->changed = changed;
    text_copy_to(detail, seen->detail, sizeof seen->detail);
}

static void see_team(void *context, const struct stored_team *team)
{
    struct seen *seen = context;
    see(seen, team->name, team->changed, team->allow);
    seen->deleted_at = team->deleted_at;
}

static void see_budget(void *context, const struct stored_budget *budget)
{
    struct seen *seen = context;
    see(seen, budget->id, budget->changed, budget->amount);
    seen->deleted_at = budget->deleted_at;
    if (budget->deleted_at == 0 && text_equal(budget->period, TEXT("rolling"))) {
        assert_int_equal(budget->length, 3600);
        assert_true(budget->hard);
        assert_int_equal(budget->raise_until, 77);
        assert_true(text_equal(budget->raise_amount, TEXT("9")));
        assert_true(text_equal(budget->timezone, TEXT("UTC")));
        assert_true(text_equal(budget->alerts, TEXT("[80]")));
        assert_true(text_equal(budget->webhook, TEXT("ops")));
        assert_true(text_equal(budget->scope_kind, TEXT("team")));
        assert_true(text_equal(budget->scope_value, TEXT("a")));
        assert_true(text_equal(budget->mode, TEXT("enforce")));
    }
}

static void see_limit(void *context, const struct stored_limit *limit)
{
    struct seen *seen = context;
    see(seen, limit->id, limit->changed, limit->metric);
    assert_int_equal(limit->window, 60);
    assert_true(limit->amount == 100 || limit->amount == 200);
}

static void see_admin_key(void *context, const struct stored_admin_key *key)
{
    see(context, key->id, key->changed, key->role);
    assert_int_equal(key->hash[1], 5);
    assert_int_equal(key->expires_at, 90);
}

static void see_organisation(void *context, const struct stored_organisation *organisation)
{
    see(context, organisation->name, organisation->changed, organisation->deny);
}

static int64_t latest(void)
{
    struct changes_reader *reader = NULL;
    int64_t number = -1;
    assert_int_equal(changes_reader_create(store, &reader), ERROR_OK);
    assert_int_equal(changes_reader_latest(reader, &number), ERROR_OK);
    changes_reader_destroy(reader);
    return number;
}

static void test_teams(void **state)
{
    struct seen seen = {0};
    const struct stored_team team = {
        .name = TEXT("a"), .allow = TEXT("[\"gpt-*\"]"), .created_at = 5};
    assert_int_equal(latest(), 0);
    assert_int_equal(teams_insert(store, &team), ERROR_OK);
    assert_int_equal(teams_insert(store, &team), ERROR_EXISTS);
    assert_int_equal(latest(), 1);
    assert_int_equal(teams_find(store, TEXT("a"), see_team, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "[\"gpt-*\"]");
    const struct stored_team none = {.name = TEXT("a"), .allow = TEXT("[]")};
    assert_int_equal(teams_update(store, &none), ERROR_OK);
    assert_int_equal(teams_find(store, TEXT("a"), see_team, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "[]");
    assert_int_equal(seen.changed, 2);
    assert_int_equal(teams_delete(store, TEXT("a"), 9), ERROR_OK);
    assert_int_equal(teams_delete(store, TEXT("a"), 10), ERROR_NOT_FOUND);
    assert_int_equal(teams_update(store, &none), ERROR_NOT_FOUND);
    assert_int_equal(teams_find(store, TEXT("a"), see_team, &seen), ERROR_NOT_FOUND);
    seen = (struct seen){0};
    assert_int_equal(teams_list(store, see_team, &seen), ERROR_OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(teams_changed(store, 2, see_team, &seen), ERROR_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.deleted_at, 9);
    assert_int_equal(teams_insert(store, &team), ERROR_OK); /* it may come again */
    assert_int_equal(teams_find(store, TEXT("a"), see_team, &seen), ERROR_OK);
    assert_int_equal(seen.deleted_at, 0);
    assert_int_equal(latest(), 4);
}

static struct stored_budget make_budget(const char *id, const char *name)
{
    return (struct stored_budget){.id = text_from(id),
                                  .name = text_from(name),
                                  .scope_kind = TEXT("team"),
                                  .scope_value = TEXT("a"),
                                  .amount = TEXT("12.50"),
                                  .period = TEXT("rolling"),
                                  .length = 3600,
                                  .timezone = TEXT("UTC"),
                                  .hard = true,
                                  .mode = TEXT("enforce"),
                                  .alerts = TEXT("[80]"),
                                  .webhook = TEXT("ops"),
                                  .raise_amount = TEXT("9"),
                                  .raise_until = 77,
                                  .created_at = 5};
}

static void test_budgets(void **state)
{
    struct seen seen = {0};
    struct stored_budget budget = make_budget("bud_1", "main");
    assert_int_equal(budgets_insert(store, &budget), ERROR_OK);
    assert_int_equal(budgets_insert(store, &budget), ERROR_EXISTS);
    budget.id = TEXT("bud_2");
    assert_int_equal(budgets_insert(store, &budget), ERROR_EXISTS); /* its name */
    budget.name = TEXT("");
    assert_int_equal(budgets_insert(store, &budget), ERROR_OK);
    budget.id = TEXT("bud_3");
    assert_int_equal(budgets_insert(store, &budget), ERROR_OK); /* two without names */
    assert_int_equal(budgets_find(store, TEXT("main"), see_budget, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "bud_1");
    assert_int_equal(budgets_find(store, TEXT("bud_2"), see_budget, &seen), ERROR_OK);
    assert_int_equal(budgets_find(store, TEXT(""), see_budget, &seen), ERROR_NOT_FOUND);
    budget.name = TEXT("main");
    assert_int_equal(budgets_update(store, &budget), ERROR_EXISTS);
    assert_int_equal(budgets_delete(store, TEXT("bud_1"), 9), ERROR_OK);
    budget.amount = TEXT("13");
    assert_int_equal(budgets_update(store, &budget), ERROR_OK); /* the name is free again */
    seen = (struct seen){0};
    assert_int_equal(budgets_find(store, TEXT("main"), see_budget, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "bud_3");
    assert_string_equal(seen.detail, "13");
    seen = (struct seen){0};
    assert_int_equal(budgets_list(store, see_budget, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "bud_2 bud_3");
    seen = (struct seen){0};
    assert_int_equal(budgets_changed(store, 0, see_budget, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "bud_2 bud_1 bud_3");
    assert_int_equal(seen.changed, latest());
}

static void test_limits(void **state)
{
    struct seen seen = {0};
    struct stored_limit limit = {.id = TEXT("lim_1"),
                                 .scope_kind = TEXT("key"),
                                 .metric = TEXT("requests"),
                                 .window = 60,
                                 .amount = 100};
    assert_int_equal(limits_insert(store, &limit), ERROR_OK);
    limit.amount = 200;
    limit.metric = TEXT("tokens");
    assert_int_equal(limits_update(store, &limit), ERROR_OK);
    assert_int_equal(limits_find(store, TEXT("lim_1"), see_limit, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "tokens");
    assert_int_equal(limits_delete(store, TEXT("lim_1"), 3), ERROR_OK);
    assert_int_equal(limits_find(store, TEXT("lim_1"), see_limit, &seen), ERROR_NOT_FOUND);
    assert_int_equal(limits_changed(store, 0, see_limit, &seen), ERROR_OK);
    assert_int_equal(seen.count, 2);
    seen.count = 0;
    assert_int_equal(limits_list(store, see_limit, &seen), ERROR_OK);
    assert_int_equal(seen.count, 0);
}

static size_t scanned; /* rows that were read one after the other */

static int count_scanned(unsigned event, void *context, void *statement, void *nanoseconds)
{
    scanned += (size_t)sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);
    return 0;
}

static int watch_scans(sqlite3 *database, char **problem, const struct sqlite3_api_routines *api)
{
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, count_scanned, NULL);
}

/* However many there are, one is found without reading the others: `apply` looks up each in a file
 * of ten thousand, while nobody else can write. */
static void test_found_by_index(void **state)
{
    struct seen seen = {0};
    for (size_t i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "id_%zu", i);
        struct stored_budget budget = make_budget(id, i == 0 ? "main" : "");
        struct stored_limit limit = {
            .id = text_from(id), .scope_kind = TEXT("key"), .window = 60, .amount = 200};
        assert_int_equal(budgets_insert(store, &budget), ERROR_OK);
        assert_int_equal(limits_insert(store, &limit), ERROR_OK);
    }
    assert_int_equal(sqlite3_auto_extension((void (*)(void))watch_scans), SQLITE_OK);
    struct store *watched = open_store();
    scanned = 0;
    assert_int_equal(budgets_find(watched, TEXT("main"), see_budget, &seen), ERROR_OK);
    assert_int_equal(budgets_find(watched, TEXT("id_1"), see_budget, &seen), ERROR_OK);
    assert_int_equal(limits_find(watched, TEXT("id_2"), see_limit, &seen), ERROR_OK);
    assert_int_equal(limits_find(watched, TEXT("none"), see_limit, &seen), ERROR_NOT_FOUND);
    assert_int_equal(scanned, 0);
    assert_int_equal(budgets_list(watched, see_budget, &seen), ERROR_OK);
    assert_true(scanned > 0); /* it does count */
    store_close(watched);
    sqlite3_reset_auto_extension();
}

static void test_admin_keys(void **state)
{
    struct seen seen = {0};
    const struct stored_admin_key key = {.id = TEXT("k"),
                                         .name = TEXT("ci"),
                                         .role = TEXT("operator"),
                                         .hash = {4, 5},
                                         .created_at = 1,
                                         .expires_at = 90};
    assert_int_equal(admin_keys_insert(store, &key), ERROR_OK);
    assert_int_equal(admin_keys_insert(store, &key), ERROR_EXISTS);
    assert_int_equal(admin_keys_find(store, TEXT("k"), see_admin_key, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "operator");
    assert_int_equal(admin_keys_revoke(store, TEXT("k"), 7), ERROR_OK);
    int64_t once = latest();
    assert_int_equal(admin_keys_revoke(store, TEXT("k"), 8), ERROR_OK);
    assert_int_equal(latest(), once);
    assert_int_equal(admin_keys_revoke(store, TEXT("x"), 8), ERROR_NOT_FOUND);
    assert_int_equal(admin_keys_changed(store, once - 1, see_admin_key, &seen), ERROR_OK);
    assert_int_equal(seen.changed, once);
    assert_int_equal(admin_keys_list(store, see_admin_key, &seen), ERROR_OK);
    assert_int_equal(seen.count, 3);
}

static void test_organisation(void **state)
{
    struct seen seen = {0};
    assert_int_equal(organisation_read(store, see_organisation, &seen), ERROR_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.changed, 0);
    const struct stored_organisation organisation = {.name = TEXT("Acme"), .deny = TEXT("[\"x\"]")};
    assert_int_equal(organisation_write(store, &organisation), ERROR_OK);
    assert_int_equal(organisation_read(store, see_organisation, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "[\"x\"]");
    assert_int_equal(seen.changed, 1);
}

static void test_calls_recorded(void **state)
{
    struct changes_reader *reader = NULL;
    uint64_t earliest;
    const char *insert = "INSERT INTO exchanges (id, started_at) VALUES (x'01', 70), (x'02', 50)";
    assert_int_equal(store_execute(store, insert), ERROR_OK);
    assert_int_equal(changes_reader_create(store, &reader), ERROR_OK);
    assert_int_equal(changes_reader_recorded(reader, &earliest), ERROR_OK);
    assert_true(earliest == UINT64_MAX);
    insert = "INSERT INTO exchanges (id, started_at) VALUES (x'03', 90), (x'04', 80)";
    assert_int_equal(store_execute(store, insert), ERROR_OK);
    assert_int_equal(changes_reader_recorded(reader, &earliest), ERROR_OK);
    assert_int_equal(earliest, 80);
    assert_int_equal(changes_reader_recorded(reader, &earliest), ERROR_OK);
    assert_true(earliest == UINT64_MAX);
    changes_reader_destroy(reader);
}

/* Numbers never come to a reader out of order, whichever table they belong to. */
static void test_one_sequence(void **state)
{
    struct changes_reader *reader = NULL;
    struct store *other = open_store();
    bool changed;
    int64_t number;
    const struct stored_key key = {.id = TEXT("k1"), .name = TEXT("n"), .team = TEXT("a")};
    const struct stored_team team = {.name = TEXT("a")};
    const struct stored_budget budget = make_budget("bud_1", "");
    assert_int_equal(changes_reader_create(other, &reader), ERROR_OK);
    assert_int_equal(changes_reader_poll(reader, &changed), ERROR_OK);
    assert_true(changed);
    assert_int_equal(changes_reader_poll(reader, &changed), ERROR_OK);
    assert_false(changed);
    assert_int_equal(keys_insert(store, &key), ERROR_OK);
    assert_int_equal(teams_insert(store, &team), ERROR_OK);
    assert_int_equal(budgets_insert(store, &budget), ERROR_OK);
    assert_int_equal(keys_set_expiry(store, TEXT("k1"), 3), ERROR_OK);
    assert_int_equal(changes_reader_poll(reader, &changed), ERROR_OK);
    assert_true(changed);
    assert_int_equal(changes_reader_latest(reader, &number), ERROR_OK);
    assert_int_equal(number, 4);
    /* A change that is taken back takes its number back. */
    assert_int_equal(store_begin(store), ERROR_OK);
    assert_int_equal(teams_delete(store, TEXT("a"), 1), ERROR_OK);
    store_roll_back(store);
    assert_int_equal(changes_reader_latest(reader, &number), ERROR_OK);
    assert_int_equal(number, 4);
    changes_reader_destroy(reader);
    store_close(other);
}

static void take_key(void *context, const struct stored_key *key)
{
    see(context, key->id, key->changed, key->denied);
}

static void test_keys_lists(void **state)
{
    struct seen seen = {0};
    struct stored_key key = {.id = TEXT("k1"), .name = TEXT("n"), .team = TEXT("a")};
    assert_int_equal(keys_insert(store, &key), ERROR_OK);
    key.denied = TEXT("[\"gpt-5\"]");
    key.models = TEXT("[]");
    assert_int_equal(keys_update(store, &key), ERROR_OK);
    assert_int_equal(keys_find_team(store, TEXT("a"), take_key, &seen), ERROR_OK);
    assert_string_equal(seen.detail, "[\"gpt-5\"]");
    assert_int_equal(keys_find_team(store, TEXT("b"), take_key, &seen), ERROR_OK);
    assert_int_equal(seen.count, 1);
    key.id = TEXT("other");
    assert_int_equal(keys_update(store, &key), ERROR_NOT_FOUND);
}

static bool see_entry(void *context, const struct audit_entry *entry)
{
    struct seen *seen = context;
    see(seen, entry->action, entry->number, entry->after);
    return seen->count < 2;
}

static void add_entry(const char *action, const char *kind, uint64_t time)
{
    struct audit_entry entry = {.time = time,
                                .who = TEXT("me"),
                                .via = TEXT("cli"),
                                .action = text_from(action),
                                .object_kind = text_from(kind),
                                .object_id = TEXT("x"),
                                .after = TEXT("{}")};
    assert_int_equal(audit_append(store, &entry), ERROR_OK);
    assert_true(entry.number > 0);
}

static void test_audit(void **state)
{
    struct seen seen = {0};
    struct audit_filter filter = {0};
    add_entry("create", "team", 10);
    add_entry("update", "key", 20);
    add_entry("delete", "team", 30);
    assert_int_equal(audit_list(store, &filter, see_entry, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "delete update"); /* it stopped at the second */
    filter.before_number = seen.changed;
    seen = (struct seen){0};
    assert_int_equal(audit_list(store, &filter, see_entry, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "create");
    filter = (struct audit_filter){.object_kind = TEXT("team"), .since = 11, .who = TEXT("me")};
    seen = (struct seen){0};
    assert_int_equal(audit_list(store, &filter, see_entry, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "delete");
    filter = (struct audit_filter){.until = 30, .limit = 1};
    seen = (struct seen){0};
    assert_int_equal(audit_list(store, &filter, see_entry, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "update");
}

static void see_message(void *context, const struct outbox_message *message)
{
    see(context, message->id, message->attempts, message->problem);
}

static uint64_t count_waiting(void)
{
    uint64_t count = 99;
    assert_int_equal(outbox_count_waiting(store, &count), ERROR_OK);
    return count;
}

static void test_outbox(void **state)
{
    struct seen seen = {0};
    bool added;
    struct outbox_message message = {
        .id = TEXT("m1"), .url = TEXT("a"), .created_at = 1, .next_at = 10};
    assert_int_equal(count_waiting(), 0);
    assert_int_equal(outbox_add(store, &message, &added), ERROR_OK);
    assert_true(added);
    assert_int_equal(outbox_add(store, &message, &added), ERROR_OK);
    assert_false(added);
    message.id = TEXT("m2");
    message.next_at = 5;
    assert_int_equal(outbox_add(store, &message, &added), ERROR_OK);
    message.id = TEXT("m3");
    message.url = TEXT("b");
    message.next_at = 8;
    assert_int_equal(outbox_add(store, &message, &added), ERROR_OK);
    assert_int_equal(count_waiting(), 3);
    assert_int_equal(outbox_due(store, 11, see_message, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "m2 m3"); /* the first of each receiver */
    assert_int_equal(outbox_failed(store, TEXT("m2"), TEXT("refused"), 20), ERROR_OK);
    assert_int_equal(outbox_delivered(store, TEXT("m1"), 11), ERROR_OK);
    assert_int_equal(outbox_delivered(store, TEXT("m4"), 11), ERROR_NOT_FOUND);
    seen = (struct seen){0};
    assert_int_equal(outbox_due(store, 30, see_message, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "m2 m3");
    assert_int_equal(outbox_failed(store, TEXT("m2"), TEXT("gone"), 0), ERROR_OK); /* given up */
    assert_int_equal(count_waiting(), 1);
    seen = (struct seen){0};
    assert_int_equal(outbox_list(store, 10, see_message, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "m1 m2 m3");
    assert_int_equal(outbox_forget(store, 2, TEXT("m1")), ERROR_OK);
    seen = (struct seen){0};
    assert_int_equal(outbox_list(store, 10, see_message, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "m1 m3");
}

/* A store of the release before teams: what keys name becomes teams. */
static void test_old_store(void **state)
{
    static const struct {
        int number;
        const char *sql;
    } migrations[] = {
#define MIGRATION(number, sql) {number, sql},
#include "store/migrations.def"
#undef MIGRATION
    };
    sqlite3 *database = NULL;
    struct seen seen = {0};
    store_close(store);
    unlink(path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(migrations) && migrations[i].number <= 2; i++)
        assert_int_equal(sqlite3_exec(database, migrations[i].sql, NULL, NULL, NULL), SQLITE_OK);
    static const char rows[] =
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY);"
        "INSERT INTO schema_version VALUES (1), (2);"
        "INSERT INTO keys (id, name, team, tags, models, hash, created_at, changed) VALUES"
        " ('k1', 'one', 'blue', '', '', x'00', 7, 3), ('k2', 'two', 'blue', '', '', x'00', 5, 9),"
        " ('k3', 'three', '', '', '[\"gpt-5\"]', x'00', 6, 4),"
        " ('k4', 'four', 'amber', '', '', x'00', 8, 5);"
        "INSERT INTO exchanges (id) VALUES (x'0001'), (x'0002');";
    assert_int_equal(sqlite3_exec(database, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    store = open_store();
    assert_int_equal(teams_list(store, see_team, &seen), ERROR_OK);
    assert_string_equal(seen.ids, "amber blue");
    assert_int_equal(seen.changed, 11);
    assert_int_equal(latest(), 11);
    assert_int_equal(keys_set_expiry(store, TEXT("k1"), 1), ERROR_OK);
    assert_int_equal(latest(), 12);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_teams),          TEST(test_budgets),        TEST(test_limits),
        TEST(test_found_by_index), TEST(test_calls_recorded), TEST(test_admin_keys),
        TEST(test_organisation),   TEST(test_one_sequence),   TEST(test_keys_lists),
        TEST(test_audit),          TEST(test_outbox),         TEST(test_old_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
