/* send_queue: bytes that the kernel did not take yet, in one run, taken from the front.
 *
 * Holds memory only while it holds bytes: an idle connection costs none. One owner, one thread. */
#ifndef NET_SEND_QUEUE_H
#define NET_SEND_QUEUE_H

#include <stdint.h>

#include "base/text.h"

struct send_queue {
    char *bytes;
    uint32_t start;
    uint32_t length;
    uint32_t capacity;
};

/* False when memory is short; the queue is then as before. The whole stays below 2 GiB: callers
 * keep a far lower limit. */
must_check bool send_queue_add(struct send_queue *queue, struct text bytes);
void send_queue_take(struct send_queue *queue, size_t size); /* at most the length */
void send_queue_clear(struct send_queue *queue);

static inline struct text send_queue_text(const struct send_queue *queue)
{
    return text_of(queue->bytes + queue->start, queue->length);
}

#endif
