/* report: what was found, for programs. Nothing of a secret is in it but the part that may be
 * shown. */
#ifndef LEAKS_REPORT_H
#define LEAKS_REPORT_H

#include "base/buffer.h"
#include "leaks/leaks.h"

#define REPORT_MAX ((size_t)1 << 30) /* bytes: LEAKS_MAX rows of 1 KB, and long paths */

struct report_summary {
    uint64_t files, bytes, unread;
    uint64_t milliseconds;
    bool shallow; /* git has only a part of the history here */
};

/* Whether a row is in the report. */
typedef bool (*report_wants)(const struct leak *leak);

/* One JSON object, as docs/leaked-keys.md describes it; also what --baseline reads. */
void report_write_json(const struct leaks *leaks, report_wants wants,
                       const struct report_summary *summary, struct buffer *out);
/* SARIF 2.1.0 (OASIS standard of 27 March 2020): what code hosts show beside the code. */
void report_write_sarif(const struct leaks *leaks, report_wants wants,
                        const struct report_summary *summary, struct buffer *out);

#endif
