/* credential_pool: the credentials of one provider, and which of them a call gets.
 *
 * A member is one credential: an API key that never changes, or an identity whose token a thread
 * beside the road fetches and replaces (control/credential_refresher.h). It lives as long as
 * anybody holds it, across reloads; a pool belongs to one configuration. Both are shared by all
 * workers: what changes is atomic. A worker reads a token in memory, within one turn of its loop
 * (identity/reader.h), and gives nothing back but a report.
 *
 *     credential_pool_choose(pool, …, &lease, &credential)    a call is to be made
 *     credential_pool_report(&lease, &report, now)            it has ended: exactly once
 *
 * A credential that the provider refused (401) or limited (429) rests: others are used, and it only
 * when all rest. A limit of its own is never passed. */
#ifndef PROVIDER_CREDENTIAL_POOL_H
#define PROVIDER_CREDENTIAL_POOL_H

#include "provider/provider.h"

struct pool_member;
struct credential_pool;

/* Members of one pool. */
#define CREDENTIAL_POOL_MAX 64u
/* Credentials that one call tries of one pool: more that fail in a row are no accident. */
#define CREDENTIAL_TRIES_MAX 3u
/* After a 429 that does not say for how long, and at most after one that does. */
#define CREDENTIAL_REST_DEFAULT (10ull * 1000000000ull)
#define CREDENTIAL_REST_MAX     (3600ull * 1000000000ull)
/* After a 401: a key that is wrong stays wrong until somebody acts; and a token is not fetched anew
 * more often than this for a provider that refuses it. */
#define CREDENTIAL_REFUSED_REST (60ull * 1000000000ull)
#define CREDENTIAL_PROBLEM_SIZE 512u

/* What a member holds at one time. Never changed once published. */
struct pool_token {
    struct provider_credential credential; /* its secrets are the token's own */
    uint64_t expires;                      /* wall nanoseconds until which it is used; 0: always */
    uint64_t serial;                       /* set when it is published */
};

/* Wipes and frees the secrets too; NULL is fine. */
void pool_token_free(struct pool_token *token);

struct pool_member_settings {
    struct text provider, name;
    bool renewed; /* somebody fetches its tokens; else it is published once */
    /* A token is wanted earlier than planned. Any thread, must not wait. NULL unless renewed. */
    void (*want)(void *owner);
    void *owner;
};

/* Held once by the caller. NULL: memory is short. */
must_check struct pool_member *pool_member_create(const struct pool_member_settings *settings);
struct pool_member *pool_member_hold(struct pool_member *member);
void pool_member_release(struct pool_member *member); /* NULL is fine */

/* Replaces the token; returns the one before, to be freed when no worker holds it any more
 * (reader_wait_for_all). One thread at a time for a member. */
must_check struct pool_token *pool_member_publish(struct pool_member *member,
                                                  struct pool_token *token, uint64_t wall);
/* A token could not be fetched, for a reason that holds no secret. The token there is stays. */
void pool_member_fail(struct pool_member *member, struct text problem, uint64_t wall);
/* Whether a worker asked for an early refresh since the last time. */
bool pool_member_take_want(struct pool_member *member);

/* For metrics and people. Any thread; times are wall nanoseconds, 0: never. */
struct pool_member_state {
    struct text provider, name; /* valid while the member is held */
    bool renewed, has_token;
    uint64_t expires, refreshed_at, failed_at;
    uint64_t refreshes, failures, in_flight;
    uint64_t rests_until;                  /* monotonic */
    char problem[CREDENTIAL_PROBLEM_SIZE]; /* of the last failure, when it is later than the last
                                              refresh; else empty */
};
void pool_member_read_state(struct pool_member *member, struct pool_member_state *state);

struct pool_row {
    struct pool_member *member;
    uint64_t weight;                                                   /* at least 1 */
    uint64_t requests_per_minute, tokens_per_minute, concurrent_calls; /* 0: no limit */
};

/* Holds the members. `count` from 1 to CREDENTIAL_POOL_MAX. NULL: memory is short. */
must_check struct credential_pool *credential_pool_create(const struct pool_row *rows,
                                                          size_t count);
struct credential_pool *credential_pool_hold(struct credential_pool *pool); /* NULL is fine */
void credential_pool_release(struct credential_pool *pool);                 /* NULL is fine */

enum pool_choice {
    POOL_CHOSEN,
    POOL_PENDING,   /* no token yet: one is being fetched */
    POOL_FAILED,    /* no token: the last fetch failed (credential_pool_describe) */
    POOL_LIMITED,   /* every one is at a limit of its own; `wait` says for how long at least */
    POOL_EXHAUSTED, /* every one that could be used was tried by this call */
};

/* What a call has of a pool until it reports. */
struct pool_lease {
    const struct pool_row *row; /* NULL: none */
    size_t index;
    uint64_t serial;
};

/* What a call was refused with. A token that has come since then was not tried. */
struct pool_tried {
    size_t count;
    struct {
        size_t index;
        uint64_t serial;
    } tokens[CREDENTIAL_TRIES_MAX];
};

/* What the lease was of; it may have ended. No effect when CREDENTIAL_TRIES_MAX are noted. */
void pool_tried_add(struct pool_tried *tried, const struct pool_lease *lease);

/* `wall` and `now`: nanoseconds, wall clock and monotonic. `credential` is valid until the end of
 * the loop's turn. */
must_handle enum pool_choice credential_pool_choose(struct credential_pool *pool, uint64_t wall,
                                                    uint64_t now, const struct pool_tried *tried,
                                                    struct pool_lease *lease,
                                                    const struct provider_credential **credential,
                                                    uint64_t *wait);

/* Whether a call that tried those would be given another one, now or after a wait for a token. */
bool credential_pool_offers(const struct credential_pool *pool, uint64_t wall, uint64_t now,
                            const struct pool_tried *tried);

struct pool_report {
    enum provider_failure failure;
    uint64_t retry_after; /* nanoseconds; 0: not said */
    uint64_t tokens;      /* in and out; 0: not known */
};
/* Ends the lease. */
void credential_pool_report(struct pool_lease *lease, const struct pool_report *report,
                            uint64_t now);

/* "credential NAME of provider PROVIDER: problem" of the first that has one. */
void credential_pool_describe(const struct credential_pool *pool, struct buffer *out);

#endif
