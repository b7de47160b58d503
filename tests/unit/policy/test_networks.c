/* networks: what lists of rules say of a source, case by case, and against the plainest reading of
 * the documented rule with thousands of random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/networks.h"

#define RULES_MAX  8u
#define RANGES_MAX 16u

/* "+10.0.0.0/8" allows, "-" denies, a "?" before it: observed. */
struct list {
    struct network_rule rules[RULES_MAX];
    struct network ranges[RANGES_MAX];
    size_t count, range_count;
    struct network_rules *made;
};

static struct network parse(const char *text)
{
    struct network network;
    if (text_equal(text_from(text), TEXT("unix")))
        return (struct network){.length = 0};
    if (network_parse(text_from(text), &network) != ERROR_OK)
        fail_msg("%s", text);
    return network;
}

static void add_rule(struct list *list, struct text word)
{
    bool observed = word.data[0] == '?';
    struct text rule = text_from_index(word, observed ? 1 : 0);
    struct text network = text_from_index(rule, 1);
    struct network_rule *out = &list->rules[list->count++];
    *out = (struct network_rule){.id = word,
                                 .network = network,
                                 .denies = rule.data[0] == '-',
                                 .observed = observed,
                                 .local = text_equal(network, TEXT("unix"))};
    if (out->local)
        return;
    if (network_parse(network, &list->ranges[list->range_count]) != ERROR_OK)
        fail_msg("%.*s", TEXT_ARG(network));
    out->ranges = &list->ranges[list->range_count++];
    out->range_count = 1;
}

/* "+10.0.0.0/8 ?-10.1.0.0/16"; NULL: no rules. */
static void make(struct list *list, const char *words)
{
    *list = (struct list){0};
    if (words == NULL)
        return;
    struct text rest = text_from(words);
    while (rest.length > 0)
        add_rule(list, text_split(&rest, ' '));
    list->made = network_rules_create(list->rules, list->count);
    assert_non_null(list->made);
}

static struct policy_network_verdict judge(const char *source, const char *const words[3])
{
    static struct list lists[POLICY_NETWORK_LISTS];
    struct policy_network_question question;
    struct policy_network_verdict verdict;
    struct network network = parse(source);
    question.source = &network;
    for (unsigned i = 0; i < POLICY_NETWORK_LISTS; i++) {
        network_rules_free(lists[i].made);
        make(&lists[i], words[i]);
        question.lists[i] = lists[i].made;
    }
    policy_judge_networks(&question, &verdict);
    return verdict;
}

/* ---- case by case ---- */

struct test_case {
    const char *rules, *source;
    bool refused, would;
    const char *by, *watched; /* the rules that decided; NULL: none */
};

static const struct test_case cases[] = {
    {NULL, "10.0.0.1", false, false, NULL, NULL},
    /* who allows some means only those */
    {"+10.0.0.0/8", "10.0.0.1", false, false, "+10.0.0.0/8", "+10.0.0.0/8"},
    {"+10.0.0.0/8", "11.0.0.1", true, true, NULL, NULL},
    {"+10.0.0.0/8", "unix", true, true, NULL, NULL},
    /* who only denies means only those */
    {"-10.0.0.0/8", "10.0.0.1", true, true, "-10.0.0.0/8", "-10.0.0.0/8"},
    {"-10.0.0.0/8", "11.0.0.1", false, false, NULL, NULL},
    {"-10.0.0.0/8", "unix", false, false, NULL, NULL},
    /* the most specific wins, whichever it is and wherever it stands */
    {"+10.0.0.0/8 -10.1.0.0/16", "10.1.2.3", true, true, "-10.1.0.0/16", "-10.1.0.0/16"},
    {"-10.1.0.0/16 +10.0.0.0/8", "10.2.2.3", false, false, "+10.0.0.0/8", "+10.0.0.0/8"},
    {"-10.0.0.0/8 +10.1.0.0/16", "10.1.2.3", false, false, "+10.1.0.0/16", "+10.1.0.0/16"},
    {"-10.0.0.0/8 +10.1.0.0/16 -10.1.2.3", "10.1.2.3", true, true, "-10.1.2.3", "-10.1.2.3"},
    {"-0.0.0.0/0 +10.0.0.0/8", "192.0.2.1", true, true, "-0.0.0.0/0", "-0.0.0.0/0"},
    /* of equals the denial */
    {"+10.0.0.0/8 -10.0.0.0/8", "10.0.0.1", true, true, "-10.0.0.0/8", "-10.0.0.0/8"},
    {"-10.0.0.0/8 +10.0.0.0/8", "10.0.0.1", true, true, "-10.0.0.0/8", "-10.0.0.0/8"},
    /* both families; a mapped address is an IPv4 one */
    {"+10.0.0.0/8", "::ffff:10.0.0.1", false, false, "+10.0.0.0/8", "+10.0.0.0/8"},
    {"+::ffff:10.0.0.0/104", "10.0.0.1", false, false, "+::ffff:10.0.0.0/104",
     "+::ffff:10.0.0.0/104"},
    {"+10.0.0.0/8", "2001:db8::1", true, true, NULL, NULL},
    {"-2001:db8::/32 +2001:db8:7::/48", "2001:db8:7::9", false, false, "+2001:db8:7::/48",
     "+2001:db8:7::/48"},
    {"-::/0", "10.0.0.1", true, true, "-::/0", "-::/0"},
    {"-0.0.0.0/0", "2001:db8::1", false, false, NULL, NULL},
    /* callers on unix sockets are in no range */
    {"+unix", "unix", false, false, "+unix", "+unix"},
    {"+unix", "10.0.0.1", true, true, NULL, NULL},
    {"-unix", "unix", true, true, "-unix", "-unix"},
    {"-::/0", "unix", false, false, NULL, NULL},
    {"-unix +unix", "unix", true, true, "-unix", "-unix"},
    {"+unix -unix", "unix", true, true, "-unix", "-unix"},
    /* observed rules change nothing, and tell what they would */
    {"?-10.0.0.0/8", "10.0.0.1", false, true, NULL, "?-10.0.0.0/8"},
    {"?+10.0.0.0/8", "11.0.0.1", false, true, NULL, NULL},
    {"?+10.0.0.0/8", "10.0.0.1", false, false, NULL, "?+10.0.0.0/8"},
    {"+10.0.0.0/8 ?+11.0.0.0/8", "11.0.0.1", true, false, NULL, "?+11.0.0.0/8"},
    {"+10.0.0.0/8 ?-10.1.0.0/16", "10.1.2.3", false, true, "+10.0.0.0/8", "?-10.1.0.0/16"},
    {"-10.0.0.0/8 ?+10.1.0.0/16", "10.1.2.3", true, false, "-10.0.0.0/8", "?+10.1.0.0/16"},
    {"-10.0.0.0/8 ?+11.0.0.0/8", "12.0.0.1", false, true, NULL, NULL},
    {"+10.0.0.0/8 ?-10.0.0.0/8", "10.0.0.1", false, true, "+10.0.0.0/8", "?-10.0.0.0/8"},
    {"?-unix", "unix", false, true, NULL, "?-unix"},
};

static bool is_rule(const struct network_rule *rule, const char *id)
{
    return id == NULL ? rule == NULL : rule != NULL && text_equal(rule->id, text_from(id));
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct test_case *c = &cases[i];
        for (unsigned list = 0; list < POLICY_NETWORK_LISTS; list++) {
            const char *words[POLICY_NETWORK_LISTS] = {NULL};
            words[list] = c->rules;
            struct policy_network_verdict verdict = judge(c->source, words);
            const struct policy_network_answer *answer = &verdict.answers[list];
            if (verdict.refused != c->refused || answer->refuses != c->refused ||
                answer->would_refuse != c->would || !is_rule(answer->rule, c->by) ||
                !is_rule(answer->watched, c->watched) || (verdict.refused && verdict.by != list))
                fail_msg("case %zu: %s from %s: refused %d, would %d", i, c->rules, c->source,
                         verdict.refused, answer->would_refuse);
        }
    }
}

static void test_each_list_must_agree(void **state)
{
    (void)state;
    const char *const open[] = {"+10.0.0.0/8", "+10.0.0.0/8", "+10.1.0.0/16"};
    assert_false(judge("10.1.0.1", open).refused);
    struct policy_network_verdict verdict = judge("10.2.0.1", open);
    assert_true(verdict.refused);
    assert_int_equal(verdict.by, POLICY_NETWORK_KEY);
    assert_int_equal(judge("11.0.0.1", open).by, POLICY_NETWORK_LISTENER);
    /* A narrower list cannot open what a wider one closes. */
    const char *const closed[] = {NULL, "-10.0.0.0/8", "+10.1.2.3"};
    verdict = judge("10.1.2.3", closed);
    assert_true(verdict.refused);
    assert_int_equal(verdict.by, POLICY_NETWORK_TEAM);
    assert_false(verdict.answers[POLICY_NETWORK_KEY].refuses);
}

static void test_a_rule_of_nobody(void **state)
{
    (void)state;
    struct network_rule rule = {.id = TEXT("gone"), .network = TEXT("gone")};
    struct network address = parse("10.0.0.1");
    struct network_findings findings;
    /* A name that is no longer defined: nobody is let in by it, and nobody kept out. */
    struct network_rules *rules = network_rules_create(&rule, 1);
    network_rules_judge(rules, &address, &findings);
    assert_true(findings.enforced.refused);
    assert_int_equal(network_rules_at(rules, 0)->id.length, 4);
    assert_null(network_rules_at(rules, 1));
    network_rules_free(rules);
    rule.denies = true;
    rules = network_rules_create(&rule, 1);
    network_rules_judge(rules, &address, &findings);
    assert_false(findings.enforced.refused);
    network_rules_free(rules);
    assert_null(network_rules_at(NULL, 0));
}

/* ---- many ---- */

static uint32_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* Few bits that differ, so that ranges lie within one another, are equal, and have the source. */
static struct network random_network(bool address)
{
    struct network network = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}, .length = 128};
    network.bytes[13] = (unsigned char)(next_random() % 3);
    network.bytes[14] = (unsigned char)(next_random() % 2);
    network.bytes[15] = (unsigned char)(next_random() % 4);
    if (address)
        return network;
    return network_around(&network, 4 + next_random() % 29, 128);
}

/* The documented rule, word by word. */
static bool plainly_refused(const struct network_rule *rules, size_t count, bool observed_too,
                            const struct network *source)
{
    const struct network_rule *best = NULL;
    bool allows = false;
    for (size_t i = 0; i < count; i++) {
        if (rules[i].observed && !observed_too)
            continue;
        allows |= !rules[i].denies;
        if (!network_contains(rules[i].ranges, source))
            continue;
        if (best == NULL || rules[i].ranges->length > best->ranges->length ||
            (rules[i].ranges->length == best->ranges->length && rules[i].denies))
            best = &rules[i];
    }
    return best != NULL ? best->denies : allows;
}

static void test_against_the_plain_rule(void **state)
{
    (void)state;
    size_t refused = 0, watched = 0;
    for (unsigned round = 0; round < 3000; round++) {
        struct network_rule rules[RULES_MAX] = {0};
        struct network ranges[RULES_MAX];
        size_t count = next_random() % (RULES_MAX + 1);
        for (size_t i = 0; i < count; i++) {
            ranges[i] = random_network(false);
            rules[i] = (struct network_rule){.ranges = &ranges[i],
                                             .range_count = 1,
                                             .denies = next_random() % 2,
                                             .observed = next_random() % 3 == 0};
        }
        struct network_rules *made = network_rules_create(rules, count);
        assert_non_null(made);
        for (unsigned k = 0; k < 16; k++) {
            struct network source = random_network(true);
            struct network_findings findings;
            network_rules_judge(made, &source, &findings);
            assert_int_equal(findings.enforced.refused,
                             plainly_refused(rules, count, false, &source));
            assert_int_equal(findings.all.refused, plainly_refused(rules, count, true, &source));
            refused += findings.enforced.refused;
            watched += findings.all.refused != findings.enforced.refused;
        }
        network_rules_free(made);
    }
    assert_true(refused > 1000 && watched > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_each_list_must_agree),
        cmocka_unit_test(test_a_rule_of_nobody),
        cmocka_unit_test(test_against_the_plain_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
