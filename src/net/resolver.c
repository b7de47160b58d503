/* Names to addresses on c-ares, with a cache of its own (c-ares of Debian 12 has none).
 *
 * An entry per name: EMPTY (never answered) or FRESH (until `expires`) or STALE (until `expires` +
 * RESOLVER_STALE_SECONDS); besides, `asking` while c-ares works for it. Queries that wait hang on
 * the entry; the first of them starts the asking.
 *
 * Invariants: an entry with waiting queries is asking; an entry that is asking is never evicted
 * (c-ares holds a pointer to it); a query is in exactly one list until it is answered or cancelled.
 */
#include "net/resolver.h"

#include <ares.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"

#define RESOLVER_BUCKETS         1024u
#define RESOLVER_NAME_LIMIT      255u /* RFC 1035 section 3.1 */
#define RESOLVER_SOCKETS_MAXIMUM 64u  /* c-ares keeps a few per name server */
#define RESOLVER_TTL_MINIMUM     1u   /* seconds: a TTL of 0 would ask once per connection */
#define RESOLVER_TTL_MAXIMUM     3600u
#define RESOLVER_TRIES           2  /* per name server; the second waits twice as long */
#define RESOLVER_RETRY_SECONDS   5u /* a name server that is down is not waited for by every dial */
#define RESOLVER_NOTE_SECONDS    60u

struct resolver_query {
    resolver_callback callback;
    void *owner;
    struct resolver_query *next;
    struct resolver_query **place;
    struct resolver_query *
        *pending; /* while asking begins: set to NULL when the answer comes at once */
};

struct resolver_entry {
    struct resolver *resolver;
    struct resolver_entry *next; /* in the bucket */
    struct resolver_entry *older;
    struct resolver_entry *newer;
    struct resolver_query *waiting;
    struct loop_timer deadline; /* of the asking */
    struct address *addresses;  /* NULL: EMPTY */
    size_t count;
    uint64_t expires;
    uint64_t retry_at; /* STALE: not asked again before */
    uint64_t noted_at;
    bool asking;
    char name[]; /* lower case, NUL-terminated */
};

struct resolver_socket {
    struct resolver *resolver;
    int descriptor;
    struct loop_watch *watch; /* NULL: the place is free */
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    uint64_t timeout;
    struct loop_timer timer; /* c-ares' own retries */
    struct resolver_socket sockets[RESOLVER_SOCKETS_MAXIMUM];
    struct resolver_entry *buckets[RESOLVER_BUCKETS];
    struct resolver_entry *oldest;
    struct resolver_entry *newest;
    size_t entry_count;
    bool closing;
};

/* ---- c-ares on the loop ---- */

static void resolver_arm(struct resolver *resolver)
{
    struct timeval wait;
    if (!ares_timeout(resolver->channel, NULL, &wait)) {
        loop_timer_clear(resolver->loop, &resolver->timer);
        return;
    }
    uint64_t nanoseconds =
        (uint64_t)wait.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)wait.tv_usec * 1000u;
    loop_timer_set(resolver->loop, &resolver->timer, nanoseconds);
}

static void resolver_timer_fired(void *owner)
{
    struct resolver *resolver = owner;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolver_arm(resolver);
}

static void resolver_socket_ready(void *owner, unsigned events)
{
    const struct resolver_socket *one = owner;
    struct resolver *resolver = one->resolver;
    int descriptor = one->descriptor; /* the place may be freed by what follows */
    ares_process_fd(resolver->channel, events & LOOP_READABLE ? descriptor : ARES_SOCKET_BAD,
                    events & LOOP_WRITABLE ? descriptor : ARES_SOCKET_BAD);
    resolver_arm(resolver);
}

static struct resolver_socket *resolver_find_socket(struct resolver *resolver, int descriptor)
{
    struct resolver_socket *free_place = NULL;
    for (size_t i = 0; i < RESOLVER_SOCKETS_MAXIMUM; i++) {
        struct resolver_socket *one = &resolver->sockets[i];
        if (one->watch && one->descriptor == descriptor)
            return one;
        if (!one->watch && !free_place)
            free_place = one;
    }
    return free_place;
}

/* c-ares says what it wants to know of a socket; 0, 0 just before it closes it. */
static void resolver_socket_state(void *data, ares_socket_t descriptor, int readable, int writable)
{
    struct resolver *resolver = data;
    struct resolver_socket *one = resolver_find_socket(resolver, descriptor);
    if (!one)
        return; /* no place: the query runs into its time-out */
    if (!readable && !writable) {
        loop_watch_close(one->watch);
        one->watch = NULL;
        return;
    }
    if (!one->watch) {
        one->resolver = resolver;
        one->descriptor = descriptor;
        if (loop_watch_open(resolver->loop, descriptor, resolver_socket_ready, one, &one->watch) !=
            ERROR_OK)
            return;
    }
    loop_watch_set(one->watch, (readable ? LOOP_READABLE : 0u) | (writable ? LOOP_WRITABLE : 0u));
}

/* ---- cache ---- */

static void entry_unlink_use(struct resolver *resolver, struct resolver_entry *entry)
{
    *(entry->older ? &entry->older->newer : &resolver->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &resolver->newest) = entry->older;
    entry->older = NULL;
    entry->newer = NULL;
}

static void entry_link_newest(struct resolver *resolver, struct resolver_entry *entry)
{
    entry->older = resolver->newest;
    *(resolver->newest ? &resolver->newest->newer : &resolver->oldest) = entry;
    resolver->newest = entry;
}

static struct resolver_entry **resolver_bucket(struct resolver *resolver, struct text name)
{
    return &resolver->buckets[text_hash(name) % RESOLVER_BUCKETS];
}

static void entry_free(struct resolver *resolver, struct resolver_entry *entry)
{
    struct resolver_entry **place = resolver_bucket(resolver, text_from(entry->name));
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    entry_unlink_use(resolver, entry);
    loop_timer_clear(resolver->loop, &entry->deadline);
    resolver->entry_count--;
    free(entry->addresses);
    free(entry);
}

static void entry_deadline_passed(void *owner);

static struct resolver_entry *resolver_make_entry(struct resolver *resolver, struct text name)
{
    struct resolver_entry *victim = resolver->oldest;
    while (resolver->entry_count >= RESOLVER_NAMES_MAXIMUM && victim) {
        struct resolver_entry *next = victim->newer;
        if (!victim->asking)
            entry_free(resolver, victim);
        victim = next;
    }
    if (resolver->entry_count >= RESOLVER_NAMES_MAXIMUM)
        return NULL; /* all of them are being asked for */
    struct resolver_entry *entry = calloc(1, sizeof(*entry) + name.length + 1);
    if (!entry)
        return NULL;
    entry->resolver = resolver;
    memcpy(entry->name, name.data, name.length);
    loop_timer_open(&entry->deadline, entry_deadline_passed, entry);
    struct resolver_entry **bucket = resolver_bucket(resolver, name);
    entry->next = *bucket;
    *bucket = entry;
    entry_link_newest(resolver, entry);
    resolver->entry_count++;
    return entry;
}

static struct resolver_entry *resolver_find_entry(struct resolver *resolver, struct text name)
{
    struct resolver_entry *entry = *resolver_bucket(resolver, name);
    while (entry && !text_equal(text_from(entry->name), name))
        entry = entry->next;
    if (!entry)
        return resolver_make_entry(resolver, name);
    entry_unlink_use(resolver, entry);
    entry_link_newest(resolver, entry);
    return entry;
}

/* ---- answers ---- */

static void query_unlink(struct resolver_query *query)
{
    *query->place = query->next;
    if (query->next)
        query->next->place = query->place;
}

static void entry_answer_waiting(struct resolver_entry *entry, const struct resolver_answer *answer)
{
    /* Taken off first: a callback may ask again, and may cancel others of these. */
    struct resolver_query *answered = entry->waiting;
    entry->waiting = NULL;
    if (answered)
        answered->place = &answered;
    while (answered) {
        struct resolver_query query = *answered;
        struct resolver_query *done = answered;
        query_unlink(done);
        if (query.pending)
            *query.pending = NULL;
        free(done);
        query.callback(query.owner, answer);
    }
}

static bool entry_is_usable(const struct resolver_entry *entry, uint64_t extra_seconds)
{
    return entry->addresses && loop_now(entry->resolver->loop) <
                                   entry->expires + extra_seconds * NANOSECONDS_PER_SECOND;
}

/* STALE, and asked in vain just now. */
static bool entry_rests(const struct resolver_entry *entry)
{
    return loop_now(entry->resolver->loop) < entry->retry_at &&
           entry_is_usable(entry, RESOLVER_STALE_SECONDS);
}

/* A refresh that failed: the last good answer is better than none, for a while (RFC 8767). A name
 * that is known not to exist any more is no failure. */
static void entry_answer_failure(struct resolver_entry *entry, enum error error)
{
    if (error == ERROR_NAME_NOT_FOUND || !entry_is_usable(entry, RESOLVER_STALE_SECONDS)) {
        entry_answer_waiting(entry, &(struct resolver_answer){.error = error});
        return;
    }
    uint64_t now = loop_now(entry->resolver->loop);
    entry->retry_at = now + RESOLVER_RETRY_SECONDS * NANOSECONDS_PER_SECOND;
    if (entry->noted_at == 0 ||
        now - entry->noted_at >= RESOLVER_NOTE_SECONDS * NANOSECONDS_PER_SECOND) {
        note_warning("resolver", "%s: %s; using its last known addresses", entry->name,
                     error_meaning(error));
        entry->noted_at = now;
    }
    struct resolver_answer answer = {ERROR_OK, entry->addresses, entry->count};
    entry_answer_waiting(entry, &answer);
}

static void entry_deadline_passed(void *owner)
{
    entry_answer_failure(owner, ERROR_TIMEOUT_NAME);
}

/* ---- asking ---- */

static void addresses_of_family(const struct ares_addrinfo *info, int family,
                                struct address out[RESOLVER_ADDRESSES_MAXIMUM], size_t *count)
{
    *count = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        if (node->ai_family != family || *count == RESOLVER_ADDRESSES_MAXIMUM)
            continue;
        struct address *address = &out[(*count)++];
        *address = (struct address){.length = node->ai_addrlen};
        memcpy(&address->any, node->ai_addr, node->ai_addrlen);
    }
}

/* RFC 8305 section 4: alternating, IPv6 first. */
static bool entry_store_addresses(struct resolver_entry *entry, const struct ares_addrinfo *info)
{
    struct address v6[RESOLVER_ADDRESSES_MAXIMUM];
    struct address v4[RESOLVER_ADDRESSES_MAXIMUM];
    size_t v6_count;
    size_t v4_count;
    addresses_of_family(info, AF_INET6, v6, &v6_count);
    addresses_of_family(info, AF_INET, v4, &v4_count);
    if (v6_count + v4_count == 0)
        return false;
    struct address *addresses = calloc(RESOLVER_ADDRESSES_MAXIMUM, sizeof(*addresses));
    if (!addresses)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < RESOLVER_ADDRESSES_MAXIMUM; i++) {
        if (i < v6_count && count < RESOLVER_ADDRESSES_MAXIMUM)
            addresses[count++] = v6[i];
        if (i < v4_count && count < RESOLVER_ADDRESSES_MAXIMUM)
            addresses[count++] = v4[i];
    }
    free(entry->addresses);
    entry->addresses = addresses;
    entry->count = count;
    return true;
}

static uint64_t resolver_time_to_live(const struct ares_addrinfo *info)
{
    uint64_t seconds = RESOLVER_TTL_MAXIMUM;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        if (node->ai_ttl >= 0 && (uint64_t)node->ai_ttl < seconds)
            seconds = (uint64_t)node->ai_ttl;
    for (const struct ares_addrinfo_cname *cname = info->cnames; cname; cname = cname->next)
        if (cname->ttl >= 0 && (uint64_t)cname->ttl < seconds)
            seconds = (uint64_t)cname->ttl;
    return seconds < RESOLVER_TTL_MINIMUM ? RESOLVER_TTL_MINIMUM : seconds;
}

static enum error resolver_error(int status)
{
    static const struct {
        int status;
        enum error error;
    } rows[] = {
        {ARES_SUCCESS, ERROR_OK},
        {ARES_ENOTFOUND, ERROR_NAME_NOT_FOUND},
        {ARES_ENODATA, ERROR_NAME_NOT_FOUND},
        {ARES_EBADNAME, ERROR_NAME_NOT_FOUND},
        {ARES_ETIMEOUT, ERROR_TIMEOUT_NAME},
        {ARES_ENOMEM, ERROR_MEMORY},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].status == status)
            return rows[i].error;
    return ERROR_NAME_FAILURE;
}

static void entry_answered(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_entry *entry = data;
    struct resolver *resolver = entry->resolver;
    if (resolver->closing)
        return; /* with ARES_EDESTRUCTION; nobody is told */
    entry->asking = false;
    loop_timer_clear(resolver->loop, &entry->deadline);
    enum error error = resolver_error(status);
    if (error == ERROR_OK && !entry_store_addresses(entry, info))
        error = info->nodes ? ERROR_MEMORY : ERROR_NAME_NOT_FOUND;
    if (error == ERROR_OK)
        entry->expires =
            loop_now(resolver->loop) + resolver_time_to_live(info) * NANOSECONDS_PER_SECOND;
    if (info)
        ares_freeaddrinfo(info);
    if (error != ERROR_OK) {
        entry_answer_failure(entry, error);
        return;
    }
    struct resolver_answer answer = {ERROR_OK, entry->addresses, entry->count};
    entry_answer_waiting(entry, &answer);
}

static void entry_ask(struct resolver_entry *entry)
{
    struct resolver *resolver = entry->resolver;
    if (entry->deadline.due == 0)
        loop_timer_set(resolver->loop, &entry->deadline, resolver->timeout);
    if (entry->asking)
        return;
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NOSORT, /* sorting would open a socket per address */
    };
    entry->asking = true;
    ares_getaddrinfo(resolver->channel, entry->name, NULL, &hints, entry_answered, entry);
    resolver_arm(resolver);
}

/* ---- verbs ---- */

static bool resolver_normalise(struct text name, char out[RESOLVER_NAME_LIMIT + 1])
{
    if (name.length == 0 || name.length > RESOLVER_NAME_LIMIT || text_find_char(name, '\0') >= 0)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    out[name.length] = '\0';
    return true;
}

/* RFC 6761 section 6.3: these names are this machine, whatever a hosts file or a name server says,
 * and where there is neither. */
static bool resolver_is_localhost(struct text name)
{
    if (text_ends_with(name, TEXT(".")))
        name.length--;
    return text_equal(name, TEXT("localhost")) || text_ends_with(name, TEXT(".localhost"));
}

static void answer_localhost(resolver_callback callback, void *owner)
{
    struct address addresses[2];
    ensure(address_parse_host(TEXT("::1"), 0, &addresses[0]) == ERROR_OK);
    ensure(address_parse_host(TEXT("127.0.0.1"), 0, &addresses[1]) == ERROR_OK);
    callback(owner, &(struct resolver_answer){ERROR_OK, addresses, ARRAY_LENGTH(addresses)});
}

void resolver_ask(struct resolver *resolver, struct text name, resolver_callback callback,
                  void *owner, struct resolver_query **out)
{
    struct resolver_query *unwanted;
    out = out ? out : &unwanted;
    *out = NULL;
    struct address literal;
    if (address_parse_host(name, 0, &literal) == ERROR_OK) {
        callback(owner, &(struct resolver_answer){ERROR_OK, &literal, 1});
        return;
    }
    char normal[RESOLVER_NAME_LIMIT + 1];
    if (!resolver_normalise(name, normal)) {
        callback(owner, &(struct resolver_answer){.error = ERROR_NAME_NOT_FOUND});
        return;
    }
    if (resolver_is_localhost(text_from(normal))) {
        answer_localhost(callback, owner);
        return;
    }
    struct resolver_entry *entry = resolver_find_entry(resolver, text_from(normal));
    if (entry && (entry_is_usable(entry, 0) || entry_rests(entry))) {
        callback(owner, &(struct resolver_answer){ERROR_OK, entry->addresses, entry->count});
        return;
    }
    struct resolver_query *query = entry ? calloc(1, sizeof(*query)) : NULL;
    if (!query) {
        callback(owner, &(struct resolver_answer){.error = ERROR_MEMORY});
        return;
    }
    *query = (struct resolver_query){callback, owner, entry->waiting, &entry->waiting, &query};
    if (query->next)
        query->next->place = &query->next;
    entry->waiting = query;
    entry_ask(entry);
    if (query)
        query->pending = NULL;
    *out = query;
}

void resolver_cancel(struct resolver_query *query)
{
    query_unlink(query);
    free(query);
}

static void resolver_begin_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

static bool resolver_open_channel(struct resolver *resolver, const char *servers)
{
    /* t for the first try and 2 t for the second (c-ares doubles) make the whole. */
    uint64_t milliseconds = resolver->timeout / NANOSECONDS_PER_MILLISECOND / 3;
    struct ares_options options = {
        .timeout = milliseconds == 0          ? 1
                   : milliseconds > INT32_MAX ? INT32_MAX
                                              : (int)milliseconds,
        .tries = RESOLVER_TRIES,
        .lookups = "fb", /* /etc/hosts, then DNS */
        .sock_state_cb = resolver_socket_state,
        .sock_state_cb_data = resolver,
    };
    if (ares_init_options(&resolver->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                              ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
        return false;
    if (!servers || ares_set_servers_ports_csv(resolver->channel, servers) == ARES_SUCCESS)
        return true;
    ares_destroy(resolver->channel);
    return false;
}

struct resolver *resolver_create(struct loop *loop, const char *servers,
                                 uint64_t timeout_nanoseconds)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, resolver_begin_library);
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (!resolver)
        return NULL;
    resolver->loop = loop;
    resolver->timeout = timeout_nanoseconds;
    loop_timer_open(&resolver->timer, resolver_timer_fired, resolver);
    if (!resolver_open_channel(resolver, servers)) {
        free(resolver);
        return NULL;
    }
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver->closing = true;
    ares_destroy(resolver->channel); /* closes its sockets, and our watches with them */
    loop_timer_clear(resolver->loop, &resolver->timer);
    while (resolver->oldest) {
        while (resolver->oldest->waiting)
            resolver_cancel(resolver->oldest->waiting);
        entry_free(resolver, resolver->oldest);
    }
    free(resolver);
}
