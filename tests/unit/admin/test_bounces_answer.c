/* What is said of those who are turned away. (The table itself: tests/cli/test_bounces.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/bounces_answer.h"
#include "ledger/knocks.h"
#include "tables/refusals.h"

/* Requests that are malformed, and faults of the gateway's own, have general advice. */
static bool is_general(const struct refusal_row *row)
{
    return row->status >= 500 || row->status == 400 || row->status == 408 || row->status == 413 ||
           row->status == 415 || row->status == 417 || row->status == 431;
}

static void test_who_is_turned_away_has_advice(void **state)
{
    struct bounce_group nothing = {.reason = "no_such_code", .status = 400};
    struct text general = bounces_fix(&nothing);
    for (enum refusal i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        const struct refusal_row *row = refusal_row(i);
        struct bounce_group group = {.status = row->status};
        assert_true(text_copy_to(row->code, group.reason, sizeof group.reason));
        if (!is_general(row) && text_equal(bounces_fix(&group), general))
            fail_msg("%.*s has no row in tables/bounce_fixes.def", TEXT_ARG(row->code));
    }
}

/* A row for a code that is none would never be shown. */
static void test_advice_is_for_something(void **state)
{
    static const char *const codes[] = {
#define FIX(code, advice) code,
#include "tables/bounce_fixes.def"
#undef FIX
    };
    static const char *const observed[] = {"model", "limit", "budget", "network"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        bool known = false;
        for (enum knock_reason j = 0; j < KNOCK_REASON_COUNT; j++)
            known = known || text_equal(knock_code(j), text_from(codes[i]));
        for (enum refusal j = REFUSAL_NONE + 1; j < REFUSAL_COUNT; j++)
            known = known || text_equal(refusal_row(j)->code, text_from(codes[i]));
        for (size_t j = 0; j < ARRAY_LENGTH(observed); j++)
            known = known || strcmp(codes[i], observed[j]) == 0;
        if (!known)
            fail_msg("%s is no code of tables/refusals.def", codes[i]);
    }
}

static void test_networks_as_people_write_them(void **state)
{
    static const struct {
        const char *word;
        bool good, network;
    } rows[] = {
        {"10.0.0.0/8", true, true},    {"10.1.2.3", true, true}, {"10.1.2.3/8", true, true},
        {"2001:db8::/32", true, true}, {"office", true, false},  {"unix", true, false},
        {"10.0.0.0/33", false, false}, {"", false, false},       {"a:b", false, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct bounces_question question = {.now = 1};
        assert_int_equal(bounces_read_network(text_from(rows[i].word), &question), rows[i].good);
        if (rows[i].good) {
            assert_int_equal(question.in_network, rows[i].network);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_turned_away_has_advice),
        cmocka_unit_test(test_advice_is_for_something),
        cmocka_unit_test(test_networks_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
