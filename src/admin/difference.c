#include "admin/difference.h"

#include "codec/json.h"

static yyjson_doc *read(struct text json)
{
    if (text_empty(json))
        return NULL;
    return yyjson_read(json.data, json.length, YYJSON_READ_NUMBER_AS_RAW);
}

static void write_scalar(yyjson_val *value, struct buffer *out)
{
    if (yyjson_is_str(value))
        buffer_append(out, text_of(yyjson_get_str(value), yyjson_get_len(value)));
    else if (yyjson_is_raw(value))
        buffer_append(out, text_of(yyjson_get_raw(value), yyjson_get_len(value)));
    else if (yyjson_is_bool(value))
        buffer_append(out, yyjson_get_bool(value) ? TEXT("yes") : TEXT("no"));
    else
        buffer_append(out, TEXT("none"));
}

void difference_write_value(yyjson_val *value, struct buffer *out)
{
    size_t index, count;
    yyjson_val *key, *child;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, count, child)
        {
            if (index > 0)
                buffer_append(out, TEXT(", "));
            write_scalar(child, out);
        }
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, index, count, key, child)
        {
            if (index > 0)
                buffer_append(out, TEXT(", "));
            write_scalar(key, out);
            buffer_append_char(out, '=');
            write_scalar(child, out);
        }
    } else {
        write_scalar(value, out);
        return;
    }
    if (count == 0)
        buffer_append(out, TEXT("none"));
}

/* No list of allowed models means all of them, an empty one none. */
static void write_member(const struct object_member_row *row, yyjson_val *value, struct buffer *out)
{
    bool models = text_equal(row->name, TEXT("models"));
    if (models && (value == NULL || yyjson_is_null(value)))
        buffer_append(out, TEXT("all"));
    else
        difference_write_value(value, out);
}

/* Null, an empty list, false: what nobody has to say. */
static bool is_blank(const struct object_member_row *row, yyjson_val *value)
{
    if (value == NULL || yyjson_is_null(value))
        return true;
    if (text_equal(row->name, TEXT("models")))
        return false;
    return (yyjson_is_bool(value) && !yyjson_get_bool(value)) ||
           (yyjson_is_ctn(value) && yyjson_get_len(value) == 0);
}

/* What the label says already, and what can be nothing else: left out of what is new. */
static bool is_in_label(const struct object_member_row *row)
{
    static const enum object_member in_label[] = {
        OBJECT_TEAM_name,          OBJECT_KEY_name,
        OBJECT_KEY_team,           OBJECT_BUDGET_name,
        OBJECT_BUDGET_team,        OBJECT_BUDGET_key,
        OBJECT_BUDGET_tag,         OBJECT_BUDGET_organisation,
        OBJECT_BUDGET_currency,    OBJECT_LIMIT_name,
        OBJECT_LIMIT_team,         OBJECT_LIMIT_key,
        OBJECT_LIMIT_tag,          OBJECT_LIMIT_model,
        OBJECT_LIMIT_organisation, OBJECT_ADMIN_KEY_name,
        OBJECT_NETWORK_RULE_team,  OBJECT_NETWORK_RULE_key,
        OBJECT_NETWORK_RULE_allow, OBJECT_NETWORK_RULE_deny,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(in_label); i++) {
        if (row == &object_members[in_label[i]])
            return true;
    }
    return false;
}

static bool is_told(const struct object_member_row *row)
{
    return row->use != OBJECT_USE_READ || text_starts_with(row->name, TEXT("raised_"));
}

static bool write_changed(const struct object_member_row *row, yyjson_val *old, yyjson_val *new,
                          bool both, struct buffer *out)
{
    size_t start = out->length;
    buffer_append_format(out, "%.*s: ", TEXT_ARG(row->name));
    if (!both) {
        write_member(row, old ? old : new, out);
        return true;
    }
    size_t old_start = out->length;
    write_member(row, old, out);
    size_t old_end = out->length;
    buffer_append(out, TEXT(" → "));
    size_t new_start = out->length;
    write_member(row, new, out);
    if (out->failed || !text_equal(text_of(out->data + old_start, old_end - old_start),
                                   text_of(out->data + new_start, out->length - new_start)))
        return true;
    out->length = start;
    return false;
}

size_t difference_write(enum object_kind kind, struct text before, struct text after,
                        struct text prefix, struct text suffix, struct buffer *out)
{
    yyjson_doc *old_document = read(before), *new_document = read(after);
    yyjson_val *old_root = yyjson_doc_get_root(old_document);
    yyjson_val *new_root = yyjson_doc_get_root(new_document);
    bool both = old_root != NULL && new_root != NULL;
    size_t told = 0;
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        if (row->kind != kind || !is_told(row))
            continue;
        yyjson_val *old = yyjson_obj_get(old_root, row->name.data);
        yyjson_val *new = yyjson_obj_get(new_root, row->name.data);
        if ((is_blank(row, old) && is_blank(row, new)) || (!both && is_in_label(row)))
            continue;
        size_t start = out->length;
        buffer_append(out, prefix);
        if (write_changed(row, old, new, both, out)) {
            buffer_append(out, suffix);
            told++;
        } else {
            out->length = start;
        }
    }
    yyjson_doc_free(old_document);
    yyjson_doc_free(new_document);
    return told;
}

/* ------------------------------------------------------------------ labels */

static void write_scope(yyjson_val *root, struct buffer *out)
{
    static const struct {
        const char *member, *word;
    } scopes[] = {
        {"team", "team"}, {"key_name", "key"}, {"key", "key"}, {"tag", "tag"}, {"model", "model"}};
    struct text value;
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
        if (json_get_text(root, scopes[i].member, &value) == JSON_PRESENT) {
            buffer_append_format(out, "%s %.*s", scopes[i].word, TEXT_ARG(value));
            return;
        }
    }
    buffer_append(out, TEXT("the organisation"));
}

static void write_period(yyjson_val *root, struct buffer *out)
{
    struct text period = TEXT(""), rolling = TEXT("");
    (void)json_get_text(root, "period", &period);
    if (json_get_text(root, "rolling", &rolling) == JSON_PRESENT)
        buffer_append_format(out, ", rolling %.*s", TEXT_ARG(rolling));
    else
        buffer_append_format(out, ", %.*s", TEXT_ARG(period));
}

static void write_measure(yyjson_val *root, struct buffer *out)
{
    static const char *const measures[] = {"requests", "tokens", "input_tokens", "output_tokens",
                                           "concurrent"};
    struct text per;
    for (size_t i = 0; i < ARRAY_LENGTH(measures); i++) {
        if (yyjson_obj_get(root, measures[i]) != NULL)
            buffer_append_format(out, ", %s", measures[i]);
    }
    if (json_get_text(root, "per", &per) == JSON_PRESENT)
        buffer_append_format(out, " per %.*s", TEXT_ARG(per));
}

/* ", allow office" */
static void write_network(yyjson_val *root, struct buffer *out)
{
    static const char *const actions[] = {"allow", "deny"};
    struct text network;
    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        if (json_get_text(root, actions[i], &network) == JSON_PRESENT)
            buffer_append_format(out, ", %s %.*s", actions[i], TEXT_ARG(network));
    }
}

/* What a label says of whom a rule is for, and of what. */
static void (*const write_rule[OBJECT_KIND_COUNT])(yyjson_val *root, struct buffer *out) = {
    [OBJECT_BUDGET] = write_period,
    [OBJECT_LIMIT] = write_measure,
    [OBJECT_NETWORK_RULE] = write_network,
};

void difference_write_label(enum object_kind kind, struct text json, struct buffer *out)
{
    yyjson_doc *document = read(json);
    yyjson_val *root = yyjson_doc_get_root(document);
    struct text name = TEXT(""), team;
    bool named = json_get_text(root, "name", &name) == JSON_PRESENT && !text_empty(name);
    buffer_append(out, object_kinds[kind].singular);
    if (write_rule[kind] != NULL) {
        if (named)
            buffer_append_format(out, " %.*s", TEXT_ARG(name));
        buffer_append(out, TEXT(" of "));
        write_scope(root, out);
        write_rule[kind](root, out);
    } else if (kind != OBJECT_ORGANISATION) {
        buffer_append_format(out, " %.*s", TEXT_ARG(name));
        if (kind == OBJECT_KEY && json_get_text(root, "team", &team) == JSON_PRESENT)
            buffer_append_format(out, " of team %.*s", TEXT_ARG(team));
    }
    yyjson_doc_free(document);
}
