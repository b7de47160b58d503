#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "route/place.h"

struct list {
    const struct route_place_key *keys[3];
    size_t counts[3];
};

static size_t targets(const void *owner, size_t model, struct route_place_key *keys)
{
    const struct list *list = owner;
    memcpy(keys, list->keys[model], list->counts[model] * sizeof(*keys));
    return list->counts[model];
}

static struct route_table *make(const struct list *list, size_t models, struct route_table *before)
{
    const struct route_table_source source = {models, targets, list};
    struct route_table *table = route_table_create(&source, before);
    assert_non_null(table);
    return table;
}

static const struct route_place_key fast[] = {
    {TEXT_INIT("fast"), TEXT_INIT("openai"), TEXT_INIT("mini")},
    {TEXT_INIT("fast"), TEXT_INIT("azure"), TEXT_INIT("mini")},
    {TEXT_INIT("fast"), TEXT_INIT("openai"), TEXT_INIT("mini")},
};
static const struct route_place_key swapped[] = {
    {TEXT_INIT("fast"), TEXT_INIT("azure"), TEXT_INIT("mini")},
    {TEXT_INIT("fast"), TEXT_INIT("openai"), TEXT_INIT("mini")},
};
static const struct route_place_key other[] = {
    {TEXT_INIT("other"), TEXT_INIT("openai"), TEXT_INIT("")},
};

/* What was learned stays with the target, wherever a reload puts it. */
static void test_reload(void **state)
{
    const struct list before = {{fast, other}, {3, 1}}, after = {{other, swapped}, {1, 2}};
    struct route_table *old = make(&before, 2, NULL);
    const struct route_model_places *model = route_table_model(old, 0);
    assert_int_equal(model->count, 3);
    assert_ptr_not_equal(model->places[0], model->places[2]); /* two rows of the same are two */
    atomic_store(&model->places[0]->in_flight, 7);
    route_budget_take(model->budget, ROUTE_WHOLE / 5);
    struct route_table *new = make(&after, 2, old);
    const struct route_model_places *moved = route_table_model(new, 1);
    assert_ptr_equal(moved->places[0], model->places[1]);
    assert_ptr_equal(moved->places[1], model->places[0]);
    assert_ptr_equal(moved->budget, model->budget);
    route_table_release(old);
    assert_int_equal(atomic_load(&moved->places[1]->in_flight), 7);
    assert_int_equal(route_budget_left(moved->budget), ROUTE_BUDGET_RESERVE - 1);
    route_table_release(new);
}

static void test_health_is_the_providers(void **state)
{
    static const struct route_health rules = {.failures = 2};
    const struct list list = {{fast, other}, {3, 1}}, less = {{other}, {1}};
    struct route_table *table = make(&list, 2, NULL);
    struct route_health_figures *health = route_table_health(table, TEXT("openai"));
    assert_ptr_equal(route_table_model(table, 0)->places[0]->health, health);
    assert_ptr_equal(route_table_model(table, 1)->places[0]->health, health);
    assert_ptr_not_equal(route_table_health(table, TEXT("azure")), health);
    assert_null(route_table_health(table, TEXT("nobody")));
    assert_false(route_health_note(health, &rules, false, 1));
    assert_true(route_health_note(health, &rules, false, 2));
    assert_true(atomic_load(&health->down));
    struct route_table *next = make(&less, 1, table);
    route_table_release(table);
    assert_ptr_equal(route_table_health(next, TEXT("openai")), health);
    assert_true(route_health_note(health, &rules, true, 3));
    assert_false(route_health_note(health, &rules, false, 4));
    assert_false(atomic_load(&health->down));
    route_table_release(next);
}

static void test_rest(void **state)
{
    const struct list list = {{other}, {1}};
    struct route_table *table = make(&list, 1, NULL);
    struct route_place *place = route_table_model(table, 0)->places[0];
    route_place_rest(place, 500);
    route_place_rest(place, 300); /* never shorter */
    assert_int_equal(atomic_load(&place->rests_until), 500);
    assert_int_equal((uintptr_t)place % 64, 0);
    route_table_release(route_table_hold(table));
    route_table_release(table);
    route_table_release(NULL);
}

/* It is part of what several gateways agree on. */
static void test_identity_is_fixed(void **state)
{
    assert_true(route_identity(TEXT("a"), TEXT("b")) != route_identity(TEXT("b"), TEXT("a")));
    assert_true(route_identity(TEXT("openai"), TEXT("gpt-4o")) ==
                route_identity(TEXT("openai"), TEXT("gpt-4o")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_health_is_the_providers),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_identity_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
