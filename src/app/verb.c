/* From the command line to a verb, and the help that is made from the tables. */
#include "app/verb.h"

#include <stdarg.h>
#include <unistd.h>

#include "app/manual.h"
#include "app/output.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "base/text.h"

#define MESSAGE_SIZE     2048u
#define PATH_MAX_LENGTH  64u /* "admin key create" */
#define OPTION_COLUMN    26u /* where the explanation of an option starts */
#define OPTION_HELP_SIZE 256u
#define NAME_COLUMN      18u

static char running[PATH_MAX_LENGTH] = ""; /* "key create", for messages */

/* A line on stderr. A message may quote what somebody typed or a file holds: control characters of
 * that are not for the terminal. */
static void say(const char *prefix, const char *format, va_list arguments)
{
    char message[MESSAGE_SIZE];
    fflush(stdout);
    (void)vsnprintf(message, sizeof message, format, arguments);
    size_t kept = 0, length = strlen(message);
    for (size_t i = 0, unshown; i < length; i += unshown ? unshown : 1) {
        unshown = message[i] == '\n' ? 0 : output_unshown(text_of(message + i, length - i));
        message[kept++] = unshown ? '?' : message[i];
    }
    message[kept] = '\0';
    fprintf(stderr, "turnpike%s%s: %s\n", *prefix ? " " : "", prefix, message);
}

int verb_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
    return VERB_FAILED;
}

static void print_usage_line(FILE *out, const char *path, const struct verb *verb)
{
    fprintf(out, "usage: turnpike %s%s%s%s%s%s%s\n", path, verb->verbs ? " VERB" : "",
            verb->operands ? " " : "", verb->operands ? verb->operands : "",
            verb->required ? " " : "", verb->required ? verb->required : "",
            verb->options ? " [OPTION...]" : "");
}

int verb_misused(const struct verb *verb, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(running, format, arguments);
    va_end(arguments);
    print_usage_line(stderr, running, verb);
    fprintf(stderr, "`turnpike %s --help` says more\n", running);
    return VERB_USAGE;
}

/* ------------------------------------------------------------------ help */

static void print_heading(const char *heading)
{
    printf("\n%s%s:%s\n", output_style_begin(STYLE_BOLD), heading, output_style_end(STYLE_BOLD));
}

/* "name", then its explanation from `column` on. */
static void print_item(const char *name, unsigned column, const char *explanation)
{
    size_t used = 2 + strlen(name);
    printf("  %s", name);
    if (used + 2 > column)
        printf("\n%*s", (int)column, "");
    else
        printf("%*s", (int)(column - used), "");
    output_paragraphs(text_from(explanation), column);
}

static void print_option(const struct option *option)
{
    char left[64], letter[8] = "    ", help[OPTION_HELP_SIZE];
    if (option->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
                   option->value ? option->value : "");
    (void)snprintf(help, sizeof help, "%s%s", option->help,
                   option->kind == OPTION_LIST ? "; may be given more than once" : "");
    print_item(left, OPTION_COLUMN, help);
}

static void print_options(const struct option *options)
{
    print_heading("options");
    for (const struct option *option = options; option != NULL && option->name != NULL; option++)
        print_option(option);
    print_item("-h, --help", OPTION_COLUMN, "print this text");
}

static void print_examples(const char *examples)
{
    struct text rest = text_from(examples);
    print_heading("examples");
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        printf("  %.*s\n", TEXT_ARG(line));
    }
}

void verb_print_help(const char *path, const struct verb *verb)
{
    printf("turnpike %s: %s\n\n", path, verb->summary);
    print_usage_line(stdout, path, verb);
    if (verb->description != NULL) {
        putchar('\n');
        output_paragraphs(text_from(verb->description), 0);
    }
    if (verb->verbs != NULL) {
        print_heading("verbs");
        for (const struct verb *const *child = verb->verbs; *child != NULL; child++)
            print_item((*child)->name, NAME_COLUMN, (*child)->summary);
    }
    print_options(verb->options);
    if (verb->examples != NULL)
        print_examples(verb->examples);
    if (verb->verbs != NULL)
        printf("\n`turnpike %s VERB --help` says more about one of them.\n", path);
}

void verb_print_overview(void)
{
    const char *group = "";
    printf("turnpike: a gateway for language models\n\nusage: turnpike VERB [OPTION...]\n");
    for (size_t i = 0; i < verb_row_count; i++) {
        const struct verb_row *row = &verb_rows[i];
        if (!text_equal(text_from(group), text_from(row->group))) {
            group = row->group;
            print_heading(group);
        }
        print_item(row->verb->name, NAME_COLUMN, row->verb->summary);
    }
    print_heading("options");
    print_item("-h, --help", NAME_COLUMN, "print this text");
    print_item("-V, --version", NAME_COLUMN, "say what this is");
    printf("\n`turnpike help VERB` says more about one of them.\n");
}

/* ------------------------------------------------------------------ finding */

static const struct verb *find_top(struct text name)
{
    for (size_t i = 0; i < verb_row_count; i++) {
        if (text_equal(text_from(verb_rows[i].verb->name), name))
            return verb_rows[i].verb;
    }
    return NULL;
}

static const struct verb *find_child(const struct verb *parent, struct text name)
{
    for (const struct verb *const *child = parent->verbs; *child != NULL; child++) {
        if (text_equal(text_from((*child)->name), name))
            return *child;
    }
    return NULL;
}

/* Keeps the nearer of `best` and `name`. */
static void consider(struct text wanted, const char *name, const char **best, size_t *distance)
{
    size_t limit = wanted.length / 3 + 1;
    size_t this_distance = text_edit_distance(text_from(name), wanted, limit);
    if (this_distance <= limit && this_distance < *distance) {
        *best = name;
        *distance = this_distance;
    }
}

/* `parent` is NULL for the top; `path` is how it is reached, "key". */
static int unknown_verb(const struct verb *parent, const char *path, const char *name)
{
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    if (parent == NULL) {
        for (size_t i = 0; i < verb_row_count; i++)
            consider(text_from(name), verb_rows[i].verb->name, &best, &distance);
    } else {
        for (const struct verb *const *child = parent->verbs; *child != NULL; child++)
            consider(text_from(name), (*child)->name, &best, &distance);
    }
    const char *above = path, *gap = parent ? " " : "";
    if (best != NULL)
        (void)verb_fail("there is no verb '%s%s%.60s'; did you mean '%s%s%s'?", above, gap, name,
                        above, gap, best);
    else
        (void)verb_fail("there is no verb '%s%s%.60s'", above, gap, name);
    fprintf(stderr, "`turnpike help%s%s` lists them\n", gap, above);
    return VERB_USAGE;
}

/* ------------------------------------------------------------------ running */

static int check_operands(const struct verb *verb, size_t count, char **arguments)
{
    if (count < verb->operands_min)
        return verb_misused(verb, "%s is missing", verb->operands);
    if (count > verb->operands_max)
        return verb_misused(verb, "'%.60s' is one argument too many",
                            arguments[verb->operands_max]);
    return VERB_OK;
}

/* What was printed but could not be written (a full disk behind a redirection) is a failure. */
static int finish_output(int exit_code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return exit_code;
    return verb_fail("the output could not be written");
}

static int run(const struct verb *verb, int count, char **arguments)
{
    char problem[OPTION_PROBLEM_SIZE];
    size_t operand_count;
    void *values = ensure_memory(calloc(1, verb->options_size ? verb->options_size : 1));
    int exit_code;
    switch (options_parse(verb->options, values, count, arguments, &operand_count, problem)) {
    case OPTIONS_HELP:
        verb_print_help(running, verb);
        exit_code = VERB_OK;
        break;
    case OPTIONS_WRONG: exit_code = verb_misused(verb, "%s", problem); break;
    default: {
        const struct verb_call call = {verb, values, arguments, operand_count};
        exit_code = check_operands(verb, operand_count, arguments);
        if (exit_code == VERB_OK)
            exit_code = verb->run(&call);
    }
    }
    free(values);
    return finish_output(exit_code);
}

/* `path` is with the name of the verb below. */
static void descend(char path[PATH_MAX_LENGTH], const struct verb *verb)
{
    size_t length = strlen(path);
    (void)snprintf(path + length, PATH_MAX_LENGTH - length, "%s%s", length ? " " : "", verb->name);
}

/* A verb that has verbs of its own; `running` is its path. */
static int run_child(const struct verb *parent, int count, char **arguments)
{
    bool asked = count > 0 && (text_equal(text_from(arguments[0]), TEXT("--help")) ||
                               text_equal(text_from(arguments[0]), TEXT("-h")));
    if (asked) {
        verb_print_help(running, parent);
        return finish_output(VERB_OK);
    }
    if (count == 0) {
        verb_print_help(running, parent);
        fflush(stdout);
        fprintf(stderr, "turnpike %s: say which of these verbs\n", running);
        return finish_output(VERB_USAGE);
    }
    const struct verb *verb = find_child(parent, text_from(arguments[0]));
    if (verb == NULL)
        return unknown_verb(parent, running, arguments[0]);
    descend(running, verb);
    if (verb->verbs != NULL)
        return run_child(verb, count - 1, arguments + 1);
    return run(verb, count - 1, arguments + 1);
}

int verb_main(int argument_count, char **arguments)
{
    /* What people type to find their way. */
    static const struct {
        const char *given, *meant;
    } aliases[] = {{"--help", "help"},
                   {"-h", "help"},
                   {"--version", "version"},
                   {"-V", "version"},
                   {"-v", "version"}};
    /* As git does: the help, and no success, as nothing was done. */
    if (argument_count < 2) {
        verb_print_overview();
        return finish_output(VERB_USAGE);
    }
    const char *name = arguments[1];
    for (size_t i = 0; i < ARRAY_LENGTH(aliases); i++) {
        if (text_equal(text_from(name), text_from(aliases[i].given)))
            name = aliases[i].meant;
    }
    const struct verb *verb = find_top(text_from(name));
    if (verb == NULL)
        return unknown_verb(NULL, "", name);
    descend(running, verb);
    if (verb->verbs != NULL)
        return run_child(verb, argument_count - 2, arguments + 2);
    return run(verb, argument_count - 2, arguments + 2);
}

/* ------------------------------------------------------------------ turnpike help */

struct help_options {
    bool man;
};

static const struct option help_option_rows[] = {
    OPTION_FLAG_ROW("man", struct help_options, man, "print the manual page instead"),
    OPTION_END,
};

static int print_manual(const struct verb_call *call)
{
    const struct verb *verb = NULL;
    if (call->operand_count > 0) {
        verb = find_top(text_from(call->operands[0]));
        if (verb == NULL)
            return unknown_verb(NULL, "", call->operands[0]);
    }
    if (verb == NULL)
        manual_print_overview();
    else
        manual_print_verb(verb);
    return VERB_OK;
}

static int help_run(const struct verb_call *call)
{
    if (((const struct help_options *)call->options)->man)
        return print_manual(call);
    if (call->operand_count == 0) {
        verb_print_overview();
        return VERB_OK;
    }
    const struct verb *verb = find_top(text_from(call->operands[0]));
    if (verb == NULL)
        return unknown_verb(NULL, "", call->operands[0]);
    char path[PATH_MAX_LENGTH] = "";
    descend(path, verb);
    for (size_t i = 1; i < call->operand_count; i++) {
        const struct verb *child =
            verb->verbs ? find_child(verb, text_from(call->operands[i])) : NULL;
        if (child == NULL)
            return verb->verbs ? unknown_verb(verb, path, call->operands[i])
                               : verb_misused(call->verb, "'%s' has no verbs of its own", path);
        descend(path, child);
        verb = child;
    }
    verb_print_help(path, verb);
    return VERB_OK;
}

const struct verb verb_help = {
    .name = "help",
    .summary = "Say how to use one of these",
    .operands = "[VERB [VERB...]]",
    .operands_max = 3,
    .options = help_option_rows,
    .options_size = sizeof(struct help_options),
    .examples = "turnpike help key\n"
                "turnpike help key create\n"
                "turnpike help --man key | man -l -",
    .run = help_run,
};
