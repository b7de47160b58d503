#include "app/manual.h"

#include <ctype.h>
#include <stdio.h>

#include "app/paths.h"
#include "base/attributes.h"
#include "base/text.h"
#include "config/schema.h"
#include "tables/config.h"

/* ------------------------------------------------------------------ roff */

/* What a character is in roff where it does not stand for itself; NULL: it does. */
static const char *roff_of(char c, bool code)
{
    switch (c) {
    case '\\': return "\\e";
    case '\'': return "\\(aq";
    case '^': return "\\(ha";
    case '~': return "\\(ti";
    case '-': return code ? "\\-" : NULL; /* else a hyphen, which cannot be pasted as a dash */
    default: return NULL;
    }
}

/* Text within a line. What stands in backticks is bold, and, as words that start with a dash, in
 * characters that can be pasted. */
static void print_inline(struct text text)
{
    bool quoted = false, dashed = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (i == 0 || text.data[i - 1] == ' ')
            dashed = c == '-';
        if (c == '`') {
            quoted = !quoted;
            fputs(quoted ? "\\fB" : "\\fR", stdout);
            continue;
        }
        const char *special = roff_of(c, quoted || dashed);
        if (special != NULL)
            fputs(special, stdout);
        else
            putchar(c);
    }
}

/* A line of text: never a request, whatever it starts with. */
static void print_line(struct text text)
{
    if (!text_empty(text) && (text.data[0] == '.' || text.data[0] == '\''))
        fputs("\\&", stdout);
    print_inline(text);
    putchar('\n');
}

/* Every character as it is, for examples and for what is typed. */
static void print_code(struct text text)
{
    if (!text_empty(text) && text.data[0] == '.')
        fputs("\\&", stdout);
    for (size_t i = 0; i < text.length; i++) {
        const char *special = text.data[i] == '`' ? "\\(ga" : roff_of(text.data[i], true);
        if (special != NULL)
            fputs(special, stdout);
        else
            putchar(text.data[i]);
    }
}

/* Lines of `text` as they are. */
static void print_example(struct text text)
{
    printf(".EX\n");
    while (!text_empty(text)) {
        print_code(text_split(&text, '\n'));
        putchar('\n');
    }
    printf(".EE\n");
}

/* Paragraphs as output_paragraphs() takes them. */
static void print_paragraphs(const char *paragraphs)
{
    struct text rest = text_from(paragraphs);
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        if (text_empty(line))
            printf(".PP\n");
        else if (line.data[0] == ' ')
            print_example(line);
        else
            print_line(line);
    }
}

static void print_head(const char *name, const char *section, const char *summary)
{
    printf(".\\\" Made from the program's tables; do not edit.\n.TH \"");
    for (const char *c = name; *c != '\0'; c++)
        printf("%s", *c == '-' ? "\\-" : (char[]){(char)toupper((unsigned char)*c), '\0'});
    printf("\" %s \"\" \"turnpike %s\" \"Turnpike\"\n.SH NAME\n", section, TURNPIKE_VERSION);
    print_code(text_from(name));
    printf(" \\- ");
    print_line(text_from(summary));
}

/* ------------------------------------------------------------------ verbs */

static void print_synopsis(const char *path, const struct verb *verb)
{
    printf("\\fBturnpike ");
    print_code(text_from(path));
    printf("\\fR");
    const char *const parts[] = {verb->verbs ? "VERB" : NULL, verb->operands, verb->required,
                                 verb->options ? "[OPTION...]" : NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (parts[i] != NULL) {
            putchar(' ');
            print_code(text_from(parts[i]));
        }
    }
    putchar('\n');
}

static void print_option(const struct option *option)
{
    printf(".TP\n");
    if (option->letter != 0)
        printf("\\fB\\-%c\\fR, ", option->letter);
    printf("\\fB\\-\\-");
    print_code(text_from(option->name));
    printf("\\fR");
    if (option->value != NULL)
        printf(" \\fI%s\\fR", option->value);
    putchar('\n');
    print_inline(text_from(option->help));
    printf("%s\n", option->kind == OPTION_LIST ? "; may be given more than once" : "");
}

static void print_options(const struct verb *verb)
{
    for (const struct option *option = verb->options; option && option->name; option++)
        print_option(option);
}

static void print_exit_status(void)
{
    printf(".SH EXIT STATUS\n"
           "0 when what was asked for was done, 1 when it was not (standard error says why),\n"
           "2 when the command line was wrong.\n");
}

/* A verb of a verb. */
static void print_child(const char *path, const struct verb *verb)
{
    printf(".SS \"turnpike %s\"\n", path);
    print_line(text_from(verb->summary));
    printf(".PP\n");
    print_synopsis(path, verb);
    if (verb->description != NULL) {
        printf(".PP\n");
        print_paragraphs(verb->description);
    }
    print_options(verb);
    if (verb->examples != NULL) {
        printf(".PP\n");
        print_example(text_from(verb->examples));
    }
}

/* `path` is how the parent is reached. */
static void print_children(const char *parent_path, const struct verb *parent)
{
    char path[64];
    for (const struct verb *const *child = parent->verbs; *child != NULL; child++) {
        (void)snprintf(path, sizeof path, "%s %s", parent_path, (*child)->name);
        print_child(path, *child);
        if ((*child)->verbs != NULL)
            print_children(path, *child);
    }
}

void manual_print_verb(const struct verb *verb)
{
    char page[64];
    (void)snprintf(page, sizeof page, "turnpike-%s", verb->name);
    print_head(page, "1", verb->summary);
    printf(".SH SYNOPSIS\n");
    print_synopsis(verb->name, verb);
    printf(".SH DESCRIPTION\n");
    print_paragraphs(verb->description ? verb->description : verb->summary);
    if (verb->verbs != NULL) {
        printf(".SH VERBS\n");
        print_children(verb->name, verb);
    }
    printf(".SH OPTIONS\n");
    print_options(verb);
    printf(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint a summary of this page\n");
    if (verb->examples != NULL) {
        printf(".SH EXAMPLES\n");
        print_example(text_from(verb->examples));
    }
    print_exit_status();
    printf(".SH SEE ALSO\n.BR turnpike (1),\n.BR turnpike.yaml (5)\n");
}

/* ------------------------------------------------------------------ the program */

static void print_verb_list(void)
{
    printf(".SH VERBS\n");
    for (size_t i = 0; i < verb_row_count; i++) {
        const struct verb *verb = verb_rows[i].verb;
        printf(".TP\n.BR turnpike\\-%s (1)\n", verb->name);
        print_line(text_from(verb->summary));
    }
}

void manual_print_overview(void)
{
    print_head("turnpike", "1", "a gateway for language models");
    printf(".SH SYNOPSIS\n\\fBturnpike\\fR VERB [OPTION...]\n.SH DESCRIPTION\n");
    print_paragraphs("Applications reach every model through one base URL, with one kind of key. "
                     "Each call is identified, forwarded to the provider that the configuration "
                     "names, streamed back and recorded.\n"
                     "\n"
                     "`turnpike serve --quick-start` runs a gateway without a configuration, with "
                     "a model `demo` that needs no account, and prints how to call it.");
    print_verb_list();
    printf(".SH OPTIONS\n"
           ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint the list of verbs\n"
           ".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nthe same as \\fBturnpike version\\fR\n");
    print_exit_status();
    printf(".SH ENVIRONMENT\n"
           ".TP\n\\fBNO_COLOR\\fR\nwhen set and not empty, nothing is coloured\n"
           ".SH FILES\n"
           ".TP\n\\fI" DATA_DEFAULT "\\fR\nthe data directory, unless \\fB\\-\\-data\\fR names "
           "another: keys, the journal of calls, the store\n"
           ".TP\n\\fI./turnpike.yaml\\fR\nthe configuration, unless \\fB\\-\\-config\\fR names "
           "another\n"
           ".SH SEE ALSO\n.BR turnpike.yaml (5)\n");
}

/* ------------------------------------------------------------------ the configuration */

static void print_key_type(const struct config_key *key)
{
    const bool chosen = key->type == CONFIG_TYPE_CHOICE ||
                        key->type == CONFIG_TYPE_CHOICE_OR_PATH ||
                        key->type == CONFIG_TYPE_CHOICE_OR_URL;
    printf("(");
    if (!chosen)
        printf("%s", schema_type_words(key->type));
    for (struct text rest = text_from(chosen ? key->detail : NULL); rest.data;) {
        struct text word = text_split(&rest, '|');
        printf("\\fB");
        print_code(word);
        printf("\\fR%s", rest.data ? ", " : "");
    }
    if (chosen && key->type != CONFIG_TYPE_CHOICE)
        printf(" or %s", key->type == CONFIG_TYPE_CHOICE_OR_PATH ? "a path" : "a URL");
    if (key->minimum)
        printf(", %s to %s", key->minimum, key->maximum);
    if (key->flags & CONFIG_FLAG_REQUIRED)
        printf("; required");
    if (key->standard != NULL && key->standard[0] == '(') {
        printf("; default: ");
        print_inline(text_of(key->standard + 1, strlen(key->standard) - 2));
    } else if (key->standard != NULL) {
        printf("; default: \\fB");
        print_code(text_from(key->standard));
        printf("\\fR");
    }
    printf(")\n");
}

static void print_key(const struct config_key *key)
{
    printf(".TP\n\\fB");
    print_code(key->path);
    printf("\\fR\n");
    print_inline(text_from(key->description));
    printf("%s\n", key->flags & CONFIG_FLAG_RESTART ? "; takes effect at the next start" : "");
    print_key_type(key);
}

void manual_print_config(void)
{
    print_head("turnpike.yaml", "5", "configuration of turnpike");
    printf(".SH DESCRIPTION\n");
    print_paragraphs("One YAML file. `turnpike check FILE` tells everything that is wrong with "
                     "it, `turnpike schema` prints a JSON Schema for editors, `turnpike init` a "
                     "file to start from. A running server reads it again on SIGHUP and when it "
                     "changes; one with errors leaves the one in force.\n"
                     "\n"
                     "In the keys below `*` stands for a name of your choice and `[]` for an item "
                     "of a list. A duration has a unit: `250ms`, `30s`, `5m`, `2h`, `7d`. A size "
                     "is bytes or has a unit: `512`, `64KiB`, `8MiB`. A secret is only ever "
                     "referred to: `env:NAME` for an environment variable, `file:/path` for a "
                     "file. A path that does not begin with `/` starts at the folder of the "
                     "configuration file.");
    printf(".SH KEYS\n");
    for (size_t i = 0; i < config_key_count; i++)
        print_key(&config_keys[i]);
    printf(".SH SEE ALSO\n.BR turnpike (1),\n.BR turnpike\\-check (1)\n");
}
