#include "config/schema.h"

#include <yyjson.h>

#include "base/number.h"
#include "tables/config.h"

/* How a type is written, for both outputs. */
struct form {
    const char *words;     /* in the reference */
    const char *json_type; /* of the JSON Schema; NULL: more than one */
    const char *pattern;   /* of a string */
};

static const struct form forms[CONFIG_TYPE_COUNT_OF_TYPES] = {
    [CONFIG_TYPE_SECTION] = {"section", "object", NULL},
    [CONFIG_TYPE_MAP] = {"names", "object", NULL},
    [CONFIG_TYPE_LIST] = {"list", "array", NULL},
    [CONFIG_TYPE_TEXT] = {"text", "string", "^[^\\x00-\\x1f\\x7f]+$"},
    [CONFIG_TYPE_COUNT] = {"number", "integer", NULL},
    [CONFIG_TYPE_SIZE] = {"size", NULL, "^[0-9]+(KiB|MiB|GiB|kB|MB|GB)?$"},
    [CONFIG_TYPE_DURATION] = {"duration", NULL, "^([0-9]+(ms|s|m|h|d)|0)$"},
    [CONFIG_TYPE_PERCENT] = {"share", NULL, "^[0-9]+([.][0-9]{1,4})?%$"},
    [CONFIG_TYPE_CHOICE] = {"word", "string", NULL},
    [CONFIG_TYPE_CHOICE_OR_PATH] = {"word or path", "string", "^[^\\x00-\\x1f\\x7f]+$"},
    [CONFIG_TYPE_CHOICE_OR_URL] = {"word or URL", "string", NULL},
    [CONFIG_TYPE_ADDRESS] = {"address", "string", "^(unix:.+|[^/ ]*:[0-9]{1,5})$"},
    [CONFIG_TYPE_SERVER] = {"IP address", "string", "^[0-9a-fA-F.:\\[\\]]+$"},
    [CONFIG_TYPE_NETWORK] = {"network", "string", "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$"},
    [CONFIG_TYPE_NETWORK_OR_NAME] = {"network or name", "string",
                                     "^([0-9a-fA-F.:]+(/[0-9]{1,3})?|[A-Za-z0-9][A-Za-z0-9._-]*)$"},
    [CONFIG_TYPE_URL] = {"URL", "string", "^(https?://[^/?#@ ]+(/[^?#@ ]*)?|http\\+unix:/[^/].*)$"},
    [CONFIG_TYPE_PATH] = {"path", "string", "^[^\\x00-\\x1f\\x7f]+$"},
    [CONFIG_TYPE_SECRET] = {"secret", "string", "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"},
    [CONFIG_TYPE_TEXT_OR_SECRET] = {"text or secret", "string", "^[^\\x00-\\x1f\\x7f]+$"},
    [CONFIG_TYPE_MODEL] = {"model name", "string", "^[^*\\x00-\\x20\\x7f]+$"},
    [CONFIG_TYPE_REFERENCE] = {"provider", "string", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
};

const char *schema_type_words(enum config_type type)
{
    return forms[type].words;
}

static const char *name_pattern(const char *kind)
{
    if (kind[0] == 'n')
        return "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";
    if (kind[0] == 'h')
        return "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
    return "^(?!.*\\*\\*)[^\\x00-\\x20\\x7f]+$";
}

static yyjson_mut_val *describe_key(yyjson_mut_doc *document, size_t key);

static void add_choices(yyjson_mut_doc *document, yyjson_mut_val *object, const char *label,
                        const char *detail)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, label);
    for (struct text rest = text_from(detail); rest.data;) {
        struct text word = text_split(&rest, '|');
        yyjson_mut_arr_add_strn(document, list, word.data, word.length);
    }
}

/* "limits:" with nothing below it is fine where nothing is required. */
static void add_object_type(yyjson_mut_doc *document, yyjson_mut_val *object, bool required,
                            const char *type)
{
    if (required) {
        yyjson_mut_obj_add_str(document, object, "type", type);
        return;
    }
    yyjson_mut_val *types = yyjson_mut_obj_add_arr(document, object, "type");
    yyjson_mut_arr_add_str(document, types, type);
    yyjson_mut_arr_add_str(document, types, "null");
}

static bool has_required_child(size_t parent)
{
    size_t key = config_key_next(parent, CONFIG_NO_KEY);
    while (key != CONFIG_NO_KEY && !(config_keys[key].flags & CONFIG_FLAG_REQUIRED))
        key = config_key_next(parent, key);
    return key != CONFIG_NO_KEY;
}

static void add_section(yyjson_mut_doc *document, yyjson_mut_val *object, size_t section)
{
    yyjson_mut_val *properties = yyjson_mut_obj(document);
    yyjson_mut_val *required = yyjson_mut_arr(document);
    size_t key = config_key_next(section, CONFIG_NO_KEY);
    for (; key != CONFIG_NO_KEY; key = config_key_next(section, key)) {
        struct text name = config_key_name(key);
        yyjson_mut_obj_add(properties, yyjson_mut_strn(document, name.data, name.length),
                           describe_key(document, key));
        if (config_keys[key].flags & CONFIG_FLAG_REQUIRED)
            yyjson_mut_arr_add_strn(document, required, name.data, name.length);
    }
    yyjson_mut_obj_add_val(document, object, "properties", properties);
    yyjson_mut_obj_add_bool(document, object, "additionalProperties", false);
    if (yyjson_mut_arr_size(required) > 0)
        yyjson_mut_obj_add_val(document, object, "required", required);
}

static void add_collection(yyjson_mut_doc *document, yyjson_mut_val *object, size_t key)
{
    const struct config_key *row = &config_keys[key];
    bool required = row->flags & CONFIG_FLAG_REQUIRED;
    bool map = row->type == CONFIG_TYPE_MAP;
    size_t element = config_key_find(key, map ? TEXT("*") : TEXT("[]"));
    add_object_type(document, object, required, forms[row->type].json_type);
    if (map) {
        yyjson_mut_val *names = yyjson_mut_obj_add_obj(document, object, "propertyNames");
        yyjson_mut_obj_add_str(document, names, "pattern", name_pattern(row->detail));
        if (row->detail[0] != 'n')
            yyjson_mut_obj_add_uint(document, names, "maxLength", 256);
    }
    yyjson_mut_obj_add_val(document, object, map ? "additionalProperties" : "items",
                           describe_key(document, element));
    if (required)
        yyjson_mut_obj_add_uint(document, object, map ? "minProperties" : "minItems", 1);
}

static uint64_t parse_count(const char *digits)
{
    uint64_t number = 0;
    return number_parse_unsigned(text_from(digits), &number) ? number : 0;
}

static void add_count(yyjson_mut_doc *document, yyjson_mut_val *object, size_t key)
{
    const struct config_key *row = &config_keys[key];
    yyjson_mut_obj_add_str(document, object, "type", "integer");
    yyjson_mut_obj_add_uint(document, object, "minimum", parse_count(row->minimum));
    yyjson_mut_obj_add_uint(document, object, "maximum", parse_count(row->maximum));
    if (config_key_has_default(key))
        yyjson_mut_obj_add_uint(document, object, "default", parse_count(row->standard));
}

/* A word that may stand for the number: `true` is a boolean to readers of YAML. */
static void add_word(yyjson_mut_doc *document, yyjson_mut_val *either, const char *word)
{
    yyjson_mut_val *constant = yyjson_mut_arr_add_obj(document, either);
    if (text_equal(text_from(word), TEXT("true")))
        yyjson_mut_obj_add_bool(document, constant, "const", true);
    else
        yyjson_mut_obj_add_str(document, constant, "const", word);
}

/* A size may be a bare number of bytes; a bare duration is 0; a share is always text. */
static void add_quantity(yyjson_mut_doc *document, yyjson_mut_val *object,
                         const struct config_key *row)
{
    yyjson_mut_val *either = yyjson_mut_obj_add_arr(document, object, "anyOf");
    yyjson_mut_val *string = yyjson_mut_arr_add_obj(document, either);
    yyjson_mut_obj_add_str(document, string, "type", "string");
    yyjson_mut_obj_add_str(document, string, "pattern", forms[row->type].pattern);
    if (row->detail)
        add_word(document, either, row->detail);
    if (row->type == CONFIG_TYPE_PERCENT)
        return;
    yyjson_mut_val *number = yyjson_mut_arr_add_obj(document, either);
    yyjson_mut_obj_add_str(document, number, "type", "integer");
    yyjson_mut_obj_add_uint(document, number, "minimum", 0);
    if (row->type == CONFIG_TYPE_DURATION)
        yyjson_mut_obj_add_uint(document, number, "maximum", 0);
}

static void add_string(yyjson_mut_doc *document, yyjson_mut_val *object,
                       const struct config_key *row)
{
    yyjson_mut_obj_add_str(document, object, "type", "string");
    if (row->type == CONFIG_TYPE_CHOICE)
        add_choices(document, object, "enum", row->detail);
    else if (row->detail)
        add_choices(document, object, "examples", row->detail);
    if (row->type == CONFIG_TYPE_CHOICE_OR_URL)
        yyjson_mut_obj_add_strcpy(document, object, "pattern",
                                  "^(environment|none|http://[^@ ]+)$");
    else if (forms[row->type].pattern)
        yyjson_mut_obj_add_str(document, object, "pattern", forms[row->type].pattern);
    if (row->type == CONFIG_TYPE_MODEL)
        yyjson_mut_obj_add_uint(document, object, "maxLength", 256);
}

static void add_description(yyjson_mut_doc *document, yyjson_mut_val *object,
                            const struct config_key *row)
{
    struct buffer words;
    buffer_open(&words, 4096);
    buffer_append_format(&words, "%s.", row->description);
    if (row->minimum)
        buffer_append_format(&words, " From %s to %s.", row->minimum, row->maximum);
    if (row->standard && row->standard[0] == '(')
        buffer_append_format(&words, " Default: %.*s.", (int)strlen(row->standard) - 2,
                             row->standard + 1);
    yyjson_mut_obj_add_strncpy(document, object, "description", words.data, words.length);
    buffer_close(&words);
}

static yyjson_mut_val *describe_key(yyjson_mut_doc *document, size_t key)
{
    const struct config_key *row = &config_keys[key];
    yyjson_mut_val *object = yyjson_mut_obj(document);
    add_description(document, object, row);
    switch (row->type) {
    case CONFIG_TYPE_SECTION:
        add_object_type(document, object, has_required_child(key), "object");
        add_section(document, object, key);
        break;
    case CONFIG_TYPE_MAP:
    case CONFIG_TYPE_LIST: add_collection(document, object, key); break;
    case CONFIG_TYPE_COUNT: add_count(document, object, key); return object;
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_PERCENT: add_quantity(document, object, row); break;
    default: add_string(document, object, row); break;
    }
    if (config_key_has_default(key))
        yyjson_mut_obj_add_str(document, object, "default", row->standard);
    return object;
}

bool schema_write_json(struct buffer *out)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "$schema",
                           "https://json-schema.org/draft/2020-12/schema");
    yyjson_mut_obj_add_str(document, root, "title", "Turnpike configuration");
    yyjson_mut_obj_add_str(document, root, "type", "object");
    add_section(document, root, CONFIG_TOP);
    size_t length = 0;
    char *json = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, &length);
    bool good = json && buffer_append(out, text_of(json, length)) && buffer_append_char(out, '\n');
    free(json);
    yyjson_mut_doc_free(document);
    return good;
}

static const char introduction[] =
    "# Configuration reference\n"
    "\n"
    "Generated by `turnpike schema --markdown` from `src/tables/config.def`; change it there.\n"
    "\n"
    "One YAML file. `turnpike check FILE` tells everything that is wrong with it, `turnpike "
    "schema`\n"
    "prints a JSON Schema for editors, and `packaging/turnpike.example.yaml` shows every key. In "
    "the\n"
    "keys below `*` stands for a name of your choice and `[]` for an item of a list.\n"
    "\n"
    "- A **duration** has a unit: `250ms`, `30s`, `5m`, `2h`, `7d`.\n"
    "- A **share** is written with its sign: `5%`, `0.5%`.\n"
    "- A **size** is bytes or has a unit: `512`, `64KiB`, `8MiB`, `2GiB` (1024) or `kB`, `MB`, "
    "`GB` (1000).\n"
    "- A **secret** is only ever referred to: `env:NAME` for an environment variable, "
    "`file:/path`\n"
    "  for a file (a newline at its end is cut). A literal is refused.\n"
    "- A **path** that does not begin with `/` starts at the folder of the configuration file.\n"
    "- Anchors, aliases, tags, repeated keys and second documents of YAML are refused.\n";

/* A `|` would end the cell of a table. */
static void append_cell(struct buffer *out, const char *words)
{
    for (const char *c = words; *c; c++) {
        if (*c == '|')
            buffer_append_char(out, '\\');
        buffer_append_char(out, *c);
    }
}

static void write_type(const struct config_key *row, struct buffer *out)
{
    bool chosen = row->type == CONFIG_TYPE_CHOICE || row->type == CONFIG_TYPE_CHOICE_OR_PATH ||
                  row->type == CONFIG_TYPE_CHOICE_OR_URL;
    for (struct text rest = text_from(chosen ? row->detail : NULL); rest.data;) {
        struct text word = text_split(&rest, '|');
        buffer_append_format(out, "`%.*s`, ", TEXT_ARG(word));
    }
    if (row->type == CONFIG_TYPE_CHOICE)
        out->length -= 2;
    else if (chosen)
        buffer_append_format(out, "%s", row->type == CONFIG_TYPE_CHOICE_OR_PATH ? "path" : "URL");
    else
        buffer_append_format(out, "%s", forms[row->type].words);
    if (row->detail && row->minimum)
        buffer_append_format(out, " or `%s`", row->detail);
    if (row->minimum)
        buffer_append_format(out, ", %s to %s", row->minimum, row->maximum);
}

static void write_row(const struct config_key *row, struct buffer *out)
{
    buffer_append_format(out, "| `%.*s` | ", TEXT_ARG(row->path));
    write_type(row, out);
    buffer_append(out, TEXT(" | "));
    if (row->flags & CONFIG_FLAG_REQUIRED)
        buffer_append(out, TEXT("**required**"));
    else if (row->standard && row->standard[0] == '(')
        append_cell(out, row->standard);
    else if (row->standard)
        buffer_append_format(out, "`%s`", row->standard);
    buffer_append(out, TEXT(" | "));
    append_cell(out, row->description);
    if (row->flags & CONFIG_FLAG_RESTART)
        buffer_append(out, TEXT("; takes effect at the next start"));
    buffer_append(out, TEXT(" |\n"));
}

static const char table_head[] = "| key | value | default | meaning |\n|---|---|---|---|\n";

/* A section of the top, with all that is below it up to the next key of the top. */
static void write_section(size_t key, struct buffer *out)
{
    const struct config_key *section = &config_keys[key];
    buffer_append_format(out, "\n## %.*s\n\n%s.\n\n%s", TEXT_ARG(section->path),
                         section->description, table_head);
    if (section->type != CONFIG_TYPE_SECTION)
        write_row(section, out);
    for (key++; key < config_key_count; key++) {
        const struct config_key *row = &config_keys[key];
        struct text name = config_key_name(key);
        bool element = text_equal(name, TEXT("*")) || text_equal(name, TEXT("[]"));
        if (text_find_char(row->path, '.') < 0)
            return;
        if (!element || row->type != CONFIG_TYPE_SECTION)
            write_row(row, out);
    }
}

void schema_write_markdown(struct buffer *out)
{
    buffer_append(out, text_from(introduction));
    buffer_append_format(out, "\n## Top level\n\n%s", table_head);
    size_t key = config_key_next(CONFIG_TOP, CONFIG_NO_KEY);
    for (; key != CONFIG_NO_KEY; key = config_key_next(CONFIG_TOP, key))
        if (config_key_next(key, CONFIG_NO_KEY) == CONFIG_NO_KEY)
            write_row(&config_keys[key], out);
    key = config_key_next(CONFIG_TOP, CONFIG_NO_KEY);
    for (; key != CONFIG_NO_KEY; key = config_key_next(CONFIG_TOP, key))
        if (config_key_next(key, CONFIG_NO_KEY) != CONFIG_NO_KEY)
            write_section(key, out);
}
