/* Pages: whatever the order in which objects are offered, each page shows what stands behind the
 * one before, and all pages together show everything once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "admin/object_page.h"

#define OBJECTS 50u

/* In an order that has nothing to do with theirs: 17 and 50 have no common divisor. */
static void offer_all(struct object_page *page, bool teams, unsigned without)
{
    char json[128];
    for (unsigned i = 0; i < OBJECTS; i++) {
        unsigned number = i * 17 % OBJECTS;
        if (number == without)
            continue;
        int length =
            teams ? snprintf(json, sizeof json, "{\"name\":\"t%02u\"}", number)
                  : snprintf(json, sizeof json,
                             "{\"id\":\"k%02u\",\"created_at\":\"2026-11-22T00:00:%02u.000000Z\"}",
                             number, number / 2); /* two in each second */
        object_page_offer(page, text_of(json, (size_t)length));
    }
}

static void check_pages(bool teams, size_t limit)
{
    char after[128] = "", last[64] = "";
    unsigned seen = 0;
    bool more = true;
    while (more) {
        struct object_page page;
        object_page_open(&page, teams ? OBJECT_TEAM : OBJECT_KEY, text_from(after), limit);
        offer_all(&page, teams, OBJECTS);
        more = page.count > limit;
        size_t shown = more ? limit : page.count;
        assert_true(page.count <= limit + 1 && shown > 0);
        for (size_t i = 0; i < shown; i++) {
            char json[64];
            text_copy_to(page.rows[i].json, json, sizeof json);
            int order = strcmp(json, last);
            assert_true(seen == 0 || (teams ? order > 0 : order < 0));
            memcpy(last, json, sizeof last);
            seen++;
        }
        text_copy_to(page.rows[shown - 1].key, after, sizeof after);
        object_page_close(&page);
    }
    assert_int_equal(seen, OBJECTS);
}

static void test_all_are_shown_once(void **state)
{
    static const size_t limits[] = {1, 2, 7, 49, 50, 51, 1000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        check_pages(true, limits[i]);
        check_pages(false, limits[i]);
    }
}

/* The object that a cursor names may be gone by then. */
static void test_the_last_one_shown_is_gone(void **state)
{
    struct object_page page;
    object_page_open(&page, OBJECT_TEAM, TEXT("t09"), 3);
    offer_all(&page, true, 9);
    assert_true(text_equal(page.rows[0].json, TEXT("{\"name\":\"t10\"}")));
    object_page_close(&page);
}

static void test_nothing(void **state)
{
    struct object_page page;
    object_page_open(&page, OBJECT_TEAM, TEXT("t49"), 3);
    offer_all(&page, true, OBJECTS);
    assert_int_equal(page.count, 0);
    object_page_close(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_shown_once),
        cmocka_unit_test(test_the_last_one_shown_is_gone),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
