#include "name_server.h"

#include "base/note.h"

struct asker {
    unsigned calls;
    enum error error;
    size_t count;
    char first[ADDRESS_TEXT_SIZE];
    char second[ADDRESS_TEXT_SIZE];
};

static void answered(void *owner, const struct resolver_answer *answer)
{
    struct asker *asker = owner;
    asker->calls++;
    asker->error = answer->error;
    asker->count = answer->count;
    asker->first[0] = asker->second[0] = '\0';
    if (answer->count > 0)
        address_format_host(&answer->addresses[0], asker->first);
    if (answer->count > 1)
        address_format_host(&answer->addresses[1], asker->second);
}

static bool was_answered(void *owner)
{
    return ((struct asker *)owner)->calls > 0;
}

static void ask(struct asker *asker, struct loop *loop, struct resolver *resolver, const char *name)
{
    *asker = (struct asker){0};
    resolver_ask(resolver, text_from(name), answered, asker, NULL);
    if (asker->calls == 0)
        run_until(loop, was_answered, asker);
    assert_int_equal(asker->calls, 1);
}

struct set {
    struct loop *loop;
    struct name_server server;
    struct resolver *resolver;
};

static void set_open(struct set *set)
{
    set->loop = loop_create();
    set->resolver = name_server_open(&set->server, set->loop);
}

static void set_close(struct set *set)
{
    resolver_destroy(set->resolver);
    name_server_close(&set->server);
    loop_destroy(set->loop);
}

static void test_families_alternate(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    name_server_add(&set.server, "both.test", "10.0.0.1", 60);
    name_server_add(&set.server, "both.test", "10.0.0.2", 60);
    name_server_add(&set.server, "both.test", "2001:db8::1", 60);
    ask(&asker, set.loop, set.resolver, "BOTH.test");
    assert_int_equal(asker.error, ERROR_OK);
    assert_int_equal(asker.count, 3);
    assert_string_equal(asker.first, "2001:db8::1");
    assert_memory_equal(asker.second, "10.0.0.", 7);
    set_close(&set);
}

static void test_cache_and_time_to_live(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    name_server_add(&set.server, "short.test", "10.0.0.1", 0); /* kept for a second at least */
    ask(&asker, set.loop, set.resolver, "short.test");
    ask(&asker, set.loop, set.resolver, "short.test");
    ask(&asker, set.loop, set.resolver, "Short.Test");
    assert_int_equal(set.server.questions, 1);
    run_for(set.loop, 1100 * MILLISECOND);
    set.server.records[0].address.v4.sin_addr.s_addr = htonl(0x0a000009);
    ask(&asker, set.loop, set.resolver, "short.test");
    assert_int_equal(set.server.questions, 2);
    assert_string_equal(asker.first, "10.0.0.9");
    set_close(&set);
}

static void test_concurrent_questions_are_one(void **state)
{
    struct set set;
    struct asker askers[10] = {0};
    set_open(&set);
    name_server_add(&set.server, "busy.test", "10.0.0.1", 60);
    struct resolver_query *fourth;
    for (size_t i = 0; i < 10; i++)
        resolver_ask(set.resolver, TEXT("busy.test"), answered, &askers[i],
                     i == 4 ? &fourth : NULL);
    resolver_cancel(fourth);
    run_until(set.loop, was_answered, &askers[0]);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(askers[i].calls, i == 4 ? 0 : 1);
    assert_int_equal(set.server.questions, 1);
    set_close(&set);
}

static void test_failures(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    ask(&asker, set.loop, set.resolver, "nobody.test");
    assert_int_equal(asker.error, ERROR_NAME_NOT_FOUND);
    assert_int_equal(asker.count, 0);
    set.server.rcode = NAME_SERVER_FAILS;
    ask(&asker, set.loop, set.resolver, "broken.test");
    assert_int_equal(asker.error, ERROR_NAME_FAILURE);
    set.server.silent = true;
    ask(&asker, set.loop, set.resolver, "silent.test");
    assert_int_equal(asker.error, ERROR_TIMEOUT_NAME);
    ask(&asker, set.loop, set.resolver, "silent.test"); /* while c-ares may still be asking */
    assert_int_equal(asker.error, ERROR_TIMEOUT_NAME);
    ask(&asker, set.loop, set.resolver, "");
    assert_int_equal(asker.error, ERROR_NAME_NOT_FOUND);
    ask(&asker, set.loop, set.resolver, "a b..c");
    assert_int_equal(asker.error, ERROR_NAME_NOT_FOUND);
    set_close(&set);
}

static unsigned notes;

static void count_note(enum note_level level, const char *line)
{
    notes++;
}

static void test_stale_answer(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    note_set_sink(count_note);
    name_server_add(&set.server, "stale.test", "10.0.0.1", 1);
    ask(&asker, set.loop, set.resolver, "stale.test");
    run_for(set.loop, 1100 * MILLISECOND);
    set.server.rcode = NAME_SERVER_FAILS;
    ask(&asker, set.loop, set.resolver, "stale.test");
    assert_int_equal(asker.error, ERROR_OK);
    assert_string_equal(asker.first, "10.0.0.1");
    assert_int_equal(notes, 1);
    unsigned questions = set.server.questions;
    ask(&asker, set.loop, set.resolver,
        "stale.test"); /* not asked again at once, not noted twice */
    assert_int_equal(asker.error, ERROR_OK);
    assert_int_equal(set.server.questions, questions);
    assert_int_equal(notes, 1);
    note_set_sink(NULL);
    set_close(&set);
}

static void test_literals_and_hosts(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    ask(&asker, set.loop, set.resolver, "192.0.2.7");
    assert_string_equal(asker.first, "192.0.2.7");
    ask(&asker, set.loop, set.resolver, "[::1]");
    assert_string_equal(asker.first, "::1");
    ask(&asker, set.loop, set.resolver, "localhost");
    assert_int_equal(asker.error, ERROR_OK);
    ask(&asker, set.loop, set.resolver, "Model.Localhost.");
    assert_string_equal(asker.first, "::1");
    assert_int_equal(set.server.questions, 0);
    set_close(&set);
}

/* The cache is bounded; what is asked goes on being answered. */
static void test_many_names(void **state)
{
    struct set set;
    struct asker asker;
    set_open(&set);
    name_server_add(&set.server, "kept.test", "10.0.0.1", 60);
    for (unsigned i = 0; i < RESOLVER_NAMES_MAXIMUM + 50; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%u.test", i);
        asker = (struct asker){0};
        struct resolver_query *query;
        resolver_ask(set.resolver, text_from(name), answered, &asker, &query);
        if (query)
            resolver_cancel(query);
        if (i % 64 == 0)
            run_for(set.loop, MILLISECOND);
    }
    run_for(set.loop, 400 * MILLISECOND);
    ask(&asker, set.loop, set.resolver, "kept.test");
    assert_int_equal(asker.error, ERROR_OK);
    set_close(&set);
}

static void test_destroy_with_questions_open(void **state)
{
    struct set set;
    struct asker asker = {0};
    set_open(&set);
    set.server.silent = true;
    resolver_ask(set.resolver, TEXT("mute.test"), answered, &asker, NULL);
    run_for(set.loop, 5 * MILLISECOND);
    set_close(&set);
    assert_int_equal(asker.calls, 0);
}

static void test_bad_servers(void **state)
{
    struct loop *loop = loop_create();
    assert_null(resolver_create(loop, "not a server", SECOND));
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_alternate),
        cmocka_unit_test(test_cache_and_time_to_live),
        cmocka_unit_test(test_concurrent_questions_are_one),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_stale_answer),
        cmocka_unit_test(test_literals_and_hosts),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_destroy_with_questions_open),
        cmocka_unit_test(test_bad_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
