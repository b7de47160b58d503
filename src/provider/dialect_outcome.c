/* dialect_outcome: what the head of an answer, and the error in its body, say of how it went.
 * Header fields: RFC 9110 section 10.2.3 (Retry-After, here in seconds, as the providers send it)
 * and OpenAI's SDKs, which also read retry-after-ms. */
#include "base/clock.h"
#include "base/number.h"
#include "provider/dialect.h"

struct status_row {
    unsigned status;
    enum provider_failure failure;
};

static const struct status_row status_rows[] = {
    {401, PROVIDER_FAILURE_CREDENTIAL},   {402, PROVIDER_FAILURE_QUOTA},
    {404, PROVIDER_FAILURE_MODEL},        {408, PROVIDER_FAILURE_TIMEOUT},
    {429, PROVIDER_FAILURE_RATE_LIMITED}, {504, PROVIDER_FAILURE_TIMEOUT},
};

enum provider_failure dialect_failure_of(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(status_rows); i++)
        if (status_rows[i].status == status)
            return status_rows[i].failure;
    if (status >= 500)
        return PROVIDER_FAILURE_SERVER;
    return status >= 400 ? PROVIDER_FAILURE_REQUEST : PROVIDER_FAILURE_NONE;
}

/* "20", "1.5" of units of `unit` nanoseconds; 0 for anything else. */
static uint64_t read_span(struct text value, uint64_t unit)
{
    uint64_t whole;
    struct text digits = text_split(&value, '.');
    /* A year is longer than anybody waits, and keeps the product in 64 bits. */
    if (!number_parse_unsigned(digits, &whole) || whole > UINT64_C(366) * 86400 * 1000)
        return 0;
    uint64_t span = whole * unit;
    for (size_t i = 0; i < value.length && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        unit /= 10;
        span += (uint64_t)(value.data[i] - '0') * unit;
    }
    return span;
}

static uint64_t retry_after(const struct http1_head *head)
{
    uint64_t span = 0, seconds = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *header = &head->headers[i];
        if (text_equal_ignoring_case(header->name, TEXT("retry-after-ms")))
            span = read_span(header->value, NANOSECONDS_PER_MILLISECOND);
        else if (text_equal_ignoring_case(header->name, TEXT("retry-after")))
            seconds = read_span(header->value, NANOSECONDS_PER_SECOND);
    }
    return span > 0 ? span : seconds;
}

/* ---- spans of time in words ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "120ms", "6m0s", "1.5s", "20" (seconds), "20 seconds": from the first digit on; 0 when there is
 * none. */
static uint64_t read_go_span(struct text t)
{
    static const struct {
        struct text unit;
        uint64_t nanoseconds;
    } units[] = {
        {TEXT_INIT("ms"), NANOSECONDS_PER_MILLISECOND},
        {TEXT_INIT("s"), NANOSECONDS_PER_SECOND},
        {TEXT_INIT(" s"), NANOSECONDS_PER_SECOND}, /* " seconds" */
        {TEXT_INIT("m"), 60 * NANOSECONDS_PER_SECOND},
        {TEXT_INIT("h"), 3600 * NANOSECONDS_PER_SECOND},
    };
    uint64_t span = 0;
    while (!text_empty(t) && is_digit(t.data[0])) {
        size_t length = 0;
        while (length < t.length && (is_digit(t.data[length]) || t.data[length] == '.'))
            length++;
        struct text number = text_first(t, length);
        t = text_from_index(t, length);
        uint64_t unit = NANOSECONDS_PER_SECOND;
        for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
            if (!text_starts_with(t, units[i].unit))
                continue;
            unit = units[i].nanoseconds;
            t = text_from_index(t, units[i].unit.length);
            break;
        }
        span += read_span(number, unit);
    }
    return span;
}

/* OpenAI and others say when a limit that is used up is full again, which is later than when some
 * of it is. */
#define RESET_LONGEST (60 * NANOSECONDS_PER_SECOND)

static uint64_t reset_after(const struct http1_head *head)
{
    static const struct {
        enum header_id remaining, reset;
    } rows[] = {
        {HEADER_X_RATELIMIT_REMAINING_REQUESTS, HEADER_X_RATELIMIT_RESET_REQUESTS},
        {HEADER_X_RATELIMIT_REMAINING_TOKENS, HEADER_X_RATELIMIT_RESET_TOKENS},
    };
    uint64_t longest = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(http1_head_value(head, rows[i].remaining), TEXT("0")))
            continue;
        uint64_t span = read_go_span(http1_head_value(head, rows[i].reset));
        longest = span > longest ? span : longest;
    }
    return longest < RESET_LONGEST ? longest : RESET_LONGEST;
}

struct provider_outcome dialect_outcome(const struct http1_head *head)
{
    struct provider_outcome outcome = {.failure = dialect_failure_of(head->status)};
    if (outcome.failure != PROVIDER_FAILURE_NONE)
        outcome.retry_after = retry_after(head);
    if (outcome.failure == PROVIDER_FAILURE_RATE_LIMITED && outcome.retry_after == 0)
        outcome.retry_after = reset_after(head);
    return outcome;
}

/* ---- the body's error ---- */

/* By code, type or message, whichever has the words first in this order. OpenAI, Azure and those
 * that copy them. */
static const struct {
    struct text words;
    enum provider_failure failure;
} word_rows[] = {
    {TEXT_INIT("context_length_exceeded"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("exceed_context_size"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("maximum context length"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("string_above_max_length"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("ResponsibleAIPolicyViolation"), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("\"content_filter\""), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("content_policy_violation"), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("insufficient_quota"), PROVIDER_FAILURE_QUOTA},
    {TEXT_INIT("billing_hard_limit_reached"), PROVIDER_FAILURE_QUOTA},
    {TEXT_INIT("\"model_not_found\""), PROVIDER_FAILURE_MODEL},
    {TEXT_INIT("DeploymentNotFound"), PROVIDER_FAILURE_MODEL},
    {TEXT_INIT("rate_limit"), PROVIDER_FAILURE_RATE_LIMITED},
    {TEXT_INIT("RateLimitReached"), PROVIDER_FAILURE_RATE_LIMITED},
};

/* Words may not make a failure of the server's, such as an overload, one of the request, nor one
 * of the gateway's credential anything else. */
static bool may_refine(enum provider_failure failure)
{
    return failure == PROVIDER_FAILURE_NONE || failure == PROVIDER_FAILURE_REQUEST ||
           failure == PROVIDER_FAILURE_MODEL || failure == PROVIDER_FAILURE_RATE_LIMITED;
}

/* "Please retry after 20 seconds", "Please try again in 6m0s". */
static uint64_t retry_in_words(struct text error)
{
    static const struct text phrases[] = {TEXT_INIT("retry after "), TEXT_INIT("try again in ")};
    for (size_t i = 0; i < ARRAY_LENGTH(phrases); i++) {
        ptrdiff_t found = text_find(error, phrases[i]);
        if (found >= 0)
            return read_go_span(text_from_index(error, (size_t)found + phrases[i].length));
    }
    return 0;
}

void dialect_refine_outcome(struct provider_outcome *outcome, struct text error_raw)
{
    bool failed = outcome->failure != PROVIDER_FAILURE_NONE;
    if (text_empty(error_raw) || !may_refine(outcome->failure))
        return;
    if (!failed) /* with a good status */
        outcome->failure = PROVIDER_FAILURE_SERVER;
    for (size_t i = 0; i < ARRAY_LENGTH(word_rows); i++)
        if (text_find(error_raw, word_rows[i].words) >= 0) {
            outcome->failure = word_rows[i].failure;
            break;
        }
    /* With a status of failure that says it already, and 429 bears the type at times. */
    if (!failed && outcome->failure == PROVIDER_FAILURE_SERVER &&
        text_find(error_raw, TEXT("invalid_request_error")) >= 0)
        outcome->failure = PROVIDER_FAILURE_REQUEST;
    if (outcome->failure == PROVIDER_FAILURE_RATE_LIMITED && outcome->retry_after == 0)
        outcome->retry_after = retry_in_words(error_raw);
}
