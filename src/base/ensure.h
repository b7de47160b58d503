/* ensure: programming errors stop the process, always, with what was going on.
 *
 * A thread may name the work at hand (an exchange, a connection) so that the message shows it.
 * Never for bad input: bad input has an error code. */
#ifndef BASE_ENSURE_H
#define BASE_ENSURE_H

#include <stddef.h>

#include "base/attributes.h"

/* Stops the process with file, line, the condition and the thread's current work. */
#define ensure(condition)                                  \
    do {                                                   \
        if (__builtin_expect(!(condition), 0))             \
            ensure_failed(__FILE__, __LINE__, #condition); \
    } while (0)

does_not_return void ensure_failed(const char *file, int line, const char *condition);
/* For malloc and friends: prints and stops when `pointer` is NULL, else returns it. The process's
 * own few allocations at start use it; memory on behalf of a caller comes from arenas and buffers
 * that can fail. */
void *ensure_memory(void *pointer);

/* Describes the thread's current work into `out` for the message of a failed ensure. The pair is
 * per thread; NULL describes nothing. */
typedef void (*ensure_describe)(const void *work, char *out, size_t size);
void ensure_set_work(ensure_describe describe, const void *work);

#endif
