/* key_exchange: makes the keys that callers get in exchange for tokens and certificates
 * (docs/decisions/0045).
 *
 * For the control thread, with one exception: key_exchange_ask is for any. Wishes of one turn are
 * written to the store in one transaction, together with their audit rows, then put into the key
 * table, where every worker finds them at once, and only then told: a key that somebody has is on
 * disk. What has ended is deleted, after a while in which it is still called expired. */
#ifndef CONTROL_KEY_EXCHANGE_H
#define CONTROL_KEY_EXCHANGE_H

#include "control/key_refresher.h"
#include "exchange/key_wish.h"
#include "net/loop.h"

/* Wishes of all workers that may wait at a time: a commit takes some milliseconds and is for all
 * that wait, so more is a flood. */
#define KEY_EXCHANGE_WAITING_MAX 1000u
/* Keys of one transaction: the store is another's as well. */
#define KEY_EXCHANGE_BATCH_MAX 200u
/* Keys that are good at a time, of all principals: some 60 MB in memory. */
#define KEY_EXCHANGE_KEYS_MAX 100000u
/* How long wishes wait for a store that another holds, and how often it is tried. */
#define KEY_EXCHANGE_PATIENCE (4 * NANOSECONDS_PER_SECOND)
#define KEY_EXCHANGE_AGAIN    (50 * NANOSECONDS_PER_MILLISECOND)
/* How long a key that has ended is called expired, and not unknown. */
#define KEY_EXCHANGE_REMEMBERED (3600 * NANOSECONDS_PER_SECOND)
#define KEY_EXCHANGE_PRUNE_TIME (60 * NANOSECONDS_PER_SECOND)

struct key_exchange;

/* `loop` is the control thread's. NULL: memory is short. */
must_check struct key_exchange *key_exchange_create(struct loop *loop, struct key_refresher *keys);
/* After the loop's thread has ended, before the loop is destroyed: who waits, and who still asks,
 * is told KEY_NO_STORE. */
void key_exchange_stop(struct key_exchange *exchange);
/* After the loop was destroyed. NULL is fine. */
void key_exchange_destroy(struct key_exchange *exchange);

/* Makes a key. Calls `taken` on `loop`'s thread, always, and once. Any thread. */
void key_exchange_ask(struct key_exchange *exchange, const struct key_wish *wish, struct loop *loop,
                      key_answer_taken taken, void *ticket);

/* Each step of the control thread: deletes what has ended, once a minute. */
void key_exchange_step(struct key_exchange *exchange);

/* Keys that were good when they were last counted, and those made since. */
uint64_t key_exchange_count(const struct key_exchange *exchange);

#endif
