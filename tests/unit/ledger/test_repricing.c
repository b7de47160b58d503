/* A recorded call priced again by the same list costs the same. (What a corrected list changes:
 * tests/e2e/test_reprice.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ledger/repricing.h"

#define AT 1796000000ull /* 2026-11-30 */

/* The price of the units, by the card for so many tokens. */
static void check_rule(const char *units, const char *rule)
{
    char written[PRICE_RULE_SIZE];
    struct repricing repricing;
    struct record record;
    struct catalog *catalog = catalog_shipped();
    assert_non_null(catalog);
    struct price_book *book = price_book_create_plain(catalog);
    assert_non_null(book);
    record_clear(&record, (struct identifier){{0}});
    record.started_at = AT * NANOSECONDS_PER_SECOND;
    record.provider = TEXT("google");
    record.target_model = TEXT("gemini-2.5-pro");
    record.cost_state = TEXT("priced");
    record.price_service = TEXT("standard");
    record.usage_source = RECORD_USAGE_REPORTED;
    record.units = text_from(units);
    assert_null(repricing_obstacle(&record));
    repricing_make(&record, book, &repricing);
    assert_int_equal(repricing.price.basis, PRICE_REPORTED);
    size_t length = price_rule_write(repricing.model, &repricing.price, written);
    if (!text_equal(text_of(written, length), text_from(rule)))
        fail_msg("%s is priced by \"%.*s\", not by \"%s\"", units, (int)length, written, rule);
    price_book_release(book);
    catalog_release(catalog);
}

/* Its long prompts begin behind 200,000 tokens, the cached ones counted, once. */
static void test_the_card_is_that_of_the_prompts_length(void **state)
{
    check_rule("{\"input\":150000,\"output\":10}", "gemini-2.5-pro standard");
    check_rule("{\"input\":200000,\"output\":10}", "gemini-2.5-pro standard");
    check_rule("{\"input\":120000,\"cached_input\":80000,\"output\":10}",
               "gemini-2.5-pro standard");
    check_rule("{\"input\":120000,\"cached_input\":80001,\"output\":10}",
               "gemini-2.5-pro standard>200000");
    check_rule("{\"input\":200001,\"output\":10}", "gemini-2.5-pro standard>200000");
}

/* What is written does not make a prompt longer. */
static void test_output_is_no_prompt(void **state)
{
    check_rule("{\"input\":199000,\"output\":60000,\"reasoning_output\":5000}",
               "gemini-2.5-pro standard");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_card_is_that_of_the_prompts_length),
        cmocka_unit_test(test_output_is_no_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
