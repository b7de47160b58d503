/* What is looked at without being told: the rollups for calls without a price, the ledger's
 * counters for a state that lasts, and the outbox's age. */
#include "base/clock.h"
#include "base/note.h"
#include "control/alerts_parts.h"
#include "store/outbox.h"
#include "store/usage.h"

/* A call counts where it began, and is counted when it ends: most are in the last hour, the longest
 * ones within a day. So the last hour is looked at often and two days now and then. */
#define USAGE_TURN       (10 * NANOSECONDS_PER_SECOND)
#define USAGE_WHOLE_TURN (3600 * NANOSECONDS_PER_SECOND)
#define USAGE_RECENT     (4 * ROLLUP_QUARTER)

#define LEDGER_TURN NANOSECONDS_PER_SECOND

/* What was told is remembered that long, so that it is not told again: longer than any period of a
 * budget but a lifetime, whose alerts are never forgotten. */
#define MEMORY_TURN (3600 * NANOSECONDS_PER_SECOND)
#define MEMORY      (100ull * 24 * 3600 * NANOSECONDS_PER_SECOND)

/* ---- models without a price ---- */

static void raise_unpriced(struct alerts *alerts, struct text provider, struct text model,
                           const char *day, int64_t calls)
{
    char subject[ALERT_SUBJECT_MAX], message[1024], count[24];
    struct text name = text_empty(model) ? TEXT("(none)") : model;

    (void)snprintf(subject, sizeof(subject), "%s %.*s %.*s", day, TEXT_ARG(provider),
                   TEXT_ARG(name));
    (void)snprintf(count, sizeof(count), "%lld", (long long)calls);
    (void)snprintf(message, sizeof(message),
                   "model %.*s of provider %.*s has no price: what it cost on %s (calls so far: "
                   "%s) is in no sum and no budget; give it one in the configuration, pricing of "
                   "the provider",
                   TEXT_ARG(name), TEXT_ARG(provider), day, count);
    const struct alert_fact facts[] = {
        {"provider", provider, false},
        {"model", name, false},
        {"day", text_from(day), false},
        {"calls", text_from(count), true},
    };
    const struct alert alert = {
        .kind = ALERT_MODEL_UNPRICED,
        .subject = text_from(subject),
        .message = text_from(message),
        .facts = facts,
        .fact_count = ARRAY_LENGTH(facts),
    };
    alerts_raise(alerts, &alert);
}

struct usage_look {
    struct alerts *alerts;
    const uint64_t *edges;
};

static bool take_usage(void *context, const struct usage_row *row)
{
    const struct usage_look *look = context;
    char day[CLOCK_RFC3339_SIZE];

    if (row->sums->counters.unpriced <= 0)
        return true;
    clock_format_rfc3339(look->edges[row->interval], day);
    day[sizeof("2026-11-22") - 1] = 0;
    raise_unpriced(look->alerts, row->values[0], row->values[1], day, row->sums->counters.unpriced);
    return true;
}

/* `from` is the start of a quarter of an hour; midnight in between is an edge. */
static void look_at_usage(struct alerts *alerts, uint64_t from, uint64_t now)
{
    static const struct usage_group groups[] = {{.dimension = USAGE_BY_PROVIDER},
                                                {.dimension = USAGE_BY_TARGET_MODEL}};
    uint64_t midnight = now - now % ROLLUP_DAY;
    uint64_t end = now - now % ROLLUP_QUARTER + ROLLUP_QUARTER;
    uint64_t edges[] = {from, midnight, end};
    const struct usage_look look = {alerts, from < midnight ? edges : edges + 1};
    size_t count = 3;

    if (from >= midnight) {
        edges[1] = from;
        count = 2;
    }
    const struct usage_request request = {
        .edges = look.edges,
        .edge_count = count,
        .groups = groups,
        .group_count = ARRAY_LENGTH(groups),
    };
    if (usage_query(alerts->store, &request, take_usage, (void *)&look) != ERROR_OK)
        note_debug("alerts", "the usage cannot be read: %s", store_problem(alerts->store));
}

static void watch_usage(struct alerts *alerts, uint64_t now)
{
    struct alert_watch *watch = &alerts->watch;
    struct ledger_counters counters = {0};
    uint64_t wall = clock_wall();

    if (now < watch->usage_at || !alert_outbox_open(alerts))
        return;
    watch->usage_at = now + USAGE_TURN;
    if (alerts->ledger)
        ledger_read_counters(alerts->ledger, &counters);
    bool whole = now >= watch->usage_whole_at;
    if (alerts->ledger && !whole && counters.records_imported == watch->imported)
        return;
    watch->imported = counters.records_imported;
    if (whole)
        watch->usage_whole_at = now + USAGE_WHOLE_TURN;
    look_at_usage(alerts,
                  whole ? wall - wall % ROLLUP_DAY - ROLLUP_DAY
                        : wall - wall % ROLLUP_QUARTER - USAGE_RECENT,
                  wall);
}

/* ---- the ledger ---- */

static bool is_full(const struct ledger_counters *counters)
{
    return !counters->accepting;
}

static bool is_failing(const struct ledger_counters *counters)
{
    return !counters->store_working;
}

static const struct {
    bool (*is)(const struct ledger_counters *counters);
    uint64_t patience;
    enum alert_kind begins, ends;
    const char *begin_message, *end_message;
} troubles[] = {
    {is_full, 5 * NANOSECONDS_PER_SECOND, ALERT_LEDGER_FULL, ALERT_LEDGER_READY,
     "calls are refused: there is no room to record them; look at the disk of the data directory "
     "and at the store",
     "calls are recorded and served again"},
    {is_failing, 60 * NANOSECONDS_PER_SECOND, ALERT_STORE_FAILING, ALERT_STORE_READY,
     "the store takes no records for a minute; calls go on until the journal is full",
     "the store takes records again"},
};
_Static_assert(ARRAY_LENGTH(troubles) == ALERT_TROUBLES, "one state each");

static void raise_trouble(struct alerts *alerts, enum alert_kind kind, const char *message,
                          uint64_t began, const struct ledger_counters *counters)
{
    char since[CLOCK_RFC3339_SIZE], waiting[24], refused[24];

    clock_format_rfc3339(began, since);
    (void)snprintf(waiting, sizeof(waiting), "%llu", (unsigned long long)counters->records_waiting);
    (void)snprintf(refused, sizeof(refused), "%llu", (unsigned long long)counters->calls_refused);
    const struct alert_fact facts[] = {
        {"since", text_from(since), false},
        {"waiting_records", text_from(waiting), true},
        {"refused_calls", text_from(refused), true},
    };
    const struct alert alert = {
        .kind = kind,
        .subject = text_from(since),
        .message = text_from(message),
        .facts = facts,
        .fact_count = ARRAY_LENGTH(facts),
    };
    alerts_raise(alerts, &alert);
}

void alert_watch_ledger(struct alerts *alerts, const struct ledger_counters *counters, uint64_t now)
{
    for (size_t i = 0; i < ALERT_TROUBLES; i++) {
        struct alert_trouble *trouble = &alerts->watch.troubles[i];
        if (!troubles[i].is(counters)) {
            if (trouble->told)
                raise_trouble(alerts, troubles[i].ends, troubles[i].end_message, trouble->began,
                              counters);
            *trouble = (struct alert_trouble){0};
            continue;
        }
        if (trouble->since == 0)
            *trouble = (struct alert_trouble){.since = now, .began = clock_wall()};
        if (trouble->told || now - trouble->since < troubles[i].patience)
            continue;
        trouble->told = true;
        raise_trouble(alerts, troubles[i].begins, troubles[i].begin_message, trouble->began,
                      counters);
    }
}

static void watch_ledger(struct alerts *alerts, uint64_t now)
{
    struct ledger_counters counters;

    if (!alerts->ledger || now < alerts->watch.ledger_at)
        return;
    alerts->watch.ledger_at = now + LEDGER_TURN;
    ledger_read_counters(alerts->ledger, &counters);
    alert_watch_ledger(alerts, &counters, now);
}

/* ---- the outbox ---- */

static void watch_outbox(struct alerts *alerts, uint64_t now)
{
    if (now < alerts->watch.forget_at || !alert_outbox_open(alerts))
        return;
    alerts->watch.forget_at = now + MEMORY_TURN;
    if (outbox_forget(alerts->store, clock_wall() - MEMORY, TEXT(ALERTS_LIFETIME_PREFIX)) !=
        ERROR_OK)
        note_debug("alerts", "old alerts stay: %s", store_problem(alerts->store));
}

void alert_watch_step(struct alerts *alerts)
{
    uint64_t now = clock_monotonic();

    watch_ledger(alerts, now);
    watch_usage(alerts, now);
    watch_outbox(alerts, now);
    alert_bounces_step(alerts);
    alert_guard_step(alerts);
}
