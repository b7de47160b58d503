#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "meter/catalog.h"

/* The file that the build takes in is good; catalog_shipped relies on it. */
static void the_shipped_list_is_good(void **state)
{
    struct catalog *catalog = NULL;
    struct catalog_problems problems;
    catalog_problems_open(&problems);
    uint64_t before = clock_monotonic();
    assert_int_equal(catalog_read(catalog_shipped_text(), &catalog, &problems), ERROR_OK);
    print_message("read in %llu us\n", (unsigned long long)((clock_monotonic() - before) / 1000));
    assert_int_equal(problems.count, 0);
    assert_int_equal(catalog_model_count(catalog), 339);
    assert_int_equal(catalog_provider_count(catalog), 17);
    assert_true(text_starts_with(catalog_version(catalog), TEXT("2026-11-22+")));
    catalog_release(catalog);
    catalog_problems_close(&problems);
}

static void a_catalog_lives_as_long_as_it_is_held(void **state)
{
    struct catalog *catalog = catalog_shipped();
    assert_non_null(catalog);
    assert_ptr_equal(catalog_acquire(catalog), catalog);
    catalog_release(catalog);
    assert_int_equal(catalog_model_count(catalog), 339);
    catalog_release(catalog);
    catalog_release(NULL);
}

static void every_name_leads_to_its_model(void **state)
{
    struct catalog *catalog = catalog_shipped();
    enum catalog_match match;
    for (size_t i = 0; i < catalog_model_count(catalog); i++) {
        const struct catalog_model *model = catalog_model_at(catalog, i);
        assert_ptr_equal(catalog_find(catalog, model->provider, model->name, &match), model);
        assert_int_equal(match, CATALOG_EXACT);
        for (size_t k = 0; k < model->alias_count; k++)
            assert_ptr_equal(catalog_find(catalog, model->provider, model->aliases[k], &match),
                             model);
    }
    catalog_release(catalog);
}

static void names_by_rule(void **state)
{
    static const struct {
        const char *provider, *name;
        enum catalog_match match;
    } rows[] = {
        {"openai", "gpt-6.2-sol-2026-10-30", CATALOG_SNAPSHOT},
        {"azure", "gpt-5-mini-2025-08-07", CATALOG_SNAPSHOT},
        {"openai", "gpt-5-mini-2031-01-01", CATALOG_NO_MATCH},
        {"openai", "ft:gpt-4.1-2025-04-14:acme::x", CATALOG_FINE_TUNED},
        {"openai", "ft:gpt-5:acme::x", CATALOG_NO_MATCH},
        {"openai", "ft:", CATALOG_NO_MATCH},
        {"bedrock", "apac.amazon.nova-pro-v1:0", CATALOG_GEOGRAPHY},
        {"bedrock", "apac.", CATALOG_NO_MATCH},
        {"openai", "", CATALOG_NO_MATCH},
        {"openai", "-2026-01-01", CATALOG_NO_MATCH},
    };
    struct catalog *catalog = catalog_shipped();
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum catalog_match match;
        const struct catalog_provider *provider =
            catalog_find_provider(catalog, text_from(rows[i].provider));
        const struct catalog_model *model =
            catalog_find(catalog, provider, text_from(rows[i].name), &match);
        assert_int_equal(match, rows[i].match);
        assert_true((model != NULL) == (match != CATALOG_NO_MATCH));
    }
    catalog_release(catalog);
}

/* Each byte changed in turn, here and there: never a crash, and a problem whenever it is refused.
 */
static void damaged_lists(void **state)
{
    struct text shipped = catalog_shipped_text();
    char *copy = malloc(shipped.length);
    assert_non_null(copy);
    memcpy(copy, shipped.data, shipped.length);
    for (size_t i = 0; i < 60; i++) {
        struct catalog *catalog = NULL;
        struct catalog_problems problems;
        size_t at = i * 7919 * 13 % shipped.length;
        char kept = copy[at];
        copy[at] = "x0\"}{],"[i % 7];
        catalog_problems_open(&problems);
        enum error error = catalog_read(text_of(copy, shipped.length - i), &catalog, &problems);
        assert_true(error == ERROR_OK || error == ERROR_SYNTAX);
        assert_true((catalog != NULL) == (error == ERROR_OK));
        assert_true((problems.count > 0) == (error == ERROR_SYNTAX));
        catalog_release(catalog);
        catalog_problems_close(&problems);
        copy[at] = kept;
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_list_is_good),
        cmocka_unit_test(a_catalog_lives_as_long_as_it_is_held),
        cmocka_unit_test(every_name_leads_to_its_model),
        cmocka_unit_test(names_by_rule),
        cmocka_unit_test(damaged_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
