/* One dial: RESOLVING -> CONNECTING (one or more attempts at once) -> DONE (told or cancelled).
 *
 * Happy eyeballs (RFC 8305): the next address is tried when the last attempt has failed, or has not
 * succeeded within DIAL_STAGGER; the first that connects wins and the others are closed.
 *
 * Invariants: nothing is told from within dial_start (work begins at the end of the turn); after
 * DONE there is neither a query nor an attempt nor a timer; the memory goes at the end of a turn.
 */
#include "net/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/keepalive.h"

#define DIAL_HOST_LIMIT 255u /* of a name; a unix path is shorter */

struct dial_attempt {
    struct dial *dial;
    struct loop_watch *watch; /* NULL: not begun, or over */
    int descriptor;
    struct address address;
};

struct dial {
    struct loop *loop;
    struct resolver *resolver;
    struct resolver_query *query;
    dial_callback callback;
    void *owner;
    struct loop_deferred deferred;
    struct loop_timer total;
    struct loop_timer stagger;
    struct dial_attempt attempts[RESOLVER_ADDRESSES_MAXIMUM];
    size_t count; /* addresses known */
    size_t next;  /* the first not tried */
    size_t open;  /* attempts under way */
    enum error first_error;
    uint64_t resolved_at;
    bool done;
    uint16_t port;
    char host[DIAL_HOST_LIMIT + 1];
};

static void dial_free(void *owner)
{
    free(owner);
}

static void attempt_close(struct dial_attempt *attempt, bool keep_descriptor)
{
    if (!attempt->watch)
        return;
    loop_watch_close(attempt->watch);
    attempt->watch = NULL;
    attempt->dial->open--;
    if (!keep_descriptor)
        close(attempt->descriptor);
}

static void dial_end(struct dial *dial)
{
    dial->done = true;
    if (dial->query)
        resolver_cancel(dial->query);
    dial->query = NULL;
    for (size_t i = 0; i < dial->next; i++)
        attempt_close(&dial->attempts[i], false);
    loop_timer_clear(dial->loop, &dial->total);
    loop_timer_clear(dial->loop, &dial->stagger);
    loop_defer(dial->loop, &dial->deferred, dial_free, dial);
}

static void dial_tell(struct dial *dial, enum error error, int descriptor,
                      const struct address *peer)
{
    struct dial_result result = {
        .error = error,
        .descriptor = descriptor,
        .resolved_at = dial->resolved_at,
    };
    if (peer) {
        result.peer = *peer;
        result.connected_at = loop_now_exact(dial->loop);
    }
    dial_end(dial);
    dial->callback(dial->owner, &result);
}

static void dial_proceed(struct dial *dial);

static void attempt_failed(struct dial *dial, int number)
{
    if (dial->first_error == ERROR_OK)
        dial->first_error = error_from_errno(number);
}

static void attempt_ready(void *owner, unsigned events)
{
    struct dial_attempt *attempt = owner;
    struct dial *dial = attempt->dial;
    int number = 0;
    socklen_t length = sizeof(number);
    if (getsockopt(attempt->descriptor, SOL_SOCKET, SO_ERROR, &number, &length) != 0)
        number = errno;
    attempt_close(attempt, number == 0);
    if (number == 0) {
        dial_tell(dial, ERROR_OK, attempt->descriptor, &attempt->address);
        return;
    }
    attempt_failed(dial, number);
    dial_proceed(dial);
}

/* True when the dial is over: connected at once (unix sockets mostly). */
static bool attempt_begin(struct dial *dial, struct dial_attempt *attempt)
{
    const struct address *address = &attempt->address;
    attempt->dial = dial;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        attempt_failed(dial, errno);
        return false;
    }
    attempt->descriptor = descriptor;
    if (address->any.sa_family != AF_UNIX)
        keepalive_set(descriptor);
    if (connect(descriptor, &address->any, address->length) == 0) {
        dial_tell(dial, ERROR_OK, descriptor, address);
        return true;
    }
    if (errno != EINPROGRESS) {
        attempt_failed(dial, errno);
        close(descriptor);
        return false;
    }
    enum error error =
        loop_watch_open(dial->loop, descriptor, attempt_ready, attempt, &attempt->watch);
    if (error != ERROR_OK) {
        dial->first_error = dial->first_error ? dial->first_error : error;
        close(descriptor);
        return false;
    }
    dial->open++;
    loop_watch_set(attempt->watch, LOOP_WRITABLE);
    return false;
}

/* Begins the next attempt that can be begun; ends the dial when none is left. */
static void dial_proceed(struct dial *dial)
{
    while (dial->next < dial->count) {
        size_t open = dial->open;
        if (attempt_begin(dial, &dial->attempts[dial->next++]))
            return;
        if (dial->open > open) {
            if (dial->next < dial->count)
                loop_timer_set(dial->loop, &dial->stagger,
                               DIAL_STAGGER_MILLISECONDS * NANOSECONDS_PER_MILLISECOND);
            return;
        }
    }
    if (dial->open == 0)
        dial_tell(dial, dial->first_error, -1, NULL);
}

static void dial_stagger_passed(void *owner)
{
    dial_proceed(owner);
}

static void dial_time_passed(void *owner)
{
    struct dial *dial = owner;
    dial_tell(dial, dial->resolved_at ? ERROR_TIMEOUT_CONNECT : ERROR_TIMEOUT_NAME, -1, NULL);
}

static void dial_use(struct dial *dial, const struct address *addresses, size_t count)
{
    dial->resolved_at = loop_now_exact(dial->loop);
    for (size_t i = 0; i < count && i < RESOLVER_ADDRESSES_MAXIMUM; i++) {
        struct address *address = &dial->attempts[i].address;
        *address = addresses[i];
        if (address->any.sa_family == AF_INET)
            address->v4.sin_port = htons(dial->port);
        else if (address->any.sa_family == AF_INET6)
            address->v6.sin6_port = htons(dial->port);
        dial->count = i + 1;
    }
    dial_proceed(dial);
}

static void dial_resolved(void *owner, const struct resolver_answer *answer)
{
    struct dial *dial = owner;
    dial->query = NULL;
    if (answer->error != ERROR_OK)
        dial_tell(dial, answer->error, -1, NULL);
    else
        dial_use(dial, answer->addresses, answer->count);
}

static void dial_begin(void *owner)
{
    struct dial *dial = owner;
    if (dial->done) {
        dial_free(dial); /* cancelled within the turn in which it was started */
        return;
    }
    struct text host = text_from(dial->host);
    struct address address;
    if (text_starts_with(host, TEXT("unix:"))) {
        if (address_parse(host, &address) == ERROR_OK)
            dial_use(dial, &address, 1);
        else
            dial_tell(dial, ERROR_SYNTAX, -1, NULL);
        return;
    }
    struct resolver_query *query = NULL;
    resolver_ask(dial->resolver, host, dial_resolved, dial, &query);
    if (!dial->done && dial->resolved_at == 0)
        dial->query = query;
}

struct dial *dial_start(struct loop *loop, struct resolver *resolver,
                        const struct dial_target *target, uint64_t timeout_nanoseconds,
                        dial_callback callback, void *owner)
{
    struct dial *dial = calloc(1, sizeof(*dial));
    if (!dial)
        return NULL;
    dial->loop = loop;
    dial->resolver = resolver;
    dial->callback = callback;
    dial->owner = owner;
    dial->port = target->port;
    /* A name too long for DNS is not cut into another name: the empty one does not exist. */
    if (!text_copy_to(target->host, dial->host, sizeof(dial->host)))
        dial->host[0] = '\0';
    loop_timer_open(&dial->total, dial_time_passed, dial);
    loop_timer_open(&dial->stagger, dial_stagger_passed, dial);
    loop_timer_set(loop, &dial->total, timeout_nanoseconds);
    loop_defer(loop, &dial->deferred, dial_begin, dial);
    return dial;
}

void dial_cancel(struct dial *dial)
{
    if (dial && !dial->done)
        dial_end(dial);
}
