/* rules: what a configuration says about where a model's calls go. Plain values, which a snapshot
 * holds (config/snapshot.h) and which never change; any thread.
 *
 * The words of strategy, needs and failures stand in the order of tables/config.def. Times are
 * nanoseconds, shares are parts of a million: 5% is 50000. */
#ifndef ROUTE_RULES_H
#define ROUTE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define ROUTE_WHOLE 1000000u /* 100% */

/* Targets that one model may have: what is decided for a call lies on the stack, and a list that
 * long is a fleet which a load balancer should stand for. */
#define ROUTE_TARGETS_MAXIMUM 64u

enum route_strategy {
    ROUTE_PRIORITY,      /* the order of the list */
    ROUTE_WEIGHTED,      /* at random, by weight */
    ROUTE_LEAST_LATENCY, /* the quicker of two that were drawn by weight */
    ROUTE_LEAST_LOADED,  /* the fewest calls in flight for its weight */
    ROUTE_CHEAPEST,      /* by the price list and the call's own size */
    ROUTE_AFFINITY,      /* the same beginning of a prompt goes to the same target */
    ROUTE_STRATEGY_COUNT
};

/* What a call may ask of a model beyond text. */
enum route_need {
    ROUTE_NEED_VISION,    /* pictures in the prompt */
    ROUTE_NEED_AUDIO,     /* sound in the prompt or asked for */
    ROUTE_NEED_FILES,     /* documents in the prompt */
    ROUTE_NEED_TOOLS,     /* functions or the provider's own tools */
    ROUTE_NEED_STRUCTURE, /* an answer by a JSON schema */
    ROUTE_NEED_REASONING, /* an effort or budget of reasoning is stated */
    ROUTE_NEED_LOGPROBS,  /* probabilities of tokens */
    ROUTE_NEED_CHOICES,   /* more than one choice */
    ROUTE_NEED_COUNT
};

/* Why an attempt was left, as `retry.on` names it; the rest is never tried again. */
enum route_failure {
    ROUTE_FAILED_CONNECT,        /* name, connection, TLS: nothing was asked yet, or broken off */
    ROUTE_FAILED_TIMEOUT,        /* too slow, or the provider said 408 */
    ROUTE_FAILED_RATE_LIMITED,   /* 429 */
    ROUTE_FAILED_SERVER_ERROR,   /* 5xx, 529 among them */
    ROUTE_FAILED_CONTEXT_LENGTH, /* the prompt is too long for that model */
    ROUTE_FAILED_CONTENT_FILTER, /* the provider's filter refused prompt or answer */
    ROUTE_FAILURE_COUNT
};

static inline unsigned route_bit(unsigned of)
{
    return 1u << of;
}

struct route_tag {
    struct text name, value;
};

/* Which calls a target takes: each part that says something must hold. */
struct route_condition {
    const struct route_tag *tags; /* all of them */
    size_t tag_count;
    const struct text *teams; /* one of them; none: any */
    size_t team_count;
    uint64_t tokens_minimum, tokens_maximum; /* of the prompt, as estimated; both inclusive */
    unsigned needs;                          /* bits of enum route_need: all of them */
};

struct route_target_rules {
    uint64_t weight;
    unsigned priority; /* lower ones first; the strategy chooses among equals */
    uint32_t canary;   /* share of the calls that go here first; 0: it is no canary */
    uint32_t mirror;   /* share of the calls that are copied here; 0: it is no mirror */
    struct route_condition when;
    unsigned lacks; /* bits of enum route_need: calls with any of them do not go here */
};

struct route_retry {
    uint64_t attempts; /* at most, the first one too; 0: as many as there are targets */
    unsigned on;       /* bits of enum route_failure */
    uint32_t budget;   /* repeated calls as a share of all; ROUTE_WHOLE: no limit */
};

/* A hedge after the 95th percentile of what the target needs. */
#define ROUTE_LEARNED (UINT64_MAX - 1)

struct route_hedge {
    uint64_t after;    /* 0: none; ROUTE_LEARNED */
    uint64_t at_least; /* of a learned delay */
};

struct route_breaker {
    uint64_t failures;      /* one after another that open it; 0: they do not */
    uint32_t ratio;         /* of failures in the window that opens it; 0: it does not */
    uint64_t minimum_calls; /* in the window, before the ratio counts */
    uint64_t window;
    uint64_t open_for;
};

static inline bool route_breaker_is_used(const struct route_breaker *breaker)
{
    return breaker->failures > 0 || breaker->ratio > 0;
}

/* 0: as the provider has it. */
struct route_timeouts {
    uint64_t connect, first_token, between_tokens, total;
};

struct route_model_rules {
    enum route_strategy strategy;
    struct route_timeouts timeouts;
    struct route_retry retry;
    struct route_hedge hedge;
    struct route_breaker breaker;
    bool plain; /* nothing of all this was written: the targets are tried in their order */
};

/* Calls that ask whether a provider is well. */
struct route_health {
    struct text path; /* below its base_url, asked for by GET; empty: none are made */
    uint64_t interval, timeout;
    uint64_t failures; /* one after another until it counts as down */
};

#endif
