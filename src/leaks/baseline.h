/* baseline: secrets that are known and are not to be told again.
 *
 * A baseline is the JSON report of an earlier scan: `turnpike scan --format json PATH >
 * baseline.json`. What counts is the fingerprint of a secret, not where it is: who moves a file
 * need not make the baseline anew. A key that the gateway says is live is told all the same. */
#ifndef LEAKS_BASELINE_H
#define LEAKS_BASELINE_H

#include "leaks/leaks.h"

#define BASELINE_BYTES_MAX    (256u << 20)
#define BASELINE_PROBLEM_SIZE 512u

/* Marks what stands in the file. False with `problem`. */
must_check bool baseline_apply(struct leaks *leaks, const char *path,
                               char problem[BASELINE_PROBLEM_SIZE]);

#endif
