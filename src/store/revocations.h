/* revocations: DATA/revocations, the list of revoked keys that needs no database.
 *
 * `turnpike key revoke` appends here first, one line with a checksum, written in one call and
 * synced to disk; the server watches the file. So a revocation holds whatever state the store is
 * in. Lines are never changed or removed. One line:
 *
 *   ID SP TIME SP CRC SP REASON LF
 *
 * TIME in milliseconds since 1970, CRC the CRC-32 of "ID SP TIME SP REASON" in eight hexadecimal
 * digits; REASON without control characters, perhaps empty. A line that fails its checksum (a torn
 * write: then the command has said that it failed) is skipped and counted.
 *
 * Any process may append while others read; a reader's position belongs to one thread. */
#ifndef STORE_REVOCATIONS_H
#define STORE_REVOCATIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "tables/error.h"

#define REVOCATIONS_FILE       "revocations" /* in the data directory */
#define REVOCATIONS_REASON_MAX 200u
#define REVOCATIONS_LINE_MAX   512u

struct revocation {
    struct text id;
    uint64_t time; /* wall-clock nanoseconds */
    struct text reason;
};

/* Appends to the file at `path` (made with mode 0600 if missing) and syncs. The reason is cut and
 * its control characters replaced. Any process. ERROR_DISK_FULL, ERROR_SYSTEM (errno tells). */
must_handle enum error revocations_append(const char *path, const struct revocation *revocation);

/* How far a reader has come in the file. Zero it before the first read. */
struct revocations_position {
    dev_t device;
    ino_t inode;
    off_t offset;
    uint64_t damaged; /* lines skipped */
};

/* Calls `found` for each line that is complete and new since `position`; a file that was replaced
 * or has become shorter is read from its start. One stat when nothing is new; a missing file has no
 * lines. ERROR_SYSTEM (errno tells), ERROR_MEMORY. */
must_handle enum error revocations_read(const char *path, struct revocations_position *position,
                                        void (*found)(void *context,
                                                      const struct revocation *revocation),
                                        void *context);

#endif
