/* A few days of sample data: the same for the same number, within the rules of a record, and with
 * every part of the story in it. (That all verbs agree about it: tests/cli/test_demo.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sample/seed.h"
#include "store/exchanges.h"
#include "tables/refusals.h"

#define NOW       (1796040000ull * NANOSECONDS_PER_SECOND) /* 2026-11-30 12:00 UTC */
#define DAYS      3u
#define ARENA_MAX (64u << 20)

/* One store with sample data in it. */
struct place {
    char directory[64], path[96];
    struct store *store;
    struct arena arena;
    struct operations operations;
    struct setting setting;
    struct seed_result result;
};

static void open_place(struct place *place)
{
    char problem[SETTING_PROBLEM_SIZE] = "";
    struct buffer yaml;
    (void)snprintf(place->directory, sizeof place->directory, "/tmp/test-sample-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    (void)snprintf(place->path, sizeof place->path, "%s/" STORE_FILE, place->directory);
    assert_int_equal(store_open(place->path, STORE_WRITE, 1000, &place->store, problem), ERROR_OK);
    arena_open(&place->arena, NULL, ARENA_MAX);
    const struct admin_actor actor = {
        .who = TEXT("cli:test"), .via = TEXT("cli"), .role = ADMIN_OWNER};
    operations_open(&place->operations, place->store, place->directory, &place->arena, &actor);
    buffer_open(&yaml, SETTING_YAML_MAX);
    assert_true(setting_write(TEXT("127.0.0.1:8080"), TEXT("127.0.0.1:8081"), &yaml));
    if (!setting_open(&place->setting, buffer_text(&yaml), problem))
        fail_msg("%s", problem);
    buffer_close(&yaml);
}

static void seed_place(struct place *place, uint64_t random)
{
    const struct seed_order order = {.operations = &place->operations,
                                     .setting = &place->setting,
                                     .now = NOW,
                                     .days = DAYS,
                                     .random = random};
    if (!seed_run(&order, &place->result))
        fail_msg("%s", place->result.problem);
}

static void close_place(struct place *place)
{
    char path[160];
    past_close(&place->result.past);
    setting_close(&place->setting);
    operations_close(&place->operations);
    arena_close(&place->arena);
    store_close(place->store);
    static const char *const names[] = {STORE_FILE, STORE_FILE "-wal", STORE_FILE "-shm",
                                        REVOCATIONS_FILE};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", place->directory, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(place->directory), 0);
}

/* Gives each record to `look`. */
static void each_record(struct place *place, void (*look)(void *context, const struct record *),
                        void *context)
{
    struct exchanges_reader reader;
    struct exchange_row row;
    bool found = true;
    assert_int_equal(exchanges_open(&reader, place->store, "ORDER BY number"), ERROR_OK);
    for (;;) {
        assert_int_equal(exchanges_next(&reader, &row, &found), ERROR_OK);
        if (!found)
            break;
        look(context, &row.record);
    }
    exchanges_close(&reader);
}

/* ---- the same again ---- */

struct sum {
    uint64_t mixed; /* of what does not come from a key's random id */
    uint64_t calls;
};

static void add(struct sum *sum, uint64_t number)
{
    sum->mixed = (sum->mixed ^ number) * 1099511628211ull;
}

static void add_record(void *context, const struct record *record)
{
    struct sum *sum = context;
    sum->calls++;
    for (size_t i = 0; i < sizeof record->id.bytes; i++)
        add(sum, record->id.bytes[i]);
    const uint64_t numbers[] = {record->started_at,
                                record->finished_at,
                                (uint64_t)record->cost,
                                (uint64_t)record->input_tokens,
                                (uint64_t)record->status,
                                (uint64_t)record->outcome,
                                text_hash(record->key_name),
                                text_hash(record->source),
                                text_hash(record->attempts_detail),
                                text_hash(record->units)};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        add(sum, numbers[i]);
}

static struct sum sum_of(uint64_t random)
{
    struct place *place = calloc(1, sizeof *place);
    struct sum sum = {0};
    open_place(place);
    seed_place(place, random);
    each_record(place, add_record, &sum);
    assert_int_equal(sum.calls, place->result.calls);
    close_place(place);
    free(place);
    return sum;
}

static void test_the_same_number_makes_the_same_calls(void **state)
{
    struct sum once = sum_of(5), again = sum_of(5), other = sum_of(6);
    assert_true(once.calls > 1000);
    assert_int_equal(once.calls, again.calls);
    assert_int_equal(once.mixed, again.mixed);
    assert_int_not_equal(once.mixed, other.mixed);
}

/* ---- what is in it ---- */

struct story {
    uint64_t last;
    unsigned outcomes[RECORD_OUTCOME_COUNT];
    unsigned elsewhere, left, observed, unpriced, streams, cached, revoked, moved, expired;
    money cost;
};

static bool refused_for(const struct record *record, enum refusal refusal)
{
    return text_equal(record->refusal, refusal_row(refusal)->code);
}

static void check_record(const struct record *record)
{
    bool refused = record->outcome == RECORD_OUTCOME_REFUSED;
    assert_true(record->started_at >= NOW - DAYS * 86400 * NANOSECONDS_PER_SECOND);
    assert_true(record->started_at < NOW);
    bool interrupted = record->outcome == RECORD_OUTCOME_INTERRUPTED;
    assert_int_equal(refused || interrupted, record->attempts == 0);
    assert_int_equal(refused, text_empty(record->provider));
    /* What happened when: the decision, the sending, the first piece, the end. */
    assert_int_equal(record->forwarded >= 0, record->attempts > 0);
    if (record->forwarded >= 0)
        assert_true(record->admitted < record->forwarded && record->forwarded < record->duration);
    if (record->first_token >= 0)
        assert_true(record->streamed && record->forwarded < record->first_token &&
                    record->first_token <= record->duration);
    if (refused) {
        assert_int_equal(record->cost, 0);
        assert_true(text_equal(record->cost_state, TEXT("none")));
    }
    if (text_equal(record->cost_state, TEXT("priced")))
        assert_true(record->cost > 0 && !text_empty(record->price_rule) &&
                    !text_empty(record->units));
    if (!interrupted)
        assert_int_equal(record->finished_at, record->started_at + (uint64_t)record->duration);
}

static void take_record(void *context, const struct record *record)
{
    struct story *story = context;
    check_record(record);
    assert_true(record->started_at >= story->last);
    story->last = record->started_at;
    story->outcomes[record->outcome]++;
    story->elsewhere += text_equal(record->provider, TEXT("bedrock"));
    story->left += !text_empty(record->attempts_detail);
    story->observed += !text_empty(record->observed);
    story->unpriced += text_equal(record->cost_state, TEXT("unpriced"));
    story->streams += record->streamed;
    story->cached += record->cached_input_tokens > 0;
    story->revoked += refused_for(record, REFUSAL_KEY_REVOKED);
    story->expired += refused_for(record, REFUSAL_KEY_EXPIRED);
    story->moved += refused_for(record, REFUSAL_NETWORK_NOT_ALLOWED);
    story->cost += record->cost > 0 ? record->cost : 0;
}

static void test_the_story_is_in_it(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct story story = {0};
    open_place(place);
    seed_place(place, 1);
    each_record(place, take_record, &story);
    assert_true(story.cost == place->result.cost);
    assert_true(story.outcomes[RECORD_OUTCOME_SERVED] > 1000);
    assert_true(story.outcomes[RECORD_OUTCOME_FAILED] > 0);
    assert_true(story.outcomes[RECORD_OUTCOME_CANCELLED] > 0);
    const unsigned parts[] = {story.elsewhere, story.left,    story.observed,
                              story.unpriced,  story.streams, story.cached,
                              story.revoked,   story.expired, story.moved};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        if (parts[i] == 0)
            fail_msg("part %zu of the story is missing", i);
    close_place(place);
    free(place);
}

static void test_a_store_with_something_in_it_is_told(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char problem[SEED_PROBLEM_SIZE] = "";
    struct object_change wanted;
    struct operation_result made = {0};
    open_place(place);
    assert_true(seed_is_empty(place->store, problem));
    object_open(&wanted, OBJECT_TEAM);
    object_set_text(&wanted, OBJECT_TEAM_name, TEXT("ours"));
    assert_true(operations_create(&place->operations, &wanted, &made));
    assert_false(seed_is_empty(place->store, problem));
    assert_string_equal(problem, "teams");
    close_place(place);
    free(place);
}

/* Whoever adds to the cast must not misspell who belongs to whom. */
static void test_the_cast_knows_each_other(void **state)
{
    for (size_t i = 0; i < CAST_KEYS; i++) {
        const struct cast_key *key = &cast_keys[i];
        assert_non_null(cast_find_team(key->team));
        assert_non_null(cast_find_model(key->model));
        assert_true(text_empty(key->other_model) || cast_find_model(key->other_model));
        assert_ptr_equal(cast_find_key(key->name), key); /* no two of one name */
    }
    for (int shape = 0; shape < CAST_SHAPE_COUNT; shape++) {
        double day = 0;
        for (unsigned hour = 0; hour < 24; hour++)
            day += cast_busy((enum cast_shape)shape, hour, false);
        assert_true(day > 0.999 && day < 1.001);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_number_makes_the_same_calls),
        cmocka_unit_test(test_the_story_is_in_it),
        cmocka_unit_test(test_a_store_with_something_in_it_is_told),
        cmocka_unit_test(test_the_cast_knows_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
