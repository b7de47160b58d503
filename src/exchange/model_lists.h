/* model_lists: what the providers say they have, for callers who ask what they may use.
 *
 * A provider is asked when a list of models needs its answer for the first time, and again when
 * that has grown old; never at start, never on the way of a call. Whoever asks first waits for the
 * answer; later ones get what is known, and the provider is asked beside them. A provider that does
 * not answer is left alone for a while, and what it said before still holds
 * (docs/decisions/0051-models-behind-patterns.md).
 *
 * One for the process, shared by its workers under a lock that nobody holds for longer than a look;
 * a list that is there never changes. The worker that first needs a list asks for it, as calls are
 * made: with the same addresses, proxies, certificates and credentials. */
#ifndef EXCHANGE_MODEL_LISTS_H
#define EXCHANGE_MODEL_LISTS_H

#include "exchange/worker.h"
#include "provider/listing.h"

/* Models come and go by the week; a new one shows within this. */
#define MODEL_LIST_FRESH_SECONDS 600u
/* After a failure the provider is not asked again before. */
#define MODEL_LIST_PAUSE_SECONDS 30u
/* All pages of one list, and so the longest that a caller waits for it. */
#define MODEL_LIST_WAIT_SECONDS 8u
/* Lists that are kept: of more providers than anybody configures, also over reloads that change
 * them. The one that nobody asked for longest goes first. */
#define MODEL_LISTS_MAX 512u
/* Callers that wait at a time; more get what is known. */
#define MODEL_LIST_WAITERS_MAX 10000u

struct model_lists;

/* NULL: memory is short. */
must_check struct model_lists *model_lists_create(void);
void model_lists_free(struct model_lists *lists); /* after the workers; NULL is fine */

/* The provider's list as it is known, held for the caller; NULL: it is not. Where it is old, or not
 * there, it is asked for. `*asking`: it is not there, but will be: see model_lists_wait. */
must_check struct listing *model_lists_take(struct worker *worker, struct upstreams *upstreams,
                                            const struct upstream *row, bool *asking);
/* Calls `done` on the worker's loop when the list that is being asked for has come, or has not;
 * once. False: nobody is asking (any more), or too many wait; `done` will not be called. */
must_check bool model_lists_wait(struct worker *worker, const struct upstream *row,
                                 void (*done)(void *ticket), void *ticket);
/* Breaks off what this worker is asking. Before its upstreams go. */
void model_lists_leave(struct worker *worker);

#endif
