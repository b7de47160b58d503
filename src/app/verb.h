/* verb: what `turnpike` can be told to do; one file each, one row each in app/verbs.def.
 *
 * A verb's file defines `const struct verb verb_NAME`. Whoever calls `run` has parsed the command
 * line with the verb's table and has checked the number of operands. Main thread. */
#ifndef APP_VERB_H
#define APP_VERB_H

#include "app/options.h"

enum verb_exit {
    VERB_OK = 0,
    VERB_FAILED = 1, /* what was asked for did not work; stderr says why */
    VERB_USAGE = 2   /* the command line was wrong */
};

struct verb_call {
    const struct verb *verb;
    const void *options; /* the verb's struct, options_size bytes, filled in */
    char *const *operands;
    size_t operand_count;
};

struct verb {
    const char *name;    /* "key" */
    const char *summary; /* one line, no full stop */
    /* Operands as the usage line shows them, "ID [WHEN]"; NULL: none. */
    const char *operands;
    size_t operands_min, operands_max;
    const char *required; /* options that must be given, as the usage line shows them; NULL: none */
    const struct option *options; /* ends with OPTION_END; NULL: none */
    size_t options_size;          /* of the verb's struct; 0 without options */
    const char *description; /* paragraphs for help and manual page; NULL: the summary is enough */
    const char *examples;    /* lines "turnpike …", each with a comment behind two spaces and # */
    int (*run)(const struct verb_call *call); /* NULL when it has verbs of its own */
    const struct verb *const *verbs; /* "key create" and so on, ends with NULL; NULL: none */
};

/* Prints "turnpike: " and the message to stderr and returns VERB_FAILED, to be returned by `run`.
 */
int verb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong command line: adds the usage line, returns VERB_USAGE. */
int verb_misused(const struct verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The verbs of app/verbs.def in their order; `group` is the heading they stand under. */
struct verb_row {
    const struct verb *verb;
    const char *group;
};
extern const struct verb_row verb_rows[];
extern const size_t verb_row_count;

/* What main() does: finds the verb, parses, runs. Returns the exit code. */
int verb_main(int argument_count, char **arguments);
/* The help of one verb (its name path, "key create", in `path`) on stdout. */
void verb_print_help(const char *path, const struct verb *verb);
/* The list of verbs on stdout. */
void verb_print_overview(void);

#endif
