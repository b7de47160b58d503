/* Budgets that end, and calls that have no price. */
#include "admin/attention.h"
#include "admin/budget_use.h"
#include "base/clock.h"
#include "store/usage.h"

#define NEAR_END       80 /* per cent */
#define UNPRICED_SINCE (7 * ROLLUP_DAY)

struct budgets {
    struct attention *attention;
    struct stored_budget *rows;
    size_t count, room;
};

static struct text keep(struct budgets *budgets, struct text text)
{
    struct text copy = arena_copy(&budgets->attention->call->arena, text);

    if (!copy.data && text.length > 0)
        budgets->attention->no_memory = true;
    return copy;
}

static void take_budget(void *context, const struct stored_budget *row)
{
    struct budgets *budgets = context;

    if (budgets->count == budgets->room) {
        size_t room = budgets->room ? 2 * budgets->room : 64;
        struct stored_budget *rows = realloc(budgets->rows, room * sizeof(*rows));
        if (!rows) {
            budgets->attention->no_memory = true;
            return;
        }
        budgets->rows = rows;
        budgets->room = room;
    }
    struct stored_budget *budget = &budgets->rows[budgets->count++];
    *budget = *row;
    struct text *const texts[] = {&budget->id,          &budget->name,   &budget->scope_kind,
                                  &budget->scope_value, &budget->amount, &budget->period,
                                  &budget->timezone,    &budget->mode,   &budget->raise_amount};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        *texts[i] = keep(budgets, *texts[i]);
}

/* "$4.50 of $5.00 is spent (90 %)": for people; the exact amounts are the budget's. */
static struct text describe_spent(struct attention *attention, const struct budget_use *use)
{
    char spent[MONEY_TEXT_SIZE], cap[MONEY_TEXT_SIZE];
    size_t spent_length = money_format_people(use->spent > 0 ? use->spent : 0, spent);
    size_t cap_length = money_format_people(use->cap, cap);
    long long percent = use->cap > 0 ? (long long)(use->spent * 100 / use->cap) : 100;

    return attention_say(attention, "%.*s of %.*s is spent (%lld %%)", (int)spent_length, spent,
                         (int)cap_length, cap, percent);
}

static struct text describe_end(struct attention *attention, const struct budget_use *use)
{
    char moment[CLOCK_RFC3339_SIZE];

    if (use->used_up_at == 0 || use->left <= 0)
        return TEXT("");
    (void)clock_format_rfc3339(use->used_up_at, moment);
    return attention_say(attention, "; at this pace the rest lasts until %.10s %.5s UTC", moment,
                         moment + sizeof("2026-11-30T") - 1);
}

static void look_at_budget(struct attention *attention, const struct stored_budget *budget,
                           const struct budget_use *use)
{
    bool used_up = use->left <= 0;
    bool bites = budget->hard && text_equal(budget->mode, TEXT("enforce"));
    bool near = use->used_up_at != 0 || use->spent * 100 >= use->cap * NEAR_END;

    if (!use->known || (!used_up && !near))
        return;
    struct text team =
        text_equal(budget->scope_kind, TEXT("team")) ? budget->scope_value : TEXT("");
    struct text whose = text_empty(budget->scope_value)
                            ? budget->scope_kind
                            : attention_say(attention, "%.*s %.*s", TEXT_ARG(budget->scope_kind),
                                            TEXT_ARG(budget->scope_value));
    const struct attention_item item = {
        .kind = used_up && bites ? ATTENTION_BUDGET_USED_UP : ATTENTION_BUDGET_NEAR_END,
        .subject_kind = TEXT("budget"),
        .subject = budget->id,
        .team = team,
        .since = use->start,
        .text =
            attention_say(attention, "The %.*s budget of %.*s: %.*s%.*s.", TEXT_ARG(budget->period),
                          TEXT_ARG(whose), TEXT_ARG(describe_spent(attention, use)),
                          TEXT_ARG(describe_end(attention, use))),
        .advice = TEXT("Raise it for a while, or see who spends it."),
        .page = attention_say(attention, "/budgets/%.*s", TEXT_ARG(budget->id)),
        .command = attention_say(attention, "turnpike budget raise %.*s --amount USD --until WHEN",
                                 TEXT_ARG(budget->id)),
    };
    attention_add(attention, &item);
}

/* A team lead sees the team's, and those of its keys. */
static bool is_visible(const struct attention *attention, const struct stored_budget *budget)
{
    return text_empty(attention->team) || (text_equal(budget->scope_kind, TEXT("team")) &&
                                           text_equal(budget->scope_value, attention->team));
}

enum error attention_look_at_budgets(struct attention *attention)
{
    struct budgets budgets = {.attention = attention};
    struct store *store = attention->call->office->store;
    enum error error = budgets_list(store, take_budget, &budgets);
    struct budget_use *uses = error == ERROR_OK ? calloc(budgets.count + 1, sizeof(*uses)) : NULL;

    if (error == ERROR_OK && (!uses || attention->no_memory))
        error = ERROR_MEMORY;
    if (error == ERROR_OK)
        error = budget_use_find(store, NULL, budgets.rows, budgets.count, attention->now, uses);
    for (size_t i = 0; error == ERROR_OK && i < budgets.count; i++) {
        if (is_visible(attention, &budgets.rows[i]))
            look_at_budget(attention, &budgets.rows[i], &uses[i]);
    }
    free(uses);
    free(budgets.rows);
    return error;
}

/* ---- prices ---- */

static bool take_usage(void *context, const struct usage_row *row)
{
    struct attention *attention = context;
    struct text provider = row->values[0], model = row->values[1];
    int64_t calls = row->sums->counters.unpriced;

    if (calls <= 0)
        return true;
    const struct attention_item item = {
        .kind = ATTENTION_MODEL_UNPRICED,
        .subject_kind = TEXT("model"),
        .subject = arena_copy(&attention->call->arena, model),
        .team = attention->team,
        .text = attention_say(attention,
                              "%lld calls of the last 7 days for %.*s of provider %.*s have no "
                              "price: what they cost is in no sum and no budget.",
                              (long long)calls, TEXT_ARG(model), TEXT_ARG(provider)),
        .advice = TEXT("Give it a price under pricing of the provider, or a newer price list; "
                       "`turnpike ledger reprice` then corrects what was recorded."),
        .page = attention_say(attention, "/usage?by=target_model&provider=%.*s",
                              TEXT_ARG(attention_encode(attention, provider))),
        .command = TEXT("turnpike usage --by provider,target_model --since 7d"),
    };
    attention_add(attention, &item);
    return true;
}

enum error attention_look_at_prices(struct attention *attention)
{
    static const struct usage_group groups[] = {{.dimension = USAGE_BY_PROVIDER},
                                                {.dimension = USAGE_BY_TARGET_MODEL}};
    uint64_t end = attention->now - attention->now % ROLLUP_DAY + ROLLUP_DAY;
    const uint64_t edges[] = {end - UNPRICED_SINCE, end}; /* whole days: they are read at once */
    const struct usage_request request = {
        .edges = edges,
        .edge_count = ARRAY_LENGTH(edges),
        .groups = groups,
        .group_count = ARRAY_LENGTH(groups),
        .teams = {&attention->team, text_empty(attention->team) ? 0 : 1},
    };

    return usage_query(attention->call->office->store, &request, take_usage, attention);
}
