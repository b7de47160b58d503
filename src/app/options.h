/* options: the command line of a verb, read by a table.
 *
 * A verb describes its options once, in a static table of rows that say where in the verb's own
 * struct a value goes. Parser, help, completion and manual page are all made from it. Main thread.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTION_VALUES_MAX 256u /* of one option that may be given more than once */

/* The values of an option that may be given more than once. */
struct option_list {
    const char *values[OPTION_VALUES_MAX];
    size_t count;
};

enum option_kind {
    OPTION_FLAG, /* bool: given or not */
    OPTION_TEXT, /* const char *: the last one given; NULL without */
    OPTION_LIST, /* struct option_list */
    OPTION_WIDE  /* a flag that output.c hears, not the verb */
};

/* What the shell offers as the value. */
enum option_completion { OPTION_ANY, OPTION_FILE, OPTION_DIRECTORY };

struct option {
    const char *name; /* without dashes */
    enum option_kind kind;
    size_t offset;     /* of the member of the verb's struct: use the macros below */
    const char *value; /* what stands for the value in the help, "DIR"; NULL for a flag */
    const char *help;  /* one sentence, no full stop; the default in brackets */
    enum option_completion completion;
    char letter; /* "-f" beside "--follow", for the few that everybody types; 0: none */
};

#define OPTION_FLAG_ROW(name, type, member, help) \
    OPTION_FLAG_LETTER_ROW(0, name, type, member, help)
#define OPTION_TEXT_ROW(name, type, member, value, help, completion) \
    OPTION_TEXT_LETTER_ROW(0, name, type, member, value, help, completion)
#define OPTION_FLAG_LETTER_ROW(letter, name, type, member, help)                  \
    {                                                                             \
        name, OPTION_FLAG, offsetof(type, member), NULL, help, OPTION_ANY, letter \
    }
#define OPTION_TEXT_LETTER_ROW(letter, name, type, member, value, help, completion) \
    {                                                                               \
        name, OPTION_TEXT, offsetof(type, member), value, help, completion, letter  \
    }
#define OPTION_LIST_ROW(name, type, member, value, help)                      \
    {                                                                         \
        name, OPTION_LIST, offsetof(type, member), value, help, OPTION_ANY, 0 \
    }
/* Of verbs that print tables. */
#define OPTION_WIDE_ROW                                                                     \
    {                                                                                       \
        "wide", OPTION_WIDE, 0, NULL, "print tables whole, however narrow the terminal is", \
            OPTION_ANY, 0                                                                   \
    }
/* Ends a table. */
#define OPTION_END                                      \
    {                                                   \
        NULL, OPTION_FLAG, 0, NULL, NULL, OPTION_ANY, 0 \
    }

#define OPTION_PROBLEM_SIZE 256u

static inline bool option_takes_value(const struct option *option)
{
    return option->kind == OPTION_TEXT || option->kind == OPTION_LIST;
}

enum options_result {
    OPTIONS_OK,
    OPTIONS_HELP, /* --help or -h was given: the rest was not looked at */
    OPTIONS_WRONG /* `problem` says what, with the nearest right word */
};

/* Reads `arguments` (after the verb's name). "--name value", "--name=value", "-n value", "-nvalue",
 * "-fn value", and "--" before what starts with a dash and is no option; options and operands may
 * be mixed. `options` may be NULL (no
 * options); `values` is the verb's struct, zeroed. Operands are left in front of `arguments`, their
 * count in `operands`. Texts point into `arguments`. */
enum options_result options_parse(const struct option *options, void *values, int count,
                                  char **arguments, size_t *operands,
                                  char problem[OPTION_PROBLEM_SIZE]);

#endif
