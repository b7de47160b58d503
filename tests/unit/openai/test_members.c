/* members: what a walk finds, and that nonsense ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/members.h"

static const struct text object = TEXT_INIT(
    " \"a\" : 1 ,\"b\\\"}\":\"x\\\\\\\"y}\",\n\"c\":{\"d\":[1,\"]}\",{}]},\"e\":[ ],\"f\":null,"
    "\"g\":true,\"h\":false,\"i\":-2.5e3}");

static void test_members_in_order(void **state)
{
    static const struct member expected[] = {
        {TEXT_INIT("a"), SCAN_NUMBER, TEXT_INIT("1")},
        {TEXT_INIT("b\\\"}"), SCAN_STRING, TEXT_INIT("\"x\\\\\\\"y}\"")},
        {TEXT_INIT("c"), SCAN_OBJECT, TEXT_INIT("{\"d\":[1,\"]}\",{}]}")},
        {TEXT_INIT("e"), SCAN_ARRAY, TEXT_INIT("[ ]")},
        {TEXT_INIT("f"), SCAN_NULL, TEXT_INIT("null")},
        {TEXT_INIT("g"), SCAN_TRUE, TEXT_INIT("true")},
        {TEXT_INIT("h"), SCAN_FALSE, TEXT_INIT("false")},
        {TEXT_INIT("i"), SCAN_NUMBER, TEXT_INIT("-2.5e3")},
    };
    char whole[256] = "{";
    struct members members;
    struct member member;

    memcpy(whole + 1, object.data, object.length);
    members_open(&members, text_of(whole, object.length + 1));
    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        assert_true(members_next(&members, &member));
        assert_true(text_equal(member.key, expected[i].key));
        assert_int_equal(member.kind, expected[i].kind);
        assert_true(text_equal(member.raw, expected[i].raw));
    }
    assert_false(members_next(&members, &member));
}

/* Each in memory of exactly its size, so that a read outside of it is seen. */
static void test_nonsense_ends(void **state)
{
    static const struct text rows[] = {
        TEXT_INIT(""),
        TEXT_INIT("{"),
        TEXT_INIT("{}"),
        TEXT_INIT("[1]"),
        TEXT_INIT("nonsense"),
        TEXT_INIT("{\"a"),
        TEXT_INIT("{\"a\""),
        TEXT_INIT("{\"a\":"),
        TEXT_INIT("{\"a\":\""),
        TEXT_INIT("{\"a\":\"\\"),
        TEXT_INIT("{\"a\\"),
        TEXT_INIT("{\"a\":[[{"),
        TEXT_INIT("{\"a\":,,"),
        TEXT_INIT("{\"a\":]]]]"),
        TEXT_INIT("{\"a\":{\"b\":\"\\"),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char *exact = malloc(rows[i].length + (rows[i].length == 0));
        struct members members;
        struct member member;
        unsigned found = 0;
        memcpy(exact, rows[i].data, rows[i].length);
        members_open(&members, text_of(exact, rows[i].length));
        while (members_next(&members, &member))
            assert_true(++found < 10);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_in_order),
        cmocka_unit_test(test_nonsense_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
