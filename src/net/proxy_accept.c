/* proxy_accept: see proxy_accept.h.
 *
 * A guest: accepted -> header incomplete (its bytes are taken, all of them belong to it) ->
 * complete (what is left of it is taken) -> handed on. The bytes behind the header stay in the
 * kernel for whoever serves the connection; that is why they are looked at before they are taken.
 */
#include "net/proxy_accept.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"

#define NOTE_INTERVAL (60 * NANOSECONDS_PER_SECOND)

struct guest {
    struct proxy_accept *accept;
    struct guest *next, *previous;
    struct loop_watch *watch;
    struct loop_timer timer;
    struct loop_deferred release;
    struct address peer;
    int descriptor; /* -1: handed on or closed */
    size_t length;  /* of the header so far */
    char header[PROXY_HEADER_MAX];
};

struct proxy_accept {
    struct loop *loop;
    struct listener *listener;
    const struct proxy_accept_events *events;
    void *owner;
    struct guest *guests;
    size_t guest_count;
    uint64_t noted_at; /* loop_now; 0: never */
    struct proxy_accept_counters counters;
    struct loop_deferred release;
};

/* ---- a guest leaves ---- */

static void free_guest(void *owner)
{
    free(owner);
}

static int take_descriptor(struct guest *guest)
{
    struct proxy_accept *accept = guest->accept;
    int descriptor = guest->descriptor;

    guest->descriptor = -1;
    loop_watch_close(guest->watch);
    loop_timer_clear(accept->loop, &guest->timer);
    if (guest->previous)
        guest->previous->next = guest->next;
    else
        accept->guests = guest->next;
    if (guest->next)
        guest->next->previous = guest->previous;
    accept->guest_count--;
    loop_defer(accept->loop, &guest->release, free_guest, guest);
    return descriptor;
}

/* A balancer that is set up wrongly does it for each connection: said once a minute. */
static void note_refusal(struct guest *guest, const char *why)
{
    struct proxy_accept *accept = guest->accept;
    char peer[ADDRESS_TEXT_SIZE];
    uint64_t now = loop_now(accept->loop);

    if (accept->noted_at != 0 && now - accept->noted_at < NOTE_INTERVAL)
        return;
    accept->noted_at = now;
    address_format(&guest->peer, peer);
    note_warning("listener", "the balancer %s announced nobody by the PROXY protocol: %s", peer,
                 why);
}

static void refuse(struct guest *guest, bool missing, const char *why)
{
    const struct proxy_accept *accept = guest->accept;

    guest->accept->counters.refused++;
    note_refusal(guest, why);
    if (accept->events->on_refused)
        accept->events->on_refused(accept->owner, &guest->peer, missing);
    close(take_descriptor(guest));
}

/* ---- the header ---- */

/* What was looked at is taken; it was there a moment ago, so it comes at once. */
static bool take_bytes(struct guest *guest, size_t count)
{
    char sink[PROXY_HEADER_MAX];

    return recv(guest->descriptor, sink, count, 0) == (ssize_t)count;
}

static void hand_on(struct guest *guest, const struct proxy_header *header)
{
    struct proxy_accept *accept = guest->accept;
    struct address source = header->known ? header->source : guest->peer;

    accept->counters.announced += header->known;
    int descriptor = take_descriptor(guest);
    accept->events->on_connection(accept->owner, descriptor, &source);
}

static void look(struct guest *guest, size_t seen)
{
    struct proxy_header header;
    size_t length, before = guest->length;
    enum error error = proxy_header_read(text_of(guest->header, before + seen), &header, &length);

    if (error != ERROR_OK) {
        refuse(guest, error == ERROR_SYNTAX,
               error == ERROR_SYNTAX ? "its first bytes are something else" : error_meaning(error));
        return;
    }
    size_t used = length > 0 ? length - before : seen;
    if (!take_bytes(guest, used)) {
        refuse(guest, false, "the connection broke");
        return;
    }
    guest->length += used;
    if (length > 0)
        hand_on(guest, &header);
    else if (guest->length == sizeof(guest->header))
        refuse(guest, false, error_meaning(ERROR_LIMIT));
}

static void on_readable(void *owner, unsigned events)
{
    struct guest *guest = owner;
    size_t room = sizeof(guest->header) - guest->length;

    (void)events;
    if (guest->descriptor < 0)
        return;
    ssize_t seen = recv(guest->descriptor, guest->header + guest->length, room, MSG_PEEK);
    if (seen > 0)
        look(guest, (size_t)seen);
    else if (seen == 0 && guest->length == 0) /* a balancer's own check that the port is open */
        close(take_descriptor(guest));
    else if (seen == 0)
        refuse(guest, false, "it closed the connection");
    else if (errno != EAGAIN && errno != EINTR)
        refuse(guest, false, "the connection broke");
}

static void on_timeout(void *owner)
{
    struct guest *guest = owner;

    refuse(guest, guest->length == 0, "it took too long");
}

/* ---- a guest comes ---- */

static void link_guest(struct proxy_accept *accept, struct guest *guest)
{
    guest->next = accept->guests;
    if (guest->next)
        guest->next->previous = guest;
    accept->guests = guest;
    accept->guest_count++;
}

static bool admit(struct proxy_accept *accept, int descriptor, const struct address *peer)
{
    struct guest *guest;

    if (accept->guest_count == PROXY_ACCEPT_PENDING_MAX)
        return false;
    guest = malloc(sizeof(*guest));
    if (!guest)
        return false;
    guest->accept = accept;
    guest->previous = NULL;
    guest->release = (struct loop_deferred){.queued = false};
    guest->peer = *peer;
    guest->descriptor = descriptor;
    guest->length = 0;
    if (loop_watch_open(accept->loop, descriptor, on_readable, guest, &guest->watch) != ERROR_OK) {
        free(guest);
        return false;
    }
    link_guest(accept, guest);
    loop_timer_open(&guest->timer, on_timeout, guest);
    loop_timer_set(accept->loop, &guest->timer, PROXY_ACCEPT_TIMEOUT);
    loop_watch_set(guest->watch, LOOP_READABLE);
    return true;
}

static void on_accepted(void *owner, int descriptor, const struct address *peer)
{
    struct proxy_accept *accept = owner;

    if (!accept->events->is_trusted(accept->owner, peer)) {
        accept->events->on_connection(accept->owner, descriptor, peer);
        return;
    }
    if (admit(accept, descriptor, peer))
        return;
    accept->counters.refused++;
    close(descriptor);
}

enum error proxy_accept_open(struct loop *loop, int descriptor,
                             const struct proxy_accept_events *events, void *owner,
                             struct proxy_accept **out)
{
    struct proxy_accept *accept = calloc(1, sizeof(*accept));

    if (!accept) {
        close(descriptor);
        return ERROR_MEMORY;
    }
    accept->loop = loop;
    accept->events = events;
    accept->owner = owner;
    enum error error = listener_open(loop, descriptor, on_accepted, accept, &accept->listener);
    if (error != ERROR_OK) {
        free(accept);
        return error;
    }
    *out = accept;
    return ERROR_OK;
}

const struct proxy_accept_counters *proxy_accept_counters(const struct proxy_accept *accept)
{
    return &accept->counters;
}

static void free_accept(void *owner)
{
    free(owner);
}

void proxy_accept_close(struct proxy_accept *accept)
{
    listener_close(accept->listener);
    while (accept->guests)
        close(take_descriptor(accept->guests));
    loop_defer(accept->loop, &accept->release, free_accept, accept);
}
