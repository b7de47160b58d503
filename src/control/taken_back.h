/* taken_back: rules of listeners that the gateway has made observed, against what the file says.
 *
 * A rule in the store is edited; the configuration's file is its writer's. So these stand in
 * DATA/taken_back, a line each, and hold over reloads and restarts until the rule in the file
 * changes: is gone, or is observed there too. Blocks on the disk; any thread but a worker. */
#ifndef CONTROL_TAKEN_BACK_H
#define CONTROL_TAKEN_BACK_H

#include "base/arena.h"
#include "config/snapshot.h"
#include "tables/error.h"

#define TAKEN_BACK_FILE "taken_back" /* in the data directory */
/* Lines: more than a file has rules that somebody enforces in a day. */
#define TAKEN_BACK_MAX 1024u

/* All of them, texts in the arena; none is no error. ERROR_MEMORY, errors of the disk. */
must_handle enum error taken_back_read(const char *data, struct arena *arena,
                                       const struct config_taken_back **out, size_t *count);
/* Adds those that are not there. ERROR_LIMIT, as above. */
must_handle enum error taken_back_add(const char *data, const struct config_taken_back *rules,
                                      size_t count);
/* Forgets those that the file of this configuration no longer enforces. */
must_handle enum error taken_back_prune(const char *data, const struct config *config);

#endif
