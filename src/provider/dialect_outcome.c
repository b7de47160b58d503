/* dialect_outcome: what the head of an answer says of how it went. Header fields: RFC 9110 section
 * 10.2.3 (Retry-After, here in seconds, as the providers send it) and OpenAI's SDKs, which also
 * read retry-after-ms. */
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

struct provider_outcome dialect_outcome(const struct http1_head *head)
{
    struct provider_outcome outcome = {.failure = dialect_failure_of(head->status)};
    if (outcome.failure != PROVIDER_FAILURE_NONE)
        outcome.retry_after = retry_after(head);
    return outcome;
}
