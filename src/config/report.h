/* report: where the reader stands in the file, for problems that say so. Used within loading only.
 *
 * One per load. The path grows and shrinks as the checker goes down and up the document. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "base/buffer.h"
#include "config/problem.h"

struct report {
    struct config_problems *problems;
    struct text yaml;   /* the whole file, for excerpts */
    struct buffer path; /* "providers.up" */
};

struct report_place {
    unsigned line, column; /* from 1; 0: the file as a whole */
};

void report_open(struct report *report, struct config_problems *problems, struct text yaml);
void report_close(struct report *report);

/* Goes down to a name or an item; returns what report_leave takes. */
size_t report_enter(struct report *report, struct text name);
size_t report_enter_item(struct report *report, size_t index);
void report_leave(struct report *report, size_t mark);

void report_error(struct report *report, struct report_place place, const char *format, ...)
    format_like(3, 4);
void report_warning(struct report *report, struct report_place place, const char *format, ...)
    format_like(3, 4);

/* Whether a value might be a secret that somebody pasted: it is then never shown. */
bool report_may_be_secret(struct text value);
/* `value` made fit for a message: quoted, cut, control characters replaced; "a value" when it may
 * be a secret. The result is valid until the fourth next call in the thread. */
const char *report_quote(struct text value);

#endif
