/* patterns: the patterns of tables/secrets.def, compiled, and the library that finds them.
 *
 * The library is Hyperscan, or Vectorscan, which is the same interface for more processors. It is
 * opened when a scan begins and not when the program starts: a gateway never needs it, and should
 * neither wait for it at its start nor hold it in memory (docs/decisions/0049).
 *
 * patterns_open: one thread. What it made may be read by any number of threads, each with a
 * struct pattern_scan of its own. */
#ifndef LEAKS_PATTERNS_H
#define LEAKS_PATTERNS_H

#include <stdint.h>

#include "tables/error.h"
#include "tables/secrets.h"

#define PATTERNS_PROBLEM_SIZE 512u

struct patterns;
struct pattern_scan;

/* ERROR_UNSUPPORTED when the library is not there, or this processor is too old for it; `problem`
 * says which, and what to do. */
must_handle enum error patterns_open(struct patterns **out, char problem[PATTERNS_PROBLEM_SIZE]);
void patterns_close(struct patterns *patterns); /* NULL is fine */

/* A match of a kind ends at this byte of the stream. */
typedef void (*pattern_matched)(void *context, enum secret_kind kind, uint64_t end);

/* One stream of bytes after another. ERROR_MEMORY. */
must_handle enum error pattern_scan_open(const struct patterns *patterns, pattern_matched matched,
                                         void *context, struct pattern_scan **out);
void pattern_scan_close(struct pattern_scan *scan); /* NULL is fine */
/* The next bytes of the stream; calls `matched` before it returns. */
void pattern_scan_take(struct pattern_scan *scan, struct text bytes);
/* The stream has ended; the next one starts at 0. */
void pattern_scan_end(struct pattern_scan *scan);

#endif
