#include "identity/network_rules.h"

#include <stdlib.h>

/* A list is read in two ways: its enforced rules alone, and all of them. Both come from one
 * look-up: of ranges that have a source each lies within the next, so the most specific one says
 * which enforced one is the most specific, too. */
#define NO_RULE NETWORK_NONE

struct reading {
    uint32_t enforced, all; /* rules; NO_RULE: none */
};

struct network_rules {
    size_t count;
    struct network_table *table; /* indices of `readings`; NULL: no rule has a range */
    struct reading *readings;    /* of each range */
    struct reading local;        /* of callers on unix sockets */
    bool enforced_allows;        /* some enforced rule allows: what none of them has is refused */
    bool some_allow;             /* the same of all rules */
    char *words;                 /* of the rules' texts */
    struct network_rule rules[];
};

/* ---- making ---- */

struct ranges {
    struct network *networks;
    uint32_t *owners;
    size_t count;
};

static bool open_ranges(struct ranges *ranges, size_t count)
{
    *ranges = (struct ranges){.networks = malloc((count + 1) * sizeof *ranges->networks),
                              .owners = malloc((count + 1) * sizeof *ranges->owners)};
    return ranges->networks != NULL && ranges->owners != NULL;
}

static void close_ranges(struct ranges *ranges)
{
    free(ranges->networks);
    free(ranges->owners);
}

/* Denials first: of equal ranges the table takes the first one. */
static void gather(const struct network_rule *from, size_t count, bool denies, bool observed_too,
                   struct ranges *ranges)
{
    for (size_t i = 0; i < count; i++) {
        if (from[i].denies != denies || (from[i].observed && !observed_too))
            continue;
        for (size_t k = 0; k < from[i].range_count; k++) {
            ranges->networks[ranges->count] = from[i].ranges[k];
            ranges->owners[ranges->count++] = (uint32_t)i;
        }
    }
}

/* Which rule each range belongs to, of the enforced ones or of all. */
static struct network_table *make_table(const struct network_rule *from, size_t count,
                                        bool observed_too, struct ranges *ranges)
{
    ranges->count = 0;
    gather(from, count, true, observed_too, ranges);
    gather(from, count, false, observed_too, ranges);
    return network_table_create(ranges->networks, ranges->owners, ranges->count);
}

static bool read_ranges(struct network_rules *rules, const struct network_rule *from,
                        struct ranges *ranges)
{
    struct network_table *enforced = make_table(from, rules->count, false, ranges);
    struct network_table *all = make_table(from, rules->count, true, ranges);
    rules->readings = malloc((ranges->count + 1) * sizeof *rules->readings);
    bool good = enforced != NULL && all != NULL && rules->readings != NULL;
    for (size_t i = 0; good && i < ranges->count; i++) {
        const struct network *range = &ranges->networks[i];
        rules->readings[i] =
            (struct reading){network_table_find(enforced, range), network_table_find(all, range)};
        ranges->owners[i] = (uint32_t)i;
    }
    network_table_free(enforced);
    network_table_free(all);
    if (good && ranges->count > 0)
        rules->table = network_table_create(ranges->networks, ranges->owners, ranges->count);
    return good && (ranges->count == 0 || rules->table != NULL);
}

/* A denial is stronger. */
static void offer_local(const struct network_rules *rules, uint32_t index, uint32_t *best)
{
    if (*best == NO_RULE || rules->rules[index].denies)
        *best = index;
}

static void note_rules(struct network_rules *rules)
{
    rules->local = (struct reading){NO_RULE, NO_RULE};
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct network_rule *rule = &rules->rules[i];
        rules->some_allow |= !rule->denies;
        rules->enforced_allows |= !rule->denies && !rule->observed;
        if (!rule->local)
            continue;
        offer_local(rules, i, &rules->local.all);
        if (!rule->observed)
            offer_local(rules, i, &rules->local.enforced);
    }
}

static size_t count_words(const struct network_rule *from, size_t count)
{
    size_t words = 0;
    for (size_t i = 0; i < count; i++)
        words += from[i].id.length + from[i].network.length;
    return words;
}

static struct text keep_words(char **at, struct text text)
{
    struct text kept = text_of(*at, text.length);
    if (text.length > 0)
        memcpy(*at, text.data, text.length);
    *at += text.length;
    return kept;
}

static void copy_rules(struct network_rules *rules, const struct network_rule *from)
{
    char *at = rules->words;
    for (size_t i = 0; i < rules->count; i++) {
        struct network_rule *rule = &rules->rules[i];
        *rule = from[i];
        rule->ranges = NULL; /* the tables have them */
        rule->id = keep_words(&at, from[i].id);
        rule->network = keep_words(&at, from[i].network);
    }
}

struct network_rules *network_rules_create(const struct network_rule *from, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += from[i].range_count;
    struct network_rules *rules = calloc(1, sizeof *rules + count * sizeof *rules->rules);
    if (rules == NULL)
        return NULL;
    struct ranges ranges = {0};
    rules->count = count;
    rules->words = malloc(count_words(from, count) + 1);
    bool good =
        rules->words != NULL && total <= NETWORK_RULES_RANGES_MAX && open_ranges(&ranges, total);
    if (good) {
        copy_rules(rules, from);
        note_rules(rules);
        good = read_ranges(rules, from, &ranges);
    }
    close_ranges(&ranges);
    if (good)
        return rules;
    network_rules_free(rules);
    return NULL;
}

void network_rules_free(struct network_rules *rules)
{
    if (rules == NULL)
        return;
    network_table_free(rules->table);
    free(rules->readings);
    free(rules->words);
    free(rules);
}

/* ---- asking ---- */

static struct reading find(const struct network_rules *rules, const struct network *source)
{
    if (source->length == 0)
        return rules->local;
    uint32_t index = network_table_find(rules->table, source);
    return index == NETWORK_NONE ? (struct reading){NO_RULE, NO_RULE} : rules->readings[index];
}

static struct network_finding tell(const struct network_rules *rules, uint32_t index, bool allows)
{
    if (index == NO_RULE)
        return (struct network_finding){allows, NULL};
    return (struct network_finding){rules->rules[index].denies, &rules->rules[index]};
}

void network_rules_judge(const struct network_rules *rules, const struct network *source,
                         struct network_findings *out)
{
    *out = (struct network_findings){0};
    if (rules == NULL)
        return;
    struct reading reading = find(rules, source);
    out->enforced = tell(rules, reading.enforced, rules->enforced_allows);
    out->all = tell(rules, reading.all, rules->some_allow);
}

const struct network_rule *network_rules_at(const struct network_rules *rules, size_t index)
{
    return rules != NULL && index < rules->count ? &rules->rules[index] : NULL;
}
