/* problem: what is wrong with a configuration, where, and what to write instead.
 *
 * A list that its owner opens and closes; loading adds to it. One thread. */
#ifndef CONFIG_PROBLEM_H
#define CONFIG_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

#define CONFIG_PROBLEMS_MAXIMUM 50u /* shown; more than that nobody corrects in one go */

enum config_severity { CONFIG_ERROR, CONFIG_WARNING };

struct config_problem {
    enum config_severity severity;
    unsigned line, column; /* from 1; 0 when it is about the file as a whole */
    struct text path;      /* "providers.up.timeouts", may be empty */
    struct text message;   /* a sentence part, no full stop */
    struct text excerpt;   /* the line of the file, empty where it may hold a secret */
};

struct config_problems {
    struct text source; /* the file's name in messages; valid as long as the caller's */
    struct config_problem items[CONFIG_PROBLEMS_MAXIMUM];
    size_t count;         /* of items */
    size_t error_count;   /* all, shown or not */
    size_t warning_count; /* all, shown or not */
    struct arena arena;
};

void config_problems_open(struct config_problems *problems);
void config_problems_close(struct config_problems *problems);

/* `message` is copied. Errors push out warnings when the list is full. */
void config_problem_add(struct config_problems *problems, const struct config_problem *problem);

/* The lines for people, in the order of the file: "file:line:column: path: message", warnings with
 * "warning: " before the message, then the source line with a caret when `excerpts`. A last line
 * says how many more there are when the list was full. */
void config_problems_write(const struct config_problems *problems, bool excerpts,
                           struct buffer *out);
/* {"file":…,"errors":N,"warnings":N,"problems":[{"severity","line","column","path","message"}]} */
void config_problems_write_json(const struct config_problems *problems, struct buffer *out);

#endif
