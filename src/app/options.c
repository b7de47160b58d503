#include "app/options.h"

#include "app/output.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "base/text.h"

/* "did you mean" for words that are a third wrong at most. */
static const struct option *find_nearest(const struct option *options, struct text name)
{
    const struct option *nearest = NULL;
    size_t limit = name.length / 3 + 1, best = limit + 1;
    for (const struct option *option = options; option != NULL && option->name != NULL; option++) {
        size_t distance = text_edit_distance(text_from(option->name), name, limit);
        if (distance < best) {
            best = distance;
            nearest = option;
        }
    }
    return nearest;
}

static const struct option *find_option(const struct option *options, struct text name)
{
    for (const struct option *option = options; option != NULL && option->name != NULL; option++) {
        if (text_equal(text_from(option->name), name))
            return option;
    }
    return NULL;
}

static enum options_result unknown_option(const struct option *options, struct text name,
                                          char *problem)
{
    const struct option *nearest = find_nearest(options, name);
    (void)snprintf(problem, OPTION_PROBLEM_SIZE, "there is no option --%.*s%s%s%s",
                   name.length > 60 ? 60 : (int)name.length, name.data,
                   nearest ? "; did you mean --" : "", nearest ? nearest->name : "",
                   nearest ? "?" : "");
    return OPTIONS_WRONG;
}

/* Puts a value where the row says; NULL for a flag. */
static bool store_value(const struct option *option, void *values, const char *value, char *problem)
{
    void *member = (char *)values + option->offset;
    if (option->kind == OPTION_WIDE) {
        output_set_wide();
        return true;
    }
    if (option->kind == OPTION_FLAG) {
        *(bool *)member = true;
        return true;
    }
    if (option->kind == OPTION_TEXT) {
        *(const char **)member = value;
        return true;
    }
    struct option_list *list = member;
    if (list->count == OPTION_VALUES_MAX) {
        (void)snprintf(problem, OPTION_PROBLEM_SIZE, "--%s is given more than %u times",
                       option->name, OPTION_VALUES_MAX);
        return false;
    }
    list->values[list->count++] = value;
    return true;
}

/* One option at arguments[*at]; moves *at on when the value is the next argument. */
static enum options_result take_option(const struct option *options, void *values, int count,
                                       char **arguments, int *at, char *problem)
{
    struct text rest = text_from(arguments[*at] + 2);
    struct text name = text_split(&rest, '=');
    const struct option *option = find_option(options, name);
    if (option == NULL)
        return unknown_option(options, name, problem);
    const char *value = rest.data;
    if (!option_takes_value(option) && value != NULL) {
        (void)snprintf(problem, OPTION_PROBLEM_SIZE, "--%s takes no value", option->name);
        return OPTIONS_WRONG;
    }
    if (option_takes_value(option) && value == NULL) {
        if (*at + 1 >= count) {
            (void)snprintf(problem, OPTION_PROBLEM_SIZE, "--%s needs a value: --%s %s",
                           option->name, option->name, option->value);
            return OPTIONS_WRONG;
        }
        value = arguments[++*at];
    }
    return store_value(option, values, value, problem) ? OPTIONS_OK : OPTIONS_WRONG;
}

/* The option with this letter, or with this first letter (`exact` false), as a suggestion. */
static const struct option *find_letter(const struct option *options, char letter, bool exact)
{
    for (const struct option *option = options; option != NULL && option->name != NULL; option++) {
        if (letter == (exact ? option->letter : option->name[0]))
            return option;
    }
    return NULL;
}

static enum options_result unknown_letter(const struct option *options, const char *argument,
                                          char letter, char *problem)
{
    const struct option *meant = find_option(options, text_from(argument + 1));
    if (meant == NULL)
        meant = find_letter(options, letter, false);
    (void)snprintf(problem, OPTION_PROBLEM_SIZE, "there is no option %.60s%s%s%s", argument,
                   meant ? "; did you mean --" : "", meant ? meant->name : "", meant ? "?" : "");
    return OPTIONS_WRONG;
}

/* The letters at arguments[*at]: flags, the last one perhaps with a value, in the same argument or
 * in the next one. */
static enum options_result take_letters(const struct option *options, void *values, int count,
                                        char **arguments, int *at, char *problem)
{
    const char *argument = arguments[*at];
    for (const char *letter = argument + 1; *letter != '\0'; letter++) {
        const struct option *option = find_letter(options, *letter, true);
        if (option == NULL && *letter == 'h')
            return OPTIONS_HELP;
        if (option == NULL)
            return unknown_letter(options, argument, *letter, problem);
        if (!option_takes_value(option)) {
            (void)store_value(option, values, NULL, problem);
            continue;
        }
        const char *value = letter[1] != '\0' ? letter + 1 : NULL;
        if (value == NULL && *at + 1 < count)
            value = arguments[++*at];
        if (value == NULL) {
            (void)snprintf(problem, OPTION_PROBLEM_SIZE, "-%c needs a value: -%c %s", *letter,
                           *letter, option->value);
            return OPTIONS_WRONG;
        }
        return store_value(option, values, value, problem) ? OPTIONS_OK : OPTIONS_WRONG;
    }
    return OPTIONS_OK;
}

enum options_result options_parse(const struct option *options, void *values, int count,
                                  char **arguments, size_t *operands,
                                  char problem[OPTION_PROBLEM_SIZE])
{
    bool only_operands = false;
    *operands = 0;
    problem[0] = '\0';
    for (int at = 0; at < count; at++) {
        char *argument = arguments[at];
        struct text text = text_from(argument);
        if (only_operands || text.length < 2 || text.data[0] != '-') {
            arguments[(*operands)++] = argument;
            continue;
        }
        if (text_equal(text, TEXT("--"))) {
            only_operands = true;
            continue;
        }
        if (text_equal(text, TEXT("--help")))
            return OPTIONS_HELP;
        bool written_out = text_starts_with(text, TEXT("--"));
        enum options_result result = (written_out ? take_option : take_letters)(
            options, values, count, arguments, &at, problem);
        if (result != OPTIONS_OK)
            return result;
    }
    return OPTIONS_OK;
}
