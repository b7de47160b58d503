/* scan_print: what was found, for people. Main thread. */
#ifndef APP_SCAN_PRINT_H
#define APP_SCAN_PRINT_H

#include "leaks/report.h"

/* A line for each on stdout, as compilers write them: FILE:LINE:COLUMN: what. */
void scan_print_leaks(const struct leaks *leaks, report_wants wants);
/* What was looked at and found, on stderr, and what can be done now. */
void scan_print_summary(const struct leaks *leaks, report_wants wants,
                        const struct report_summary *summary);

#endif
