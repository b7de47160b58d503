/* gateway: the whole process as one object: ledger, keys, metrics, control thread, workers, and the
 * configuration in force.
 *
 * The main thread's own; it starts, reloads and ends everything. What runs on other threads never
 * waits for it. */
#ifndef APP_GATEWAY_H
#define APP_GATEWAY_H

#include "base/buffer.h"
#include "config/snapshot.h"
#include "net/loop.h"
#include "tables/error.h"

struct gateway;

#define GATEWAY_PROBLEM_SIZE 1024u

struct gateway_settings {
    struct loop *loop;     /* the main thread's */
    struct config *config; /* held by the gateway from here on */
    const char *data;      /* the data directory */
    bool access_log_brief; /* short lines for people instead of JSON */
    /* On the main thread, once: every call is answered, every record written, every thread ended.
     */
    void (*on_ended)(void *owner);
    /* On the main thread: other rules of listeners are only observed (control/taken_back.h) than in
     * the configuration in force. NULL: nobody takes rules back. */
    void (*on_taken_back)(void *owner);
    void *owner;
};

/* Accepts calls when it returns OK. On failure `problem` says what and what to do; nothing is left
 * running. */
must_handle enum error gateway_start(const struct gateway_settings *settings, struct gateway **out,
                                     char problem[GATEWAY_PROBLEM_SIZE]);
/* Puts another configuration into force, or leaves all as it is and says why. */
must_handle enum error gateway_reload(struct gateway *gateway, struct config *config,
                                      char problem[GATEWAY_PROBLEM_SIZE]);
/* A configuration was refused before it came here: for the metrics and for whoever gets alerts. */
void gateway_tell_refused_reload(struct gateway *gateway, struct text problem);
/* The one in force; valid until the next reload. */
struct config *gateway_config(const struct gateway *gateway);
/* "http://127.0.0.1:8080, https://[::1]:8443": where it listens. */
void gateway_describe_addresses(const struct gateway *gateway, struct buffer *out);
/* No new calls; those open finish within the configured time, then they are cut. on_ended follows.
 * Twice: the time is up now. */
void gateway_drain(struct gateway *gateway);
/* After on_ended. */
void gateway_free(struct gateway *gateway);

#endif
