/* feed: see feed.h. The reading thread fills blocks, the calling one empties them, in turn; when
 * all are full the reader waits, when none is the caller does. */
#include "preview/feed.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/ensure.h"

/* Enough that neither waits for the other's longest moment, and little beside the store's cache. */
#define BLOCKS        16u
#define BLOCK_RECORDS 512u
#define BLOCK_BYTES   (256u * 1024u)

struct block {
    struct record records[BLOCK_RECORDS];
    size_t count, used;
    char bytes[BLOCK_BYTES];
};

struct feed {
    struct history *history;
    struct block *blocks;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t filled, emptied; /* blocks, counted from the beginning */
    bool ended;
    struct block *filling;           /* the reader's */
    size_t forgotten[RECORD_FIELDS]; /* offsets of the texts that are not kept */
    size_t forgotten_count;
    enum error error;
    char problem[HISTORY_PROBLEM_SIZE];
};

/* What a preview asks a record for. */
static const size_t kept_texts[] = {
    offsetof(struct record, listener),      offsetof(struct record, source),
    offsetof(struct record, key_id),        offsetof(struct record, key_name),
    offsetof(struct record, team),          offsetof(struct record, method),
    offsetof(struct record, endpoint),      offsetof(struct record, model),
    offsetof(struct record, target_model),  offsetof(struct record, provider),
    offsetof(struct record, refusal),       offsetof(struct record, tags),
    offsetof(struct record, cost_state),    offsetof(struct record, price_rule),
    offsetof(struct record, units),         offsetof(struct record, price_service),
    offsetof(struct record, request_tags),  offsetof(struct record, part_of),
    offsetof(struct record, asked),         offsetof(struct record, identified_by),
    offsetof(struct record, token_issuer),  offsetof(struct record, token_subject),
    offsetof(struct record, exchanged_key),
};

/* ---- the reading thread ---- */

static void hand_over(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->filled++;
    pthread_cond_broadcast(&feed->changed);
    while (feed->filled - feed->emptied == BLOCKS)
        pthread_cond_wait(&feed->changed, &feed->lock);
    pthread_mutex_unlock(&feed->lock);
    feed->filling = &feed->blocks[feed->filled % BLOCKS];
    feed->filling->count = feed->filling->used = 0;
}

static bool is_kept(size_t offset)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kept_texts); i++) {
        if (kept_texts[i] == offset)
            return true;
    }
    return false;
}

/* Once, and not for each of millions of records. */
static void find_forgotten(struct feed *feed)
{
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        bool text = field->type == RECORD_TYPE_TEXT || field->type == RECORD_TYPE_JSON;
        if (text && !is_kept(field->offset))
            feed->forgotten[feed->forgotten_count++] = field->offset;
    }
}

static void copy_record(const struct feed *feed, struct block *block, const struct record *record)
{
    struct record *copy = &block->records[block->count++];

    *copy = *record;
    for (size_t i = 0; i < feed->forgotten_count; i++)
        *(struct text *)((char *)copy + feed->forgotten[i]) = text_of(NULL, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(kept_texts); i++) {
        const struct text *from = (const struct text *)((const char *)record + kept_texts[i]);
        struct text *to = (struct text *)((char *)copy + kept_texts[i]);
        if (from->length == 0)
            continue;
        to->data = memcpy(block->bytes + block->used, from->data, from->length);
        to->length = from->length;
        block->used += from->length;
    }
}

static bool on_record(void *context, const struct record *record)
{
    struct feed *feed = context;

    if (feed->filling->count == BLOCK_RECORDS ||
        feed->filling->used + RECORD_SIZE_MAX > BLOCK_BYTES)
        hand_over(feed);
    copy_record(feed, feed->filling, record);
    return true;
}

static void *read_all(void *context)
{
    struct feed *feed = context;

    feed->filling = &feed->blocks[0];
    feed->error = history_read(feed->history, on_record, feed, feed->problem);
    pthread_mutex_lock(&feed->lock);
    feed->filled++;
    feed->ended = true;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* ---- the calling thread ---- */

/* NULL: there are no more. */
static const struct block *wait_for_block(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    while (feed->filled == feed->emptied && !feed->ended)
        pthread_cond_wait(&feed->changed, &feed->lock);
    bool more = feed->filled > feed->emptied;
    pthread_mutex_unlock(&feed->lock);
    return more ? &feed->blocks[feed->emptied % BLOCKS] : NULL;
}

static void give_back(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->emptied++;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

enum error feed_run(const char *data, const struct history_filter *filter,
                    void (*take)(void *context, const struct record *record), void *context,
                    char problem[HISTORY_PROBLEM_SIZE])
{
    struct feed *feed = ensure_memory(calloc(1, sizeof *feed));
    pthread_t thread;
    enum error error = history_open(data, filter, &feed->history, problem);

    if (error) {
        free(feed);
        return error;
    }
    find_forgotten(feed);
    feed->blocks = ensure_memory(calloc(BLOCKS, sizeof *feed->blocks));
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->changed, NULL);
    ensure(pthread_create(&thread, NULL, read_all, feed) == 0);
    for (const struct block *block; (block = wait_for_block(feed)) != NULL; give_back(feed)) {
        for (size_t i = 0; i < block->count; i++)
            take(context, &block->records[i]);
    }
    pthread_join(thread, NULL);
    error = feed->error;
    if (error)
        (void)snprintf(problem, HISTORY_PROBLEM_SIZE, "%s", feed->problem);
    history_close(feed->history);
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->lock);
    free(feed->blocks);
    free(feed);
    return error;
}
