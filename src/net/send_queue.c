#include "net/send_queue.h"

#include <stdlib.h>

#include "base/ensure.h"

#define SEND_QUEUE_FIRST_CAPACITY 4096u /* a few stream frames */

static bool queue_make_room(struct send_queue *queue, size_t size)
{
    ensure(size < INT32_MAX && queue->length < INT32_MAX - size);
    size_t needed = queue->length + size;
    if (queue->start + needed <= queue->capacity)
        return true;
    if (needed <= queue->capacity / 2) { /* moved at most once per half a buffer: linear in all */
        memmove(queue->bytes, queue->bytes + queue->start, queue->length);
        queue->start = 0;
        return true;
    }
    size_t capacity = queue->capacity ? queue->capacity : SEND_QUEUE_FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (needed > capacity / 2)
        capacity *= 2;
    char *bytes = malloc(capacity);
    if (!bytes)
        return false;
    if (queue->length)
        memcpy(bytes, queue->bytes + queue->start, queue->length);
    free(queue->bytes);
    queue->bytes = bytes;
    queue->start = 0;
    queue->capacity = (uint32_t)capacity;
    return true;
}

bool send_queue_add(struct send_queue *queue, struct text bytes)
{
    if (bytes.length == 0)
        return true;
    if (!queue_make_room(queue, bytes.length))
        return false;
    memcpy(queue->bytes + queue->start + queue->length, bytes.data, bytes.length);
    queue->length += (uint32_t)bytes.length;
    return true;
}

void send_queue_take(struct send_queue *queue, size_t size)
{
    ensure(size <= queue->length);
    queue->start += (uint32_t)size;
    queue->length -= (uint32_t)size;
    if (queue->length == 0)
        send_queue_clear(queue);
}

void send_queue_clear(struct send_queue *queue)
{
    free(queue->bytes);
    *queue = (struct send_queue){0};
}
