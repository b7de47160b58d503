/* webhook: messages POSTed to receivers, signed as Standard Webhooks 1.0.0 says.
 *
 * A sender has several requests under way at once, on the one thread that calls webhook_turn (the
 * thread of control/alerts.h, which may wait there); webhook_wake is for any thread. TLS is
 * verified, redirects are not followed, an answer's body is not kept. A proxy is taken from the
 * environment as for providers: https_proxy, http_proxy, no_proxy, in either case. What is said of
 * a failure names the receiver's host and nothing else of its URL. */
#ifndef CONTROL_WEBHOOK_H
#define CONTROL_WEBHOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

/* Requests under way: receivers that hang may not hold up the others. */
#define WEBHOOK_FLIGHTS_MAX 16u
/* Standard Webhooks asks for 15 to 30 seconds until an answer. */
#define WEBHOOK_TIMEOUT_SECONDS         15
#define WEBHOOK_CONNECT_TIMEOUT_SECONDS 10
/* Bytes that a receiver may answer, head and body; who sends more has its status counted and the
 * rest is not read. */
#define WEBHOOK_ANSWER_MAX 65536u
/* A Retry-After of more is taken as this. */
#define WEBHOOK_RETRY_AFTER_MAX (24ull * 3600 * NANOSECONDS_PER_SECOND)

#define WEBHOOK_ID_SIZE        37u /* "msg_" and 32 hexadecimal digits, with a NUL */
#define WEBHOOK_SIGNATURE_SIZE 48u /* "v1," and the base64 of 32 bytes, with a NUL */
#define WEBHOOK_HOST_SIZE      300u
#define WEBHOOK_PROBLEM_SIZE   640u

/* The id of a message for its receiver: the same for the same id and time of making. */
void webhook_make_id(struct text id, uint64_t created_at, char out[WEBHOOK_ID_SIZE]);

/* `secret`: "whsec_" and base64 of the key, or else the key itself. `timestamp`: seconds since
 * 1970. False when the secret begins with whsec_ and goes on with what is no base64, or is empty.
 */
must_check bool webhook_sign(struct text secret, struct text id, uint64_t timestamp,
                             struct text body, char out[WEBHOOK_SIGNATURE_SIZE]);

/* "https://hooks.example.com:8443": of a URL what may be shown; "(no URL)" when it is none. */
void webhook_show_host(struct text url, char out[WEBHOOK_HOST_SIZE]);

struct webhook_outcome {
    bool delivered;                     /* 2xx */
    bool gone;                          /* 410: it wants no more */
    bool whole_receiver;                /* the failure is the receiver's, not this message's */
    uint64_t retry_after;               /* nanoseconds that it asks to wait; 0: it does not say */
    char problem[WEBHOOK_PROBLEM_SIZE]; /* for a person; empty when delivered */
};

/* On the thread of webhook_turn, within it. */
typedef void (*webhook_done)(void *context, void *ticket, const struct webhook_outcome *outcome);

struct webhook_sender;

/* ERROR_MEMORY, ERROR_SYSTEM. */
must_handle enum error webhook_sender_create(webhook_done done, void *context,
                                             struct webhook_sender **out);
/* What is under way is broken off; `done` is not called. NULL is fine. */
void webhook_sender_destroy(struct webhook_sender *sender);

struct webhook_request {
    struct text url;
    struct text secret; /* empty: it is not signed */
    struct text id;     /* of webhook_make_id */
    struct text body;   /* JSON */
    uint64_t timestamp; /* seconds since 1970, of this attempt */
};

/* Begins; everything is copied. `ticket` comes back with `done`, which is not called when this
 * fails: ERROR_LIMIT when WEBHOOK_FLIGHTS_MAX are under way, ERROR_ARGUMENT when the URL or the
 * secret cannot be used (`problem` says what), ERROR_MEMORY. */
must_handle enum error webhook_send(struct webhook_sender *sender,
                                    const struct webhook_request *request, void *ticket,
                                    char problem[WEBHOOK_PROBLEM_SIZE]);
/* Carries on what is under way, and waits for something to happen, or for webhook_wake, at most
 * that long. */
void webhook_turn(struct webhook_sender *sender, unsigned milliseconds);
void webhook_wake(struct webhook_sender *sender); /* any thread */

#endif
