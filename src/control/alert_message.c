#include "base/clock.h"
#include "codec/json.h"
#include "control/alerts_parts.h"

static const char *const types[] = {
#define ALERT(name, type, level, when) type,
#include "tables/alerts.def"
#undef ALERT
};

const char *alert_type(enum alert_kind kind)
{
    return types[kind];
}

static void write_facts(struct json_writer *writer, const struct alert *alert)
{
    json_begin_object(writer);
    for (size_t i = 0; i < alert->fact_count; i++) {
        const struct alert_fact *fact = &alert->facts[i];
        if (fact->raw) {
            json_key(writer, text_from(fact->name));
            json_raw(writer, fact->value);
        } else {
            json_member_text(writer, fact->name, fact->value);
        }
    }
    json_end_object(writer);
}

bool alert_write_body(const struct alert *alert, uint64_t raised_at, struct buffer *body)
{
    char moment[CLOCK_RFC3339_SIZE];
    struct json_writer writer;
    size_t length = clock_format_rfc3339(raised_at, moment);

    json_open(&writer, body);
    json_begin_object(&writer);
    json_member_text(&writer, "type", text_from(alert_type(alert->kind)));
    json_member_text(&writer, "timestamp", text_of(moment, length));
    json_member_text(&writer, "text", alert->message);
    json_key(&writer, TEXT("data"));
    write_facts(&writer, alert);
    json_end_object(&writer);
    return json_done(&writer);
}

/* ---- budgets ---- */

#define DAY (24ull * 3600 * NANOSECONDS_PER_SECOND)

void alert_budget_subject(const struct policy_budget_state *state, uint16_t percent, uint64_t wall,
                          char out[ALERT_SUBJECT_MAX])
{
    const struct policy_budget *budget = state->budget;
    char moment[CLOCK_RFC3339_SIZE], cap[MONEY_TEXT_SIZE];
    uint64_t start = state->start;

    if (budget->period == PERIOD_ROLLING) {
        uint64_t step = budget->rolling > 0 && budget->rolling < DAY ? budget->rolling : DAY;
        start = wall - wall % step;
    }
    clock_format_rfc3339(start, moment);
    money_format_exact(state->cap, cap);
    (void)snprintf(out, ALERT_SUBJECT_MAX, "%.*s %s %s %u", TEXT_ARG(budget->id),
                   budget->period == PERIOD_LIFETIME ? "lifetime" : moment, cap, percent);
}

/* "team alpha", "tag env=prod", "the organisation". */
static void write_subject(const struct policy_subject *subject, struct buffer *out)
{
    if (subject->scope == POLICY_ORGANISATION) {
        buffer_append(out, TEXT("the organisation"));
        return;
    }
    buffer_append_format(out, "%s %.*s%s%.*s", policy_scope_name(subject->scope),
                         TEXT_ARG(subject->name), text_empty(subject->value) ? "" : "=",
                         TEXT_ARG(subject->value));
}

/* Texts that the facts of one alert point to. */
struct budget_words {
    char spent[MONEY_TEXT_SIZE], cap[MONEY_TEXT_SIZE], left[MONEY_TEXT_SIZE];
    char start[CLOCK_RFC3339_SIZE], end[CLOCK_RFC3339_SIZE], percent[8];
    bool resets;
    struct buffer subject, message;
};

#define MESSAGE_MAX 2048u

static void find_words(const struct policy_budget_state *state, uint16_t percent,
                       struct budget_words *words)
{
    const struct policy_budget *budget = state->budget;
    char spent[MONEY_TEXT_SIZE], cap[MONEY_TEXT_SIZE];
    money left = state->cap > state->spent ? state->cap - state->spent : 0;

    money_format_exact(state->spent, words->spent);
    money_format_exact(state->cap, words->cap);
    money_format_exact(left, words->left);
    money_format_people(state->spent, spent);
    money_format_people(state->cap, cap);
    words->resets = state->end != POLICY_FOREVER && budget->period != PERIOD_ROLLING;
    clock_format_rfc3339(state->start, words->start);
    if (words->resets)
        clock_format_rfc3339(state->end, words->end);
    (void)snprintf(words->percent, sizeof(words->percent), "%u", percent);
    buffer_open(&words->subject, MESSAGE_MAX);
    buffer_open(&words->message, MESSAGE_MAX);
    write_subject(&budget->subject, &words->subject);
    buffer_append_format(&words->message, "budget %.*s of %.*s: %u%% of %s is reached, %s is spent",
                         TEXT_ARG(text_empty(budget->name) ? budget->id : budget->name),
                         TEXT_ARG(buffer_text(&words->subject)), percent, cap, spent);
    if (percent >= 100 && !budget->soft && budget->mode == POLICY_ENFORCE)
        buffer_append(&words->message, TEXT("; calls are refused"));
    if (words->resets)
        buffer_append_format(&words->message, "; the next %s begins at %s",
                             period_kind_name(budget->period), words->end);
}

static struct text flag(bool value)
{
    return value ? TEXT("true") : TEXT("false");
}

/* What the message and the row say of whose it is: "team": "alpha". */
static struct alert_fact subject_fact(const struct policy_subject *subject, struct buffer *tag)
{
    const char *name = policy_scope_name(subject->scope);

    if (subject->scope == POLICY_ORGANISATION)
        return (struct alert_fact){name, TEXT("true"), true};
    if (subject->scope != POLICY_TAG)
        return (struct alert_fact){name, subject->name, false};
    buffer_clear(tag);
    buffer_append_format(tag, "%.*s=%.*s", TEXT_ARG(subject->name), TEXT_ARG(subject->value));
    return (struct alert_fact){name, buffer_text(tag), false};
}

void alert_visit_budget(const struct policy_budget_state *state, uint16_t percent,
                        void (*visit)(void *context, struct alert *alert), void *context)
{
    const struct policy_budget *budget = state->budget;
    const struct text nothing = {0};
    struct budget_words words;
    struct alert alert = {
        .kind = percent >= 100 ? ALERT_BUDGET_EXHAUSTED : ALERT_BUDGET_THRESHOLD,
    };

    find_words(state, percent, &words);
    const struct alert_fact facts[] = {
        {"budget", budget->id, false},
        {"name", text_empty(budget->name) ? nothing : budget->name, false},
        subject_fact(&budget->subject, &words.subject),
        {"percent", text_from(words.percent), true},
        {"spent", text_from(words.spent), false},
        {"amount", text_from(words.cap), false},
        {"left", text_from(words.left), false},
        {"currency", TEXT("USD"), false},
        {"period", text_from(period_kind_name(budget->period)), false},
        {"period_start", state->start > 0 ? text_from(words.start) : nothing, false},
        {"resets_at", words.resets ? text_from(words.end) : nothing, false},
        {"soft", flag(budget->soft), true},
        {"mode", text_from(policy_mode_name(budget->mode)), false},
    };
    alert.message = buffer_text(&words.message);
    alert.facts = facts;
    alert.fact_count = ARRAY_LENGTH(facts);
    visit(context, &alert);
    buffer_close(&words.subject);
    buffer_close(&words.message);
}
