/* Where keys are used from: few of many networks, and every call once. */
#include "fixture.h"

#include "store/key_sources.h"

#define DAY 86400000000000ull

static struct store *store;
static struct key_sources *sources;
static struct fixture *fixture;

static int set_up(void **state)
{
    char path[128], problem[STORE_PROBLEM_SIZE];
    if (fixture_set_up(state) != 0)
        return -1;
    fixture = *state;
    (void)snprintf(path, sizeof path, "%s/%s", fixture->data, STORE_FILE);
    return store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK ||
           key_sources_create(store, &sources) != ERROR_OK;
}

static int tear_down(void **state)
{
    key_sources_destroy(sources);
    store_close(store);
    return fixture_tear_down(state);
}

static void add(const char *key, const char *network, uint64_t time, bool good)
{
    assert_int_equal(key_sources_add(sources, text_from(key), text_from(network), time, 1, good),
                     ERROR_OK);
}

static void commit(void)
{
    assert_int_equal(key_sources_flush(sources), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    assert_int_equal(store_begin(store), ERROR_OK);
}

struct seen {
    char networks[KEY_SOURCES_MAX + 2][65];
    struct key_source rows[KEY_SOURCES_MAX + 2];
    size_t count;
    int64_t calls;
};

static bool take(void *context, const struct key_source *source)
{
    struct seen *seen = context;
    (void)text_copy_to(source->network, seen->networks[seen->count], 65);
    seen->rows[seen->count++] = *source;
    seen->calls += source->calls;
    return true;
}

static struct seen list(const char *key)
{
    struct seen seen = {.count = 0};
    assert_int_equal(key_sources_list(store, text_from(key), take, &seen), ERROR_OK);
    return seen;
}

static void test_first_last_and_good(void **state)
{
    assert_int_equal(store_begin(store), ERROR_OK);
    add("k1", "office", 5 * DAY, true);
    add("k1", "office", 4 * DAY, false); /* records come late */
    add("k1", "10.1.2.0/24", 6 * DAY, false);
    commit();
    add("k1", "office", 7 * DAY, false);
    add("k2", "office", 8 * DAY, true);
    commit();
    struct seen seen = list("k1");
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.networks[0], "office"); /* the last used first */
    assert_int_equal(seen.rows[0].first_at, 4 * DAY);
    assert_int_equal(seen.rows[0].last_at, 7 * DAY);
    assert_int_equal(seen.rows[0].good_at, 5 * DAY);
    assert_int_equal(seen.rows[0].calls, 3);
    assert_int_equal(seen.rows[1].good_at, 0);
    struct seen total = {.count = 0};
    assert_int_equal(key_sources_total(store, TEXT("k1"), take, &total), ERROR_OK);
    assert_int_equal(total.calls, 4);
    assert_int_equal(total.rows[0].last_at, 7 * DAY);
    assert_int_equal(key_sources_total(store, TEXT("k3"), take, &total), ERROR_NOT_FOUND);
}

static void test_of_many_networks_the_last_used(void **state)
{
    char network[32];
    uint64_t count;
    assert_int_equal(store_begin(store), ERROR_OK);
    for (unsigned i = 0; i < 10000; i++) { /* more than fit between two flushes */
        (void)snprintf(network, sizeof network, "10.%u.%u.0/24", i / 256, i % 256);
        add("k1", network, DAY + i, true);
    }
    commit();
    struct seen seen = list("k1");
    assert_int_equal(seen.count, KEY_SOURCES_MAX + 1);
    assert_int_equal(seen.calls, 10000);
    assert_string_equal(seen.networks[0], network);
    assert_string_equal(seen.networks[KEY_SOURCES_MAX], KEY_SOURCES_OTHERS);
    assert_int_equal(seen.rows[KEY_SOURCES_MAX].calls, 10000 - KEY_SOURCES_MAX);
    assert_int_equal(seen.rows[KEY_SOURCES_MAX].first_at, DAY);
    assert_int_equal(key_sources_count(store, TEXT("k1"), DAY, &count), ERROR_OK);
    assert_int_equal(count, KEY_SOURCES_MAX);
}

static void test_how_long_it_was_quiet(void **state)
{
    assert_int_equal(store_begin(store), ERROR_OK);
    add("k1", "office", 5 * DAY, true);
    commit();
    add("k1", "office", 50 * DAY, true);
    commit();
    add("k1", "home", 90 * DAY, true);
    commit();
    struct seen seen = {.count = 0};
    assert_int_equal(key_sources_new(store, 60 * DAY, take, &seen), ERROR_OK);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.networks[0], "home");
    assert_int_equal(seen.rows[0].quiet, 40 * DAY);
    assert_int_equal(list("k1").rows[1].quiet, 0);
}

static void test_rolled_back(void **state)
{
    assert_int_equal(store_begin(store), ERROR_OK);
    add("k1", "office", 5 * DAY, true);
    commit();
    add("k1", "office", 6 * DAY, true);
    add("k1", "home", 6 * DAY, true);
    store_roll_back(store);
    key_sources_forget(sources);
    assert_int_equal(store_begin(store), ERROR_OK);
    add("k1", "home", 6 * DAY, true);
    commit();
    struct seen seen = list("k1");
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.calls, 2);
    uint64_t began;
    assert_int_equal(key_sources_began(store, &began), ERROR_OK);
    assert_true(began > 20000 * DAY && began <= clock_wall());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_last_and_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_many_networks_the_last_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_how_long_it_was_quiet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rolled_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
