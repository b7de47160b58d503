/* turnpike completion: scripts for shells, made from the tables of verbs and options.
 *
 * Each shell gets one list of rows, "where you are: what may come"; where you are is "", a verb, or
 * a verb and its child, or the child's child. */
#include "app/verb.h"
#include "base/attributes.h"
#include "base/ensure.h"
#include "base/text.h"

struct place {
    char path[64];           /* "", "key", "key create", "admin key create" */
    const struct verb *verb; /* NULL at the top */
};

static void visit_below(const struct place *parent, void (*visit)(const struct place *place))
{
    for (const struct verb *const *child = parent->verb->verbs; child && *child; child++) {
        struct place place = {.verb = *child};
        int length = snprintf(place.path, sizeof place.path, "%s %s", parent->path, (*child)->name);
        ensure((size_t)length < sizeof place.path);
        visit(&place);
        visit_below(&place, visit);
    }
}

/* Calls `visit` with the top, each verb, and what is below it. */
static void visit_places(void (*visit)(const struct place *place))
{
    struct place top = {"", NULL};
    visit(&top);
    for (size_t i = 0; i < verb_row_count; i++) {
        struct place place = {.verb = verb_rows[i].verb};
        (void)snprintf(place.path, sizeof place.path, "%s", verb_rows[i].verb->name);
        visit(&place);
        visit_below(&place, visit);
    }
}

static unsigned count_words(const char *path)
{
    unsigned words = *path != '\0';
    for (; *path != '\0'; path++)
        words += *path == ' ';
    return words;
}

/* In single quotes of a shell; our texts may hold an apostrophe. */
static void print_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

/* An operand that is one of a few words, "bash|zsh|fish", each in `format`. */
static void print_choices(const struct verb *verb, const char *format)
{
    struct text rest = text_from(verb->operands);
    if (text_find_char(rest, '|') < 0)
        return;
    while (rest.data != NULL) {
        struct text word = text_split(&rest, '|');
        printf(format, TEXT_ARG(word));
    }
}

/* What to do after an option that takes a value, for a `case` of "PLACE OPTION". */
static void print_value_case(const struct place *place, const struct option *option,
                             const char *action)
{
    if (!option_takes_value(option))
        return;
    printf("    '%s --%s'", place->path, option->name);
    if (option->letter != 0)
        printf("|'%s -%c'", place->path, option->letter);
    printf(") %s ;;\n", action);
}

/* ------------------------------------------------------------------ bash */

static void print_bash_row(const struct place *place)
{
    printf("    '%s') words='", place->path);
    if (place->verb == NULL) {
        for (size_t i = 0; i < verb_row_count; i++)
            printf("%s ", verb_rows[i].verb->name);
        printf("--version -V ");
    } else {
        for (const struct verb *const *child = place->verb->verbs; child && *child; child++)
            printf("%s ", (*child)->name);
        print_choices(place->verb, "%.*s ");
        for (const struct option *option = place->verb->options; option && option->name; option++) {
            printf("--%s ", option->name);
            if (option->letter != 0)
                printf("-%c ", option->letter);
        }
    }
    printf("--help -h' ;;\n");
}

static void print_bash_values(const struct place *place)
{
    static const char *const actions[] = {[OPTION_ANY] = "return",
                                          [OPTION_FILE] = "compopt -o default; return",
                                          [OPTION_DIRECTORY] = "compopt -o dirnames; return"};
    if (place->verb == NULL)
        return;
    for (const struct option *option = place->verb->options; option && option->name; option++) {
        print_value_case(place, option, actions[option->completion]);
    }
}

/* Where a verb has verbs of its own, the next word tells where we are; parents come first. */
static void print_bash_step(const struct place *place)
{
    unsigned words = count_words(place->path);
    if (place->verb != NULL && place->verb->verbs != NULL)
        printf("    [ \"$at\" != '%s' ] || [ \"$COMP_CWORD\" -le %u ] || "
               "at=\"$at ${COMP_WORDS[%u]}\"\n",
               place->path, words + 1, words + 1);
}

static void print_bash(void)
{
    printf("# bash completion for turnpike: source <(turnpike completion bash)\n"
           "_turnpike() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local at=${COMP_WORDS[1]} words=''\n"
           "    COMPREPLY=()\n"
           "    [ \"$COMP_CWORD\" -gt 1 ] || at=''\n");
    visit_places(print_bash_step);
    printf("    case \"$at $previous\" in\n");
    visit_places(print_bash_values);
    printf("    esac\n    case $at in\n");
    visit_places(print_bash_row);
    printf("    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
           "}\n"
           "complete -o bashdefault -F _turnpike turnpike\n");
}

/* ------------------------------------------------------------------ zsh */

static void print_zsh_word(const char *dashes, const char *name, const char *help)
{
    printf(" '%s%s:", dashes, name);
    print_quoted(help);
    putchar('\'');
}

static void print_zsh_row(const struct place *place)
{
    printf("    '%s') words=(", place->path);
    if (place->verb == NULL) {
        for (size_t i = 0; i < verb_row_count; i++)
            print_zsh_word("", verb_rows[i].verb->name, verb_rows[i].verb->summary);
    } else {
        for (const struct verb *const *child = place->verb->verbs; child && *child; child++)
            print_zsh_word("", (*child)->name, (*child)->summary);
        print_choices(place->verb, " '%.*s'");
        for (const struct option *option = place->verb->options; option && option->name; option++) {
            const char letter[] = {option->letter, '\0'};
            print_zsh_word("--", option->name, option->help);
            if (option->letter != 0)
                print_zsh_word("-", letter, option->help);
        }
    }
    printf(" '--help:say how to use it' '-h:say how to use it') ;;\n");
}

static void print_zsh_values(const struct place *place)
{
    static const char *const actions[] = {[OPTION_ANY] = "return",
                                          [OPTION_FILE] = "_files; return",
                                          [OPTION_DIRECTORY] = "_files -/; return"};
    if (place->verb == NULL)
        return;
    for (const struct option *option = place->verb->options; option && option->name; option++) {
        print_value_case(place, option, actions[option->completion]);
    }
}

static void print_zsh_step(const struct place *place)
{
    unsigned words = count_words(place->path);
    if (place->verb != NULL && place->verb->verbs != NULL)
        printf("    [ \"$at\" = '%s' ] && [ $CURRENT -gt %u ] && at=\"$at ${words[%u]}\"\n",
               place->path, words + 2, words + 2);
}

static void print_zsh(void)
{
    printf("#compdef turnpike\n"
           "# zsh completion for turnpike: source <(turnpike completion zsh)\n"
           "_turnpike() {\n"
           "    local at='' previous=${words[CURRENT-1]}\n"
           "    [ $CURRENT -gt 2 ] && at=${words[2]}\n");
    visit_places(print_zsh_step);
    printf("    local -a words\n    case \"$at $previous\" in\n");
    visit_places(print_zsh_values);
    printf("    esac\n    case $at in\n");
    visit_places(print_zsh_row);
    printf(
        "    esac\n"
        "    _describe 'turnpike' words\n"
        "}\n"
        "if [ \"${funcstack[1]}\" = _turnpike ]; then _turnpike; else compdef _turnpike turnpike; "
        "fi\n");
}

/* ------------------------------------------------------------------ fish */

/* True when all words of `path` were given, and none of its children. */
static void print_fish_condition(const struct place *place)
{
    struct text rest = text_from(place->path);
    printf("complete -c turnpike -n '");
    if (place->verb == NULL)
        printf("__fish_use_subcommand");
    for (const char *gap = ""; place->verb != NULL && rest.data != NULL; gap = "; and ") {
        struct text word = text_split(&rest, ' ');
        printf("%s__fish_seen_subcommand_from %.*s", gap, TEXT_ARG(word));
    }
    printf("' ");
}

static void print_fish_word(const struct place *place, const struct verb *verb)
{
    print_fish_condition(place);
    printf("-f -a '%s' -d '", verb->name);
    print_quoted(verb->summary);
    printf("'\n");
}

static void print_fish_rows(const struct place *place)
{
    if (place->verb == NULL) {
        for (size_t i = 0; i < verb_row_count; i++)
            print_fish_word(place, verb_rows[i].verb);
        return;
    }
    for (const struct verb *const *child = place->verb->verbs; child && *child; child++)
        print_fish_word(place, *child);
    if (text_find_char(text_from(place->verb->operands), '|') >= 0) {
        print_fish_condition(place);
        printf("-f -a '");
        print_choices(place->verb, "%.*s ");
        printf("'\n");
    }
    for (const struct option *option = place->verb->options; option && option->name; option++) {
        print_fish_condition(place);
        if (option->letter != 0)
            printf("-s '%c' ", option->letter);
        printf("-l '%s' %s-d '", option->name,
               !option_takes_value(option)        ? "-f "
               : option->completion == OPTION_ANY ? "-x "
                                                  : "-r ");
        print_quoted(option->help);
        printf("'\n");
    }
}

static void print_fish(void)
{
    printf("# fish completion for turnpike: turnpike completion fish | source\n"
           "complete -c turnpike -s h -l help -f -d 'say how to use it'\n");
    visit_places(print_fish_rows);
}

/* ------------------------------------------------------------------ the verb */

static int completion_run(const struct verb_call *call)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < ARRAY_LENGTH(shells); i++) {
        if (text_equal(text_from(call->operands[0]), text_from(shells[i].shell))) {
            shells[i].print();
            return VERB_OK;
        }
    }
    return verb_misused(call->verb, "'%.60s' is none of bash, zsh, fish", call->operands[0]);
}

const struct verb verb_completion = {
    .name = "completion",
    .summary = "Print a completion script for a shell",
    .operands = "bash|zsh|fish",
    .operands_min = 1,
    .operands_max = 1,
    .examples = "source <(turnpike completion bash)\n"
                "turnpike completion fish > ~/.config/fish/completions/turnpike.fish",
    .run = completion_run,
};
