#include "config/value.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "config/reference.h"
#include "tables/config.h"

#define PATH_BYTES_MAXIMUM 4000u /* below PATH_MAX with the folder in front */

/* How a value of each type is asked for. */
static const char *const wanted[CONFIG_TYPE_COUNT_OF_TYPES] = {
    [CONFIG_TYPE_SECTION] = "a mapping of keys",
    [CONFIG_TYPE_MAP] = "a mapping of names",
    [CONFIG_TYPE_LIST] = "a list",
    [CONFIG_TYPE_TEXT] = "text",
    [CONFIG_TYPE_COUNT] = "a whole number",
    [CONFIG_TYPE_SIZE] = "a size such as 64KiB",
    [CONFIG_TYPE_DURATION] = "a duration such as 30s",
    [CONFIG_TYPE_PERCENT] = "a share such as 5%",
    [CONFIG_TYPE_CHOICE_OR_PATH] = "a word or a path",
    [CONFIG_TYPE_CHOICE_OR_URL] = "a word or a URL",
    [CONFIG_TYPE_ADDRESS] = "an address such as \"127.0.0.1:8080\"",
    [CONFIG_TYPE_SERVER] = "an IP address such as \"10.0.0.2\"",
    [CONFIG_TYPE_NETWORK] = "a network such as \"10.0.0.0/8\"",
    [CONFIG_TYPE_NETWORK_OR_NAME] = "a network such as \"10.0.0.0/8\", or the name of one",
    [CONFIG_TYPE_URL] = "a URL such as \"https://api.openai.com/v1\"",
    [CONFIG_TYPE_PATH] = "a path",
    [CONFIG_TYPE_SECRET] = "\"env:NAME\" or \"file:/path\"",
    [CONFIG_TYPE_TEXT_OR_SECRET] = "text, \"env:NAME\" or \"file:/path\"",
    [CONFIG_TYPE_MODEL] = "a model name",
    [CONFIG_TYPE_REFERENCE] = "the name of a provider",
};

static bool is_boolean(struct text t)
{
    return text_equal_ignoring_case(t, TEXT("true")) || text_equal_ignoring_case(t, TEXT("false"));
}

/* What other readers of YAML take for a number, in which such text would be lost. */
static bool is_number(struct text t)
{
    size_t i = t.length > 0 && (t.data[0] == '-' || t.data[0] == '+');
    size_t digits = 0;
    size_t dots = 0;
    for (; i < t.length; i++) {
        if (t.data[i] == '.')
            dots++;
        else if (t.data[i] >= '0' && t.data[i] <= '9')
            digits++;
        else
            return false;
    }
    return digits > 0 && dots <= 1;
}

static const char *describe_found(const struct document_node *node)
{
    if (node->kind == DOCUMENT_SEQUENCE)
        return "a list";
    if (node->kind == DOCUMENT_MAPPING)
        return "a mapping";
    if (document_is_null(node))
        return "nothing";
    if (!node->plain)
        return "text in quotes";
    if (is_number(node->scalar))
        return "a number";
    return is_boolean(node->scalar) ? "true or false" : report_quote(node->scalar);
}

/* "none, optional or required" from "none|optional|required". */
static void list_choices(const char *detail, char *out, size_t size)
{
    struct text rest = text_from(detail);
    size_t length = 0;
    const char *before = "";
    while (rest.data && length < size) {
        struct text word = text_split(&rest, '|');
        int written = snprintf(out + length, size - length, "%s%.*s", before, TEXT_ARG(word));
        length += (size_t)written;
        before = rest.data && text_find_char(rest, '|') < 0 ? " or " : ", ";
    }
}

void value_report_mismatch(struct settings_reader *reader, const struct document_node *node,
                           size_t key)
{
    const struct config_key *row = &config_keys[key];
    char choices[256];
    const char *what = wanted[row->type];
    if (row->type == CONFIG_TYPE_CHOICE) {
        list_choices(row->detail, choices, sizeof(choices));
        what = choices;
    } else if (row->detail && row->minimum) { /* a number, or the word in its place */
        snprintf(choices, sizeof(choices), "%s or %s", what, row->detail);
        what = choices;
    }
    report_error(reader->report, node->place, "expected %s, found %s", what, describe_found(node));
}

static bool parse_number(enum config_type type, struct text t, uint64_t *out)
{
    if (type == CONFIG_TYPE_COUNT)
        return number_parse_unsigned(t, out);
    if (type == CONFIG_TYPE_SIZE)
        return number_parse_size(t, out);
    if (type == CONFIG_TYPE_PERCENT)
        return number_parse_percent(t, out);
    uint64_t milliseconds = 0;
    if (!number_parse_duration(t, &milliseconds) ||
        milliseconds > UINT64_MAX / NANOSECONDS_PER_MILLISECOND)
        return false;
    *out = milliseconds * NANOSECONDS_PER_MILLISECOND;
    return true;
}

static bool check_range(struct settings_reader *reader, const struct document_node *node,
                        const struct config_key *row, uint64_t number)
{
    uint64_t minimum = 0;
    uint64_t maximum = 0;
    bool table_is_sound = parse_number(row->type, text_from(row->minimum), &minimum) &&
                          parse_number(row->type, text_from(row->maximum), &maximum);
    ensure(table_is_sound);
    if (number >= minimum && number <= maximum)
        return true;
    report_error(reader->report, node->place, "%s is out of range: from %s to %s",
                 report_quote(node->scalar), row->minimum, row->maximum);
    return false;
}

void value_read_number(struct settings_reader *reader, const struct document_node *node, size_t key,
                       uint64_t *out)
{
    const struct config_key *row = &config_keys[key];
    uint64_t number = 0;
    bool quoted_count = row->type == CONFIG_TYPE_COUNT && !node->plain;
    if (node->kind == DOCUMENT_SCALAR && row->detail &&
        text_equal(node->scalar, text_from(row->detail))) {
        *out = SETTINGS_WORD;
    } else if (node->kind != DOCUMENT_SCALAR || document_is_null(node) || quoted_count) {
        value_report_mismatch(reader, node, key);
    } else if (!parse_number(row->type, node->scalar, &number)) {
        if (row->type == CONFIG_TYPE_DURATION && is_number(node->scalar))
            report_error(reader->report, node->place,
                         "a duration needs a unit: ms, s, m, h or d, as in %.*ss",
                         TEXT_ARG(node->scalar));
        else if (row->type == CONFIG_TYPE_PERCENT && is_number(node->scalar))
            report_error(reader->report, node->place, "a share is written with %%, as in %.*s%%",
                         TEXT_ARG(node->scalar));
        else if (is_number(node->scalar))
            report_error(reader->report, node->place, "expected %s, found %s", wanted[row->type],
                         report_quote(node->scalar));
        else
            value_report_mismatch(reader, node, key);
    } else if (check_range(reader, node, row, number)) {
        *out = number;
    }
}

static bool has_control_character(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if ((unsigned char)t.data[i] < ' ' || t.data[i] == 0x7f)
            return true;
    return false;
}

static bool has_space(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if ((unsigned char)t.data[i] <= ' ' || t.data[i] == 0x7f)
            return true;
    return false;
}

/* Index of the word, or the number of words. */
static size_t find_choice(const char *detail, struct text word)
{
    struct text rest = text_from(detail);
    size_t index = 0;
    while (rest.data && !text_equal(text_split(&rest, '|'), word))
        index++;
    return index;
}

static bool is_choice(const char *detail, struct text word)
{
    struct text rest = text_from(detail);
    while (rest.data)
        if (text_equal(text_split(&rest, '|'), word))
            return true;
    return false;
}

static struct text nearest_choice(const char *detail, struct text word)
{
    struct text nearest = {0};
    size_t limit = config_near_limit(word);
    for (struct text rest = text_from(detail); rest.data;) {
        struct text choice = text_split(&rest, '|');
        if (text_edit_distance(word, choice, limit) <= limit)
            nearest = choice;
    }
    return nearest;
}

static void report_choice(struct settings_reader *reader, const struct document_node *node,
                          const struct config_key *row)
{
    char choices[256];
    list_choices(row->detail, choices, sizeof(choices));
    struct text nearest = nearest_choice(row->detail, node->scalar);
    if (text_empty(nearest))
        report_error(reader->report, node->place, "expected %s, found %s", choices,
                     report_quote(node->scalar));
    else
        report_error(reader->report, node->place, "expected %s, found %s; did you mean \"%.*s\"?",
                     choices, report_quote(node->scalar), TEXT_ARG(nearest));
}

struct text value_resolve_path(struct settings_reader *reader, struct text path)
{
    bool relative = !text_empty(path) && path.data[0] != '/';
    if (relative && !text_empty(reader->folder))
        return arena_format(&reader->memory->arena, "%.*s/%.*s", TEXT_ARG(reader->folder),
                            TEXT_ARG(path));
    return arena_copy(&reader->memory->arena, path);
}

static bool check_text(struct settings_reader *reader, const struct document_node *node,
                       enum config_type type)
{
    bool path = type == CONFIG_TYPE_PATH || type == CONFIG_TYPE_CHOICE_OR_PATH;
    bool spaced = path || type == CONFIG_TYPE_TEXT || type == CONFIG_TYPE_TEXT_OR_SECRET;
    const char *fault = NULL;
    if (text_empty(node->scalar))
        fault = "is empty";
    else if (has_control_character(node->scalar))
        fault = "holds a control character or a line break";
    else if (!spaced && has_space(node->scalar))
        fault = "holds a space";
    else if (path && node->scalar.length > PATH_BYTES_MAXIMUM)
        fault = "is longer than 4000 bytes";
    else if (type == CONFIG_TYPE_MODEL && node->scalar.length > DOCUMENT_KEY_MAXIMUM)
        fault = "is longer than 256 bytes";
    else if (type == CONFIG_TYPE_MODEL && text_find_char(node->scalar, '*') >= 0)
        fault = "holds a `*`, which only the names of models may";
    if (fault)
        report_error(reader->report, node->place, "the value %s", fault);
    return !fault;
}

/* Types whose words a reader of YAML might take for numbers. */
static bool check_plain(struct settings_reader *reader, const struct document_node *node)
{
    if (!node->plain || (!is_number(node->scalar) && !is_boolean(node->scalar)))
        return true;
    report_error(
        reader->report, node->place, "YAML reads %s without quotes as %s; write it in quotes",
        report_quote(node->scalar), is_number(node->scalar) ? "a number" : "true or false");
    return false;
}

static void keep_text(struct settings_reader *reader, const struct document_node *node,
                      const struct config_key *row, struct settings_value *out)
{
    bool path = row->type == CONFIG_TYPE_PATH ||
                (row->type == CONFIG_TYPE_CHOICE_OR_PATH && !is_choice(row->detail, node->scalar));
    out->text = path ? value_resolve_path(reader, node->scalar)
                     : arena_copy(&reader->memory->arena, node->scalar);
    if (!out->text.data)
        report_error(reader->report, node->place, "out of memory");
    if (row->detail)
        out->choice = find_choice(row->detail, node->scalar);
}

void value_read(struct settings_reader *reader, const struct document_node *node, size_t key,
                struct settings_value *out)
{
    const struct config_key *row = &config_keys[key];
    out->node = node;
    if (node->kind != DOCUMENT_SCALAR || document_is_null(node)) {
        value_report_mismatch(reader, node, key);
    } else if (row->type == CONFIG_TYPE_CHOICE) {
        if (is_choice(row->detail, node->scalar))
            keep_text(reader, node, row, out);
        else
            report_choice(reader, node, row);
    } else if (row->type == CONFIG_TYPE_SECRET ||
               (row->type == CONFIG_TYPE_TEXT_OR_SECRET && reference_is(node->scalar))) {
        out->secret = reference_read(reader, node->place, node->scalar);
    } else if (check_plain(reader, node) && check_text(reader, node, row->type)) {
        keep_text(reader, node, row, out);
    }
}

static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return name.length > 0 && name.length <= 64;
}

/* A token of RFC 9110 section 5.6.2. */
static bool is_token(struct text name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == 0 || !strchr(marks, c)))
            return false;
    }
    return name.length > 0;
}

void value_check_name(struct settings_reader *reader, const struct document_node *node,
                      const char *kind)
{
    struct text name = node->key;
    const char *fault = NULL;
    if (kind[0] == 'n' && !is_name(name))
        fault = "a name begins with a letter or digit, has letters, digits, `-`, `_` and `.`, and "
                "is at most 64 long";
    else if (kind[0] == 'h' && !is_token(name))
        fault = "not the name of a header field";
    else if (kind[0] == 'm' && (text_empty(name) || has_space(name)))
        fault = "a model name is not empty and has no spaces";
    else if (kind[0] == 'm' && text_find(name, TEXT("**")) >= 0)
        fault = "`**` in a pattern means no more than `*`; write one";
    else if (kind[0] == 'c' && (text_empty(name) || has_control_character(name)))
        fault = "not the name of a claim, nor a JSON pointer such as /kubernetes.io/namespace";
    else if (kind[0] == 't' && (text_empty(name) || name.length > 64 || has_space(name) ||
                                text_find_char(name, '=') >= 0))
        fault = "a tag's name has 1 to 64 characters, no space and no `=`";
    if (fault)
        report_error(reader->report, node->key_place, "%s", fault);
}
