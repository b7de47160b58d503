#include "store/bounces.h"

#include <stdio.h>

#include "base/ensure.h"
#include "store/table.h"
#include "store/varint.h"

/* ---- calls by time ---- */

static void add_to(uint32_t *bucket, uint64_t calls)
{
    *bucket = calls < UINT32_MAX - *bucket ? *bucket + (uint32_t)calls : UINT32_MAX;
}

/* Adds to bucket `at` of a ring whose newest is `newest`; what the ring has passed is let go. */
static void ring_add(uint32_t *ring, unsigned size, int64_t *newest, int64_t at, uint64_t calls)
{
    if (at > *newest) {
        int64_t steps = at - *newest;
        if (steps >= size)
            memset(ring, 0, size * sizeof *ring);
        for (int64_t i = 1; steps < size && i <= steps; i++)
            ring[(uint64_t)(*newest + i) % size] = 0;
        *newest = at;
    }
    if (at > *newest - size)
        add_to(&ring[(uint64_t)at % size], calls);
}

void bounce_times_add(struct bounce_times *times, uint64_t wall, uint64_t calls)
{
    ring_add(times->quarters, BOUNCES_QUARTERS, &times->quarter, (int64_t)(wall / BOUNCES_QUARTER),
             calls);
    ring_add(times->days, BOUNCES_DAYS, &times->day, (int64_t)(wall / BOUNCES_DAY), calls);
}

/* The oldest bucket that a ring still has. */
static int64_t oldest(int64_t newest, unsigned size)
{
    return newest >= size ? newest - size + 1 : 0;
}

static void ring_merge(uint32_t *into, unsigned size, int64_t *newest, const uint32_t *from,
                       int64_t from_newest)
{
    for (int64_t at = oldest(from_newest, size); at <= from_newest; at++) {
        uint32_t calls = from[(uint64_t)at % size];
        if (calls > 0)
            ring_add(into, size, newest, at, calls);
    }
}

void bounce_times_merge(struct bounce_times *into, const struct bounce_times *from)
{
    ring_merge(into->quarters, BOUNCES_QUARTERS, &into->quarter, from->quarters, from->quarter);
    ring_merge(into->days, BOUNCES_DAYS, &into->day, from->days, from->day);
}

static bool within_a_day(uint64_t since, uint64_t now)
{
    return since / BOUNCES_QUARTER + BOUNCES_QUARTERS > now / BOUNCES_QUARTER;
}

uint64_t bounce_times_start(uint64_t since, uint64_t now)
{
    return since - since % (within_a_day(since, now) ? BOUNCES_QUARTER : BOUNCES_DAY);
}

static uint64_t ring_count(const uint32_t *ring, unsigned size, int64_t newest, int64_t from)
{
    uint64_t calls = 0;
    int64_t at = oldest(newest, size);
    for (at = from > at ? from : at; at <= newest; at++)
        calls += ring[(uint64_t)at % size];
    return calls;
}

uint64_t bounce_times_count(const struct bounce_times *times, uint64_t since, uint64_t now)
{
    if (within_a_day(since, now))
        return ring_count(times->quarters, BOUNCES_QUARTERS, times->quarter,
                          (int64_t)(since / BOUNCES_QUARTER));
    return ring_count(times->days, BOUNCES_DAYS, times->day, (int64_t)(since / BOUNCES_DAY));
}

/* In a row: the newest bucket, how many are not empty, and of each how far back it is and its
 * calls; quarters, then days. */
#define TIMES_SIZE_MAX (4 * VARINT_SIZE_MAX + (BOUNCES_QUARTERS + BOUNCES_DAYS) * (1u + 5u))

static uint8_t *ring_write(uint8_t *out, const uint32_t *ring, unsigned size, int64_t newest)
{
    unsigned filled = 0;
    for (unsigned i = 0; i < size; i++)
        filled += ring[i] > 0;
    out = varint_write(varint_write(out, (uint64_t)newest), filled);
    for (int64_t at = newest; at >= oldest(newest, size); at--) {
        uint32_t calls = ring[(uint64_t)at % size];
        if (calls > 0)
            out = varint_write(varint_write(out, (uint64_t)(newest - at)), calls);
    }
    return out;
}

static bool ring_read(const uint8_t **at, const uint8_t *end, uint32_t *ring, unsigned size,
                      int64_t *newest)
{
    uint64_t last, filled, back, calls;
    if (!varint_read(at, end, &last) || last > INT64_MAX || !varint_read(at, end, &filled) ||
        filled > size)
        return false;
    *newest = (int64_t)last;
    for (uint64_t i = 0; i < filled; i++) {
        if (!varint_read(at, end, &back) || !varint_read(at, end, &calls) || back >= size ||
            back > last || calls > UINT32_MAX)
            return false;
        ring[(last - back) % size] = (uint32_t)calls;
    }
    return true;
}

static size_t times_write(const struct bounce_times *times, uint8_t out[TIMES_SIZE_MAX])
{
    uint8_t *end = ring_write(out, times->quarters, BOUNCES_QUARTERS, times->quarter);
    end = ring_write(end, times->days, BOUNCES_DAYS, times->day);
    return (size_t)(end - out);
}

static bool times_read(struct text bytes, struct bounce_times *times)
{
    const uint8_t *at = (const uint8_t *)bytes.data;
    const uint8_t *end = at + bytes.length;
    *times = (struct bounce_times){0};
    return bytes.length > 0 &&
           ring_read(&at, end, times->quarters, BOUNCES_QUARTERS, &times->quarter) &&
           ring_read(&at, end, times->days, BOUNCES_DAYS, &times->day);
}

/* ---- which group it is ---- */

/* FNV-1a, 64 bits (Fowler, Noll and Vo; RFC 9923): ids are for people to point with, and two groups
 * that share one are both shown. */
static uint64_t digest(uint64_t hash, const char *word)
{
    for (const char *c = word; hash *= UINT64_C(0x100000001b3), *c; c++)
        hash ^= (unsigned char)*c;
    return hash;
}

void bounce_group_id(const struct bounce_group *group, char out[BOUNCE_ID_SIZE])
{
    const char *words[] = {group->network,  group->reason, group->rule,
                           group->listener, group->key_id, group->team};
    uint64_t hash =
        UINT64_C(0xcbf29ce484222325) ^ group->observed ^ (group->kind == BOUNCE_OTHERS ? 2u : 0u);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        hash = digest(hash, words[i]);
    (void)snprintf(out, BOUNCE_ID_SIZE, "bnc_%08x", (unsigned)((hash ^ hash >> 32) & 0xffffffff));
}

bool bounce_group_same(const struct bounce_group *a, const struct bounce_group *b)
{
    return a->observed == b->observed && (a->kind == BOUNCE_OTHERS) == (b->kind == BOUNCE_OTHERS) &&
           strcmp(a->network, b->network) == 0 && strcmp(a->reason, b->reason) == 0 &&
           strcmp(a->rule, b->rule) == 0 && strcmp(a->listener, b->listener) == 0 &&
           strcmp(a->key_id, b->key_id) == 0 && strcmp(a->team, b->team) == 0;
}

/* ---- rows ---- */

#define GROUP_COLUMNS                                                               \
    "slot, kind, network, reason, rule, listener, key_id, team, observed, claimed," \
    " source, model, user_agent, status, first_at, last_at, calls, error, groups,"  \
    " first_id, last_id, times"
#define NETWORK_COLUMNS "slot, network, calls, first_at, last_at, times"

enum error bounces_writer_open(struct bounces_writer *writer, struct store *store)
{
    *writer = (struct bounces_writer){0};
    enum error error = store_prepare(store,
                                     "INSERT OR REPLACE INTO bounces (" GROUP_COLUMNS ") VALUES (?,"
                                     " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                                     " ?)",
                                     &writer->put_group);
    if (!error)
        error = store_prepare(store, "DELETE FROM bounces WHERE slot = ?", &writer->drop_group);
    if (!error)
        error = store_prepare(store,
                              "INSERT OR REPLACE INTO bounce_networks (" NETWORK_COLUMNS
                              ") VALUES (?, ?, ?, ?, ?, ?)",
                              &writer->put_network);
    return error;
}

void bounces_writer_close(struct bounces_writer *writer)
{
    store_finish(writer->put_group);
    store_finish(writer->drop_group);
    store_finish(writer->put_network);
    *writer = (struct bounces_writer){0};
}

enum error bounces_put_group(struct bounces_writer *writer, int64_t slot,
                             const struct bounce_group *group)
{
    struct store_statement *put = writer->put_group;
    uint8_t times[TIMES_SIZE_MAX];
    const char *words[] = {group->network,  group->reason, group->rule,
                           group->listener, group->key_id, group->team};
    const char *more[] = {group->claimed, group->source, group->model, group->user_agent};
    const int64_t numbers[] = {group->status,
                               (int64_t)group->first_at,
                               (int64_t)group->last_at,
                               group->calls,
                               group->error,
                               group->groups};
    int parameter = 1;
    store_bind_integer(put, parameter++, slot);
    store_bind_integer(put, parameter++, group->kind);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        store_bind_text(put, parameter++, text_from(words[i]));
    store_bind_integer(put, parameter++, group->observed);
    for (size_t i = 0; i < ARRAY_LENGTH(more); i++)
        store_bind_text(put, parameter++, text_from(more[i]));
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        store_bind_integer(put, parameter++, numbers[i]);
    store_bind_blob(put, parameter++, group->first_id.bytes, sizeof group->first_id.bytes);
    store_bind_blob(put, parameter++, group->last_id.bytes, sizeof group->last_id.bytes);
    store_bind_blob(put, parameter, times, times_write(&group->times, times));
    return store_run(put);
}

enum error bounces_drop_group(struct bounces_writer *writer, int64_t slot)
{
    store_bind_integer(writer->drop_group, 1, slot);
    return store_run(writer->drop_group);
}

enum error bounces_put_network(struct bounces_writer *writer, int64_t slot,
                               const struct bounce_network *network)
{
    struct store_statement *put = writer->put_network;
    uint8_t times[TIMES_SIZE_MAX];
    store_bind_integer(put, 1, slot);
    store_bind_text(put, 2, text_from(network->network));
    store_bind_integer(put, 3, network->calls);
    store_bind_integer(put, 4, (int64_t)network->first_at);
    store_bind_integer(put, 5, (int64_t)network->last_at);
    store_bind_blob(put, 6, times, times_write(&network->times, times));
    return store_run(put);
}

/* ---- reading ---- */

static void read_word(struct store_statement *statement, int column, char *out, size_t size)
{
    (void)text_copy_to(store_column_text(statement, column), out, size);
}
#define READ_WORD(statement, column, member) read_word(statement, column, member, sizeof(member))

static void read_id(struct store_statement *statement, int column, struct identifier *out)
{
    struct text bytes = store_column_text(statement, column);
    if (bytes.length == sizeof out->bytes)
        memcpy(out->bytes, bytes.data, sizeof out->bytes);
}

static bool read_group(struct store_statement *statement, struct bounce_group *group)
{
    int64_t kind = store_column_integer(statement, 1);
    *group = (struct bounce_group){0};
    if (kind < BOUNCE_OPEN || kind > BOUNCE_OTHERS)
        return false;
    group->kind = (enum bounce_kind)kind;
    READ_WORD(statement, 2, group->network);
    READ_WORD(statement, 3, group->reason);
    READ_WORD(statement, 4, group->rule);
    READ_WORD(statement, 5, group->listener);
    READ_WORD(statement, 6, group->key_id);
    READ_WORD(statement, 7, group->team);
    group->observed = store_column_integer(statement, 8) != 0;
    READ_WORD(statement, 9, group->claimed);
    READ_WORD(statement, 10, group->source);
    READ_WORD(statement, 11, group->model);
    READ_WORD(statement, 12, group->user_agent);
    group->status = store_column_integer(statement, 13);
    group->first_at = table_time(statement, 14);
    group->last_at = table_time(statement, 15);
    group->calls = store_column_integer(statement, 16);
    group->error = store_column_integer(statement, 17);
    group->groups = store_column_integer(statement, 18);
    read_id(statement, 19, &group->first_id);
    read_id(statement, 20, &group->last_id);
    return times_read(store_column_text(statement, 21), &group->times);
}

struct group_reading {
    bounces_found found;
    void *context;
};

static bool take_group(void *context, struct store_statement *statement)
{
    const struct group_reading *reading = context;
    struct bounce_group group;
    return !read_group(statement, &group) ||
           reading->found(reading->context, store_column_integer(statement, 0), &group);
}

enum error bounces_read_groups(struct store *store, bounces_found found, void *context)
{
    struct group_reading reading = {found, context};
    return table_query_all(store, "SELECT " GROUP_COLUMNS " FROM bounces", take_group, &reading);
}

struct network_reading {
    bounces_network_found found;
    void *context;
};

static bool take_network(void *context, struct store_statement *statement)
{
    const struct network_reading *reading = context;
    struct bounce_network network = {
        .calls = store_column_integer(statement, 2),
        .first_at = table_time(statement, 3),
        .last_at = table_time(statement, 4),
    };
    READ_WORD(statement, 1, network.network);
    return !times_read(store_column_text(statement, 5), &network.times) ||
           reading->found(reading->context, store_column_integer(statement, 0), &network);
}

enum error bounces_read_networks(struct store *store, bounces_network_found found, void *context)
{
    struct network_reading reading = {found, context};
    return table_query_all(store, "SELECT " NETWORK_COLUMNS " FROM bounce_networks", take_network,
                           &reading);
}
