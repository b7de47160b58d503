/* Sessions and codes: what they are good for, and when they are no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "admin/sessions.h"
#include "store/admin_keys.h"

#define NOW 1800000000000000000ull

static char directory[64];
static struct store *store;
static struct credentials credentials;
static struct arena arena;
static struct operations operations;

static int set_up(void **state)
{
    static const struct admin_actor owner = {
        .who = TEXT_INIT("cli:alice"), .via = TEXT_INIT("cli"), .role = ADMIN_OWNER};
    char path[128], problem[STORE_PROBLEM_SIZE];
    (void)snprintf(directory, sizeof directory, "/tmp/turnpike-sessions-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/" STORE_FILE, directory);
    if (store_open(path, STORE_WRITE, 1000, &store, problem) != ERROR_OK)
        return 1;
    credentials_open(&credentials);
    arena_open(&arena, NULL, 1 << 20);
    operations_open(&operations, store, directory, &arena, &owner);
    operations.clock = NOW;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    operations_close(&operations);
    credentials_close(&credentials);
    store_close(store);
    arena_close(&arena);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? 0 : 1;
}

static struct sessions_grant grant_of(const char *method, const char *bound_to)
{
    return (struct sessions_grant){
        .who = TEXT("cli:alice"),
        .name = TEXT("alice"),
        .role = TEXT("finance"),
        .team = TEXT(""),
        .method = text_from(method),
        .bound_to = text_from(bound_to),
        .source = TEXT("127.0.0.1"),
        .agent = TEXT("test"),
    };
}

static struct secret *begin(const struct sessions_grant *grant, struct stored_session *session)
{
    struct secret *secret = NULL;
    assert_true(sessions_begin(&operations, grant, &secret, session));
    assert_int_equal(secret_expose(secret).length, SESSIONS_SECRET_LENGTH);
    return secret;
}

static enum sessions_verdict check(const struct secret *secret, const char *mark, uint64_t now)
{
    struct stored_session found;
    return sessions_check(store, &arena, &credentials, text_from(mark), secret_expose(secret), now,
                          &found);
}

static void it_lives_for_a_day_of_work(void **state)
{
    struct sessions_grant grant = grant_of("link", "");
    struct stored_session session;
    struct secret *secret = begin(&grant, &session);
    uint64_t now = NOW;

    for (; now < NOW + SESSIONS_LIFETIME; now += SESSIONS_IDLE - 1)
        assert_int_equal(check(secret, "", now), SESSIONS_GOOD);
    assert_int_equal(check(secret, "", NOW + SESSIONS_LIFETIME), SESSIONS_UNKNOWN);
    secret_free(secret);
}

static void unused_it_ends_sooner(void **state)
{
    struct sessions_grant grant = grant_of("link", "");
    struct stored_session session;
    struct secret *secret = begin(&grant, &session);

    assert_int_equal(check(secret, "", NOW + SESSIONS_USE_INTERVAL - 1), SESSIONS_GOOD);
    assert_int_equal(check(secret, "", NOW + SESSIONS_IDLE),
                     SESSIONS_UNKNOWN); /* not written down */
    secret_free(secret);
}

static void it_ends_with_what_it_was_begun_with(void **state)
{
    struct sessions_grant grant = grant_of("sso", "mark-1");
    struct stored_session session;
    struct secret *secret = begin(&grant, &session);

    assert_int_equal(check(secret, "mark-1", NOW), SESSIONS_GOOD);
    assert_int_equal(check(secret, "mark-2", NOW), SESSIONS_UNBOUND);
    assert_int_equal(check(secret, "", NOW), SESSIONS_UNBOUND);
    secret_free(secret);
    grant = grant_of("key", "0123456789ab");
    secret = begin(&grant, &session);
    assert_int_equal(check(secret, "", NOW), SESSIONS_UNBOUND); /* there is no such key */
    secret_free(secret);
    grant = grant_of("guess", "");
    secret = begin(&grant, &session);
    assert_int_equal(check(secret, "", NOW), SESSIONS_UNBOUND);
    secret_free(secret);
}

static void a_key_bounds_it(void **state)
{
    struct stored_admin_key key = {.id = TEXT("0123456789ab"),
                                   .name = TEXT("alice"),
                                   .role = TEXT("owner"),
                                   .created_at = NOW,
                                   .expires_at = NOW + NANOSECONDS_PER_SECOND};
    struct sessions_grant grant;
    struct stored_session session;

    assert_int_equal(admin_keys_insert(store, &key), ERROR_OK);
    assert_int_equal(credentials_refresh(&credentials, store), ERROR_OK);
    assert_true(sessions_grant_of_key(&operations, credentials_find(&credentials, key.id), &grant));
    struct secret *secret = begin(&grant, &session);
    assert_int_equal(session.expires_at, key.expires_at);
    assert_int_equal(check(secret, "", NOW), SESSIONS_GOOD);
    assert_int_equal(admin_keys_revoke(store, key.id, NOW), ERROR_OK);
    assert_int_equal(credentials_refresh(&credentials, store), ERROR_OK);
    assert_int_equal(check(secret, "", NOW), SESSIONS_UNBOUND);
    secret_free(secret);
}

static void what_is_no_secret(void **state)
{
    static const char *const texts[] = {
        "",
        "0",
        "xyz",
        "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct stored_session found;
        assert_int_equal(
            sessions_check(store, &arena, &credentials, TEXT(""), text_from(texts[i]), NOW, &found),
            SESSIONS_UNKNOWN);
    }
}

static void a_code_is_good_once_and_for_minutes(void **state)
{
    struct sessions_grant grant;
    struct secret *code = NULL;

    assert_true(sessions_make_code(&operations, TEXT("finance"), TEXT(""), &code));
    operations.clock = NOW + SESSIONS_CODE_LIFETIME - 1;
    assert_true(sessions_take_code(&operations, secret_expose(code), &grant));
    assert_true(text_equal(grant.who, TEXT("cli:alice")));
    assert_true(text_equal(grant.name, TEXT("alice")));
    assert_true(text_equal(grant.role, TEXT("finance")));
    assert_false(sessions_take_code(&operations, secret_expose(code), &grant));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_BAD_CODE);
    secret_free(code);
    operations.clock = NOW;
    assert_true(sessions_make_code(&operations, TEXT("finance"), TEXT(""), &code));
    operations.clock = NOW + SESSIONS_CODE_LIFETIME;
    assert_false(sessions_take_code(&operations, secret_expose(code), &grant));
    secret_free(code);
}

/* Nobody gives out more than he has. */
static void roles_of_codes(void **state)
{
    static const char *const roles[] = {"owner", "operator", "finance", "team_lead"};

    for (unsigned own = ADMIN_OWNER; own < ADMIN_ROLE_COUNT; own++) {
        operations.actor.role = (enum admin_role)own;
        for (unsigned given = ADMIN_OWNER; given < ADMIN_TEAM_LEAD; given++) {
            struct secret *code = NULL;
            assert_int_equal(
                sessions_make_code(&operations, text_from(roles[given]), TEXT(""), &code),
                own == ADMIN_OWNER || own == given);
            secret_free(code);
        }
    }
    operations.actor.role = ADMIN_TEAM_LEAD;
    operations.actor.team = TEXT("payments");
    struct secret *code = NULL;
    assert_false(sessions_make_code(&operations, TEXT("team_lead"), TEXT("search"), &code));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_FORBIDDEN);
    assert_null(code);
}

static void count_one(void *context, struct text json)
{
    ++*(size_t *)context;
}

static size_t count_shown(void)
{
    size_t count = 0;
    assert_true(sessions_show(&operations, count_one, &count));
    return count;
}

static void who_sees_and_ends_which(void **state)
{
    struct sessions_grant grant = grant_of("link", "");
    struct stored_session session;

    secret_free(begin(&grant, &session));
    assert_int_equal(count_shown(), 1);
    operations.actor.who = TEXT("key:0123456789ab");
    assert_int_equal(count_shown(), 1); /* an owner sees all */
    operations.actor.role = ADMIN_OPERATOR;
    assert_int_equal(count_shown(), 0);
    assert_false(sessions_end_one(&operations, session.id, NULL));
    assert_int_equal(operations.problem.code, ADMIN_PROBLEM_NOT_FOUND);
    operations.actor.who = TEXT("cli:alice");
    assert_int_equal(count_shown(), 1);
    assert_true(sessions_end_one(&operations, session.id, NULL));
    assert_int_equal(count_shown(), 0);
}

static void the_oldest_makes_room(void **state)
{
    struct sessions_grant grant = grant_of("link", "");
    struct stored_session session;
    struct secret *first = begin(&grant, &session);

    for (unsigned i = 1; i <= SESSIONS_OF_ONE_MAX; i++) {
        operations.clock = NOW + i;
        secret_free(begin(&grant, &session));
    }
    assert_int_equal(count_shown(), SESSIONS_OF_ONE_MAX);
    assert_int_equal(check(first, "", NOW + 1), SESSIONS_UNKNOWN);
    secret_free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_lives_for_a_day_of_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unused_it_ends_sooner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_ends_with_what_it_was_begun_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_bounds_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_code_is_good_once_and_for_minutes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_of_codes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_sees_and_ends_which, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
