/* doors: the listeners of one worker, as its configuration wants them.
 *
 * The worker's thread only. A door stays open over a reload when its name and address stay; what it
 * believes, its limits and its certificates change under it for later connections and calls. */
#ifndef APP_DOORS_H
#define APP_DOORS_H

#include "app/worker.h"

/* The listener that calls from within the process are recorded with: no name of a configuration. */
#define DOORS_INNER "(console)"

/* A connection from within the process, taken over, whose calls are treated as if they came from
 * `peer`, by a listener without rules of its own. The door is made with the first one, and anew
 * after a reload. */
void doors_take_inner(struct worker *worker, int descriptor, const struct address *peer);
/* Opens, changes and closes doors as the plan says. */
void doors_apply(struct worker_thread *thread, const struct worker_plan *plan);
/* Takes no more connections; open calls finish. */
void doors_close(struct worker *worker);
/* Adds what the door has counted. */
void doors_count(const struct worker_door *door, struct worker_door_counts *counts);
/* Doors that are closing and empty go. */
void doors_sweep(struct worker_thread *thread);

#endif
