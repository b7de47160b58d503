/* doctor_report: what `turnpike doctor` found, a line for each check, for people as it goes and for
 * programs at the end. Main thread. */
#ifndef APP_DOCTOR_REPORT_H
#define APP_DOCTOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum doctor_result { DOCTOR_PASS, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_RESULT_COUNT };

/* Checks of one run: a gateway with a hundred providers has some two hundred. */
#define DOCTOR_ROWS_MAX 1024u

struct doctor_row {
    enum doctor_result result;
    const char *check; /* "dns": stable */
    struct text detail, fix;
};

struct doctor_report {
    bool json, strict;
    struct text target; /* what was looked at */
    struct arena arena;
    struct doctor_row rows[DOCTOR_ROWS_MAX];
    size_t count, counts[DOCTOR_RESULT_COUNT];
};

void doctor_report_open(struct doctor_report *report, struct text target, bool json, bool strict);
void doctor_report_close(struct doctor_report *report);

/* The result of a check. `fix`: what to do, NULL with DOCTOR_PASS. Neither may hold a secret. */
void doctor_say(struct doctor_report *report, enum doctor_result result, const char *check,
                const char *fix, const char *format, ...) format_like(5, 6);
/* The closing line, or the JSON. Returns the exit code: VERB_FAILED when something failed, with
 * `strict` also when there was a warning. */
int doctor_report_finish(struct doctor_report *report);

#endif
