/* Drives policy/ by lines on standard input, and answers each with one: for tests/property, which
 * compares with a reference. Fields are separated by a space, "-" is the empty text.
 *
 *   budget ID SCOPE NAME VALUE MODE SOFT CAP RAISED_CAP RAISED_UNTIL PERIOD ROLLING ZONE
 *   limit ID SCOPE NAME VALUE MODE KIND AMOUNT WINDOW
 *   rules WALL                                     puts in force what was said since the last time
 *   tick WALL
 *   admit CALL WALL NOW TEAM KEY TAGS MODEL
 *   tokens CALL INPUT HIDDEN OUTPUT LEAST USUAL CLAMP
 *   reserve CALL INPUT PRICE OUTPUT MINIMUM
 *   settle CALL STATE COST KNOWN INPUT OUTPUT
 *   rates CALL NOW
 *   budgets WALL
 *   limits NOW
 *   period KIND ZONE WALL */
#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/number.h"
#include "identity/reader.h"
#include "policy/policy.h"

enum { FIELDS_MAX = 16, RULES = 32, CALLS = 64 };

static struct policy *policy;
static struct arena texts; /* of rules and calls: until the end */
static struct policy_budget budgets[RULES];
static struct policy_limit limits[RULES];
static size_t budget_count, limit_count;
static struct policy_hold holds[CALLS];
static struct text fields[FIELDS_MAX];

static struct text text_field(size_t i)
{
    if (text_equal(fields[i], TEXT("-")))
        return (struct text){0};
    struct text copy = arena_copy(&texts, fields[i]);
    ensure(copy.data != NULL);
    return copy;
}

static uint64_t number_field(size_t i)
{
    uint64_t number;
    ensure(number_parse_unsigned(fields[i], &number));
    return number;
}

static int64_t count_field(size_t i)
{
    return (int64_t)number_field(i);
}

static money money_field(size_t i)
{
    money amount = 0;
    for (size_t at = 0; at < fields[i].length; at++)
        amount = amount * 10 + (fields[i].data[at] - '0');
    return amount;
}

static void print_money(money amount)
{
    char digits[48];
    size_t at = sizeof digits;
    bool negative = amount < 0;
    do {
        int digit = (int)(amount % 10);
        digits[--at] = (char)('0' + (digit < 0 ? -digit : digit));
        amount /= 10;
    } while (amount != 0);
    printf(" %s%.*s", negative ? "-" : "", (int)(sizeof digits - at), digits + at);
}

static void print_number(uint64_t number)
{
    printf(" %llu", (unsigned long long)number);
}

static struct policy_subject subject_field(size_t i)
{
    struct policy_subject subject = {.name = text_field(i + 1), .value = text_field(i + 2)};
    ensure(policy_scope_from(fields[i], &subject.scope));
    return subject;
}

static void do_budget(void)
{
    ensure(budget_count < RULES);
    struct policy_budget *budget = &budgets[budget_count++];
    *budget = (struct policy_budget){.id = text_field(1),
                                     .subject = subject_field(2),
                                     .soft = number_field(6) != 0,
                                     .cap = money_field(7),
                                     .raised_cap = money_field(8),
                                     .raised_until = number_field(9),
                                     .rolling = number_field(11),
                                     .zone = text_field(12)};
    ensure(policy_mode_from(fields[5], &budget->mode));
    ensure(period_kind_from(fields[10], &budget->period));
    printf("ok");
}

static void do_limit(void)
{
    ensure(limit_count < RULES);
    struct policy_limit *limit = &limits[limit_count++];
    *limit = (struct policy_limit){.id = text_field(1),
                                   .subject = subject_field(2),
                                   .amount = count_field(7),
                                   .window = number_field(8)};
    ensure(policy_mode_from(fields[5], &limit->mode));
    ensure(policy_limit_kind_from(fields[6], &limit->kind));
    printf("ok");
}

static void do_rules(void)
{
    struct policy_definition definition = {.budgets = budgets,
                                           .budget_count = budget_count,
                                           .limits = limits,
                                           .limit_count = limit_count};
    char problem[POLICY_PROBLEM_SIZE];
    enum error error = policy_replace(policy, &definition, number_field(1), problem);
    printf("%s", error == ERROR_OK ? "ok" : problem);
    budget_count = limit_count = 0;
}

static void do_tick(void)
{
    policy_tick(policy, number_field(1));
    printf("ok");
}

static struct policy_hold *hold_field(void)
{
    uint64_t call = number_field(1);
    ensure(call < CALLS);
    return &holds[call];
}

static void print_observed(const struct policy_hold *hold)
{
    const struct policy_observed *observed = hold->observed;
    printf(" observed");
    for (; observed != NULL; observed = observed->next)
        printf(" %.*s:%lld", TEXT_ARG(observed->id), (long long)observed->output_tokens);
}

static void print_refusal(const struct policy_why *why)
{
    ensure(why->reason == POLICY_REASON_LIMIT);
    printf("refused %.*s", TEXT_ARG(why->id));
    print_number((uint64_t)why->remaining);
    print_number(why->retry_after);
}

static void do_admit(void)
{
    struct policy_hold *hold = hold_field();
    struct policy_why why;
    struct policy_call call = {.wall = number_field(2),
                               .now = number_field(3),
                               .team = text_field(4),
                               .key = text_field(5),
                               .tags = text_field(6),
                               .model = text_field(7)};
    if (policy_admit(policy, &call, &texts, hold, &why) == POLICY_ALLOWED) {
        printf("allowed");
        print_observed(hold);
        return;
    }
    print_refusal(&why);
}

static void do_tokens(void)
{
    struct policy_hold *hold = hold_field();
    struct policy_why why;
    struct policy_tokens ask = {.input = count_field(2),
                                .input_hidden = number_field(3) != 0,
                                .output = count_field(4),
                                .output_least = count_field(5),
                                .output_usual = count_field(6),
                                .output_clamp = count_field(7)};
    int64_t output;
    if (policy_hold_tokens(hold, &ask, &output, &why) == POLICY_ALLOWED) {
        printf("allowed");
        print_number((uint64_t)output);
        print_observed(hold);
        return;
    }
    print_refusal(&why);
}

static void do_reserve(void)
{
    struct policy_hold *hold = hold_field();
    struct policy_grant grant;
    struct policy_why why;
    struct policy_ask ask = {money_field(2), money_field(3), count_field(4), count_field(5)};
    if (policy_reserve(hold, &ask, &grant, &why) == POLICY_ALLOWED) {
        printf("granted");
        print_money(grant.amount);
        print_number((uint64_t)grant.output_tokens);
        print_observed(hold);
        return;
    }
    printf("refused %.*s", TEXT_ARG(why.id));
    print_money(why.left);
    print_number(why.resets_at);
}

static void do_settle(void)
{
    struct policy_actual actual = {.state = (enum policy_cost)number_field(2),
                                   .cost = money_field(3),
                                   .tokens_known = number_field(4) != 0,
                                   .input_tokens = count_field(5),
                                   .output_tokens = count_field(6)};
    policy_settle(hold_field(), &actual);
    printf("ok");
}

static void print_rate(const struct policy_rate *rate)
{
    if (!rate->applies) {
        printf(" none");
        return;
    }
    print_number((uint64_t)rate->limit);
    print_number((uint64_t)rate->remaining);
    print_number(rate->reset);
}

static void do_rates(void)
{
    struct policy_rates rates;
    policy_rates(hold_field(), number_field(2), &rates);
    printf("rates");
    print_rate(&rates.requests);
    print_rate(&rates.tokens);
}

static void print_budget(void *context, const struct policy_budget_state *state)
{
    printf(" %.*s", TEXT_ARG(state->budget->id));
    print_money(state->used);
    print_money(state->spent);
    print_money(state->cap);
}

static void print_limit(void *context, const struct policy_limit_state *state)
{
    printf(" %.*s", TEXT_ARG(state->limit->id));
    print_number((uint64_t)state->used);
}

static void do_budgets(void)
{
    struct policy_visitor visitor = {.budget = print_budget};
    printf("budgets");
    policy_walk(policy, number_field(1), 0, &visitor);
}

static void do_limits(void)
{
    struct policy_visitor visitor = {.limit = print_limit};
    printf("limits");
    policy_walk(policy, 0, number_field(1), &visitor);
}

static void do_period(void)
{
    enum period_kind kind;
    struct time_zone *zone;
    ensure(period_kind_from(fields[1], &kind));
    if (timezone_load(fields[2], &zone) != ERROR_OK) {
        printf("no zone");
        return;
    }
    struct period_bounds bounds = period_at(kind, zone, 0, number_field(3));
    printf("period");
    print_number(bounds.start);
    print_number(bounds.end);
    timezone_free(zone);
}

static const struct command {
    const char *name;
    size_t fields;
    void (*run)(void);
} commands[] = {
    {"budget", 13, do_budget},  {"limit", 9, do_limit},   {"rules", 2, do_rules},
    {"tick", 2, do_tick},       {"admit", 8, do_admit},   {"reserve", 6, do_reserve},
    {"tokens", 8, do_tokens},   {"settle", 7, do_settle}, {"rates", 3, do_rates},
    {"budgets", 2, do_budgets}, {"limits", 2, do_limits}, {"period", 4, do_period},
};

static void run_line(struct text line)
{
    size_t count = 0;
    while (line.data != NULL && count < FIELDS_MAX)
        fields[count++] = text_split(&line, ' ');
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (text_equal(fields[0], text_from(commands[i].name))) {
            ensure(count == commands[i].fields);
            commands[i].run();
            printf("\n");
            return;
        }
    }
    printf("unknown command\n");
}

int main(void)
{
    static char line[4096];
    reader_register();
    arena_open(&texts, NULL, (size_t)1 << 28);
    policy = ensure_memory(policy_create(NULL, NULL));
    while (fgets(line, sizeof line, stdin) != NULL) {
        run_line(text_of(line, strcspn(line, "\n")));
        reader_turn();
    }
    for (size_t i = 0; i < CALLS; i++)
        policy_settle(&holds[i], &(struct policy_actual){.state = POLICY_COST_NONE});
    policy_destroy(policy);
    arena_close(&texts);
    reader_unregister();
    return 0;
}
