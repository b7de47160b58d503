/* failure: see failure.h. */
#include "exchange/failure.h"

#include "base/clock.h"
#include "route/choose.h"

/* Nobody asks for longer without meaning "not today", and a figure that is wrong must not take a
 * target away for a day. */
#define REST_LONGEST (15 * 60 * NANOSECONDS_PER_SECOND)
/* A provider that says 429 and not for how long is left alone for that. */
#define REST_UNSAID NANOSECONDS_PER_SECOND

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

struct failure failure_find(const struct attempt *attempt)
{
    if (attempt->credential_failed) /* one of several: the target is as good as before */
        return (struct failure){.failed = true, .credential = true};
    if (attempt->credential_refused)
        return of_outcome(PROVIDER_FAILURE_CREDENTIAL);
    if (attempt->error != ERROR_OK && attempt->error != ERROR_HTTP_TRUNCATED)
        return of_error(attempt->error);
    const struct answer_facts *facts = provider_answer_facts(attempt->answer);
    enum provider_failure found = provider_answer_outcome(attempt->answer)->failure;
    if (found == PROVIDER_FAILURE_NONE && (facts->is_error || facts->broken))
        found = PROVIDER_FAILURE_SERVER;
    if (found == PROVIDER_FAILURE_NONE && attempt->error != ERROR_OK)
        return of_error(attempt->error);
    if (found == PROVIDER_FAILURE_NONE && attempt->filtered)
        found = PROVIDER_FAILURE_CONTENT_FILTER;
    return of_outcome(found);
}

struct text failure_name(const struct failure *failure)
{
    if (failure->credential)
        return TEXT("credential");
    return failure->classed ? text_from(route_failure_name(failure->class)) : TEXT("other");
}

uint64_t failure_rest(const struct attempt *attempt)
{
    uint64_t rest = provider_answer_outcome(attempt->answer)->retry_after;

    if (rest == 0)
        return REST_UNSAID;
    return rest < REST_LONGEST ? rest : REST_LONGEST;
}
