/* clock: what time is it, as two kinds that must not be mixed. Any thread.
 *
 * Monotonic time measures waits; wall time goes into records. Both are nanoseconds. Code that runs
 * on a loop asks the loop (net/loop.h) instead, so that tests can turn the clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NANOSECONDS_PER_MILLISECOND 1000000ull
#define NANOSECONDS_PER_SECOND      1000000000ull

/* Since an arbitrary start; never goes back. */
uint64_t clock_monotonic(void);
/* Since 1970-01-01T00:00:00Z. */
uint64_t clock_wall(void);

#define CLOCK_RFC3339_SIZE 32
/* "2026-11-22T18:17:03.123456Z" into `out` with a NUL; returns the length. */
size_t clock_format_rfc3339(uint64_t wall, char out[CLOCK_RFC3339_SIZE]);

#define CLOCK_HTTP_SIZE 30
/* "Sun, 22 Nov 2026 18:17:03 GMT", as the header Date has it (RFC 9110 section 5.6.7), with a NUL.
 */
void clock_format_http(uint64_t wall, char out[CLOCK_HTTP_SIZE]);

#endif
