/* failure: see failure.h. */
#include "exchange/failure.h"

#include "base/clock.h"
#include "base/number.h"
#include "route/choose.h"

/* Nobody asks for longer without meaning "not today", and a figure that is wrong must not take a
 * target away for a day. */
#define REST_LONGEST (15 * 60 * NANOSECONDS_PER_SECOND)
/* x-ratelimit-reset-* say when all of a limit is back, which is later than when some is. */
#define RESET_LONGEST (60 * NANOSECONDS_PER_SECOND)

/* ---- errors of the network ---- */

static const struct {
    enum error error;
    enum route_failure class;
} error_rows[] = {
    {ERROR_TIMEOUT_FIRST_BYTE, ROUTE_FAILED_TIMEOUT},
    {ERROR_TIMEOUT_IDLE, ROUTE_FAILED_TIMEOUT},
    {ERROR_TIMEOUT_TOTAL, ROUTE_FAILED_TIMEOUT},
    {ERROR_TIMEOUT_WRITE, ROUTE_FAILED_TIMEOUT},
};

/* Limits of the gateway's own: the target has done nothing, and another would be no better off. */
static bool is_own(enum error error)
{
    return error == ERROR_MEMORY || error == ERROR_CANCELLED || error == ERROR_TOO_MANY_FILES;
}

static struct failure of_class(enum route_failure class, bool blames)
{
    return (struct failure){.failed = true, .classed = true, .class = class, .blames = blames};
}

static struct failure of_error(enum error error)
{
    if (is_own(error))
        return (struct failure){.failed = true};
    for (size_t i = 0; i < ARRAY_LENGTH(error_rows); i++)
        if (error_rows[i].error == error)
            return of_class(error_rows[i].class, true);
    return of_class(ROUTE_FAILED_CONNECT, error != ERROR_LIMIT);
}

/* ---- what a provider's family found ---- */

static struct failure of_outcome(enum provider_failure found)
{
    switch (found) {
    case PROVIDER_FAILURE_CONTEXT_LENGTH: return of_class(ROUTE_FAILED_CONTEXT_LENGTH, false);
    case PROVIDER_FAILURE_CONTENT_FILTER: return of_class(ROUTE_FAILED_CONTENT_FILTER, false);
    case PROVIDER_FAILURE_QUOTA:
    case PROVIDER_FAILURE_RATE_LIMITED: return of_class(ROUTE_FAILED_RATE_LIMITED, false);
    case PROVIDER_FAILURE_TIMEOUT: return of_class(ROUTE_FAILED_TIMEOUT, true);
    case PROVIDER_FAILURE_SERVER: return of_class(ROUTE_FAILED_SERVER_ERROR, true);
    case PROVIDER_FAILURE_CREDENTIAL:
        return (struct failure){.failed = true, .credential = true, .blames = true};
    case PROVIDER_FAILURE_NONE:
    case PROVIDER_FAILURE_REQUEST:
    case PROVIDER_FAILURE_MODEL: break;
    }
    return (struct failure){.failed = found != PROVIDER_FAILURE_NONE};
}

/* ---- OpenAI's dialect: the words of its error ---- */

/* Codes of error bodies: OpenAI, Azure, vLLM and others that copy them. */
static const struct {
    struct text word;
    enum provider_failure means;
} error_words[] = {
    {TEXT_INIT("context_length_exceeded"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("maximum context length"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("string_above_max_length"), PROVIDER_FAILURE_CONTEXT_LENGTH},
    {TEXT_INIT("content_filter"), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("content_policy_violation"), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("ResponsibleAIPolicyViolation"), PROVIDER_FAILURE_CONTENT_FILTER},
    {TEXT_INIT("rate_limit"), PROVIDER_FAILURE_RATE_LIMITED},
    {TEXT_INIT("insufficient_quota"), PROVIDER_FAILURE_QUOTA},
    {TEXT_INIT("invalid_request_error"), PROVIDER_FAILURE_REQUEST},
};

static enum provider_failure read_words(struct text error, enum provider_failure otherwise)
{
    for (size_t i = 0; i < ARRAY_LENGTH(error_words); i++)
        if (text_find(error, error_words[i].word) >= 0)
            return error_words[i].means;
    return otherwise;
}

/* What the head alone does not say: why a request was refused, or an error in the place of an
 * answer, such as the event of a stream. */
static enum provider_failure of_words(const struct attempt *attempt, enum provider_failure known)
{
    const struct answer_facts *facts = provider_answer_facts(attempt->answer);
    enum provider_failure found = read_words(facts->error_raw, PROVIDER_FAILURE_SERVER);

    if (known == PROVIDER_FAILURE_REQUEST)
        return found == PROVIDER_FAILURE_CONTEXT_LENGTH || found == PROVIDER_FAILURE_CONTENT_FILTER
                   ? found
                   : known;
    if (facts->is_error)
        return found;
    return facts->broken ? PROVIDER_FAILURE_SERVER : PROVIDER_FAILURE_NONE;
}

struct failure failure_find(const struct attempt *attempt)
{
    if (attempt->credential_failed) /* one of several: the target is as good as before */
        return (struct failure){.failed = true, .credential = true};
    if (attempt->credential_refused)
        return of_outcome(PROVIDER_FAILURE_CREDENTIAL);
    if (attempt->error != ERROR_OK && attempt->error != ERROR_HTTP_TRUNCATED)
        return of_error(attempt->error);
    enum provider_failure found = provider_answer_outcome(attempt->answer)->failure;
    if ((found == PROVIDER_FAILURE_NONE || found == PROVIDER_FAILURE_REQUEST) &&
        attempt->status > 0)
        found = of_words(attempt, found);
    if (found == PROVIDER_FAILURE_NONE && attempt->error != ERROR_OK)
        return of_error(attempt->error);
    return of_outcome(found);
}

struct text failure_name(const struct failure *failure)
{
    if (failure->credential)
        return TEXT("credential");
    return failure->classed ? text_from(route_failure_name(failure->class)) : TEXT("other");
}

/* ---- when to come back ---- */

/* "20", "1.5" in units of `unit`; fractions to a millionth. */
static bool read_decimal(struct text t, uint64_t unit, uint64_t *out)
{
    ptrdiff_t dot = text_find_char(t, '.');
    uint64_t whole = 0, fraction = 0, scale = 1;
    struct text decimals = dot < 0 ? text_of(NULL, 0) : text_from_index(t, (size_t)dot + 1);

    if (!number_parse_unsigned(dot < 0 ? t : text_first(t, (size_t)dot), &whole) ||
        whole > REST_LONGEST)
        return false;
    decimals = text_first(decimals, 6);
    if (decimals.length > 0 && !number_parse_unsigned(decimals, &fraction))
        return false;
    for (size_t i = 0; i < decimals.length; i++)
        scale *= 10;
    if (whole > REST_LONGEST / unit)
        *out = REST_LONGEST;
    else
        *out = whole * unit + fraction * unit / scale;
    return true;
}

/* "6m0s", "1h2m3.5s", "20ms". */
static bool read_span(struct text t, uint64_t *out)
{
    static const struct {
        struct text name;
        uint64_t unit;
    } units[] = {
        {TEXT_INIT("ms"), NANOSECONDS_PER_MILLISECOND},
        {TEXT_INIT("h"), 3600 * NANOSECONDS_PER_SECOND},
        {TEXT_INIT("m"), 60 * NANOSECONDS_PER_SECOND},
        {TEXT_INIT("s"), NANOSECONDS_PER_SECOND},
    };
    uint64_t sum = 0;

    while (t.length > 0) {
        size_t digits = 0, i = 0;
        uint64_t part;
        while (digits < t.length &&
               ((t.data[digits] >= '0' && t.data[digits] <= '9') || t.data[digits] == '.'))
            digits++;
        struct text rest = text_from_index(t, digits);
        while (i < ARRAY_LENGTH(units) && !text_starts_with(rest, units[i].name))
            i++;
        if (i == ARRAY_LENGTH(units) || !read_decimal(text_first(t, digits), units[i].unit, &part))
            return false;
        sum += part;
        t = text_from_index(rest, units[i].name.length);
    }
    *out = sum;
    return true;
}

static uint64_t read_reset(const struct http1_head *head, enum header_id remaining,
                           enum header_id reset)
{
    uint64_t span = 0;

    if (!text_equal(text_trim(http1_head_value(head, remaining)), TEXT("0")) ||
        !read_span(text_trim(http1_head_value(head, reset)), &span))
        return 0;
    return span < RESET_LONGEST ? span : RESET_LONGEST;
}

uint64_t failure_read_rest(const struct provider_outcome *outcome, const struct http1_head *head)
{
    if (outcome->retry_after > 0)
        return outcome->retry_after < REST_LONGEST ? outcome->retry_after : REST_LONGEST;
    uint64_t requests =
        read_reset(head, HEADER_X_RATELIMIT_REMAINING_REQUESTS, HEADER_X_RATELIMIT_RESET_REQUESTS);
    uint64_t tokens =
        read_reset(head, HEADER_X_RATELIMIT_REMAINING_TOKENS, HEADER_X_RATELIMIT_RESET_TOKENS);
    return requests > tokens ? requests : tokens;
}
