#include "openai/refusal.h"

#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"

/* Every part of a message is cut at REFUSAL_SEEN_MAX or a literal. */
#define MESSAGE_MAX 4096u

/* The texts go into logs as well: what a caller sent must not look like a line of its own. */
static void append_clean(struct buffer *out, struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        bool control = (unsigned char)t.data[i] < 0x20 || t.data[i] == 0x7f;
        buffer_append_char(out, control ? ' ' : t.data[i]);
    }
}

/* Not in the middle of a character. */
static struct text cut(struct text t)
{
    struct text beginning = text_first(t, REFUSAL_SEEN_MAX);
    while (beginning.length > 0 && beginning.length < t.length &&
           ((unsigned char)t.data[beginning.length] & 0xc0) == 0x80)
        beginning.length--;
    return beginning;
}

static void append_cut(struct buffer *out, struct text t)
{
    struct text shown = cut(t);
    append_clean(out, shown);
    if (shown.length < t.length)
        buffer_append(out, TEXT("..."));
}

static void append_quoted(struct buffer *out, struct text t)
{
    buffer_append_char(out, '"');
    append_cut(out, t);
    buffer_append_char(out, '"');
}

/* The value of a placeholder; false when the context has none. */
static bool append_value(struct buffer *out, struct text name,
                         const struct refusal_context *context)
{
    if (text_equal(name, TEXT("seen")))
        append_quoted(out, context->seen);
    else if (text_equal(name, TEXT("detail")))
        append_cut(out, context->detail);
    else
        buffer_append_unsigned(out, context->limit);
    return true;
}

static bool has_value(struct text name, const struct refusal_context *context)
{
    if (text_equal(name, TEXT("seen")))
        return !text_empty(context->seen);
    if (text_equal(name, TEXT("detail")))
        return !text_empty(context->detail);
    ensure(text_equal(name, TEXT("limit")));
    return context->limit != 0;
}

/* A URL is cut nowhere: half of one leads nowhere. It is configured, or made of a host's name. */
static void append_link(struct buffer *out, struct text link)
{
    if (text_empty(link))
        return;
    buffer_append(out, TEXT(" More: "));
    append_clean(out, link);
}

static void append_contact(struct buffer *out, struct text contact)
{
    if (text_empty(contact))
        return;
    buffer_append(out, TEXT(" Whom to ask: "));
    append_cut(out, contact);
    buffer_append_char(out, '.');
}

/* "{name:BEFORE%AFTER}": the table's only grammar. */
static void append_template(struct buffer *out, struct text template,
                            const struct refusal_context *context)
{
    while (template.length > 0) {
        buffer_append(out, text_split(&template, '{'));
        if (template.data == NULL)
            return;
        struct text inner = text_split(&template, '}');
        struct text name = text_split(&inner, ':');
        if (!has_value(name, context))
            continue;
        buffer_append(out, text_split(&inner, '%'));
        append_value(out, name, context);
        buffer_append(out, inner);
    }
}

bool refusal_write_message(struct buffer *out, enum refusal refusal,
                           const struct refusal_context *context)
{
    const struct refusal_row *row = refusal_row(refusal);
    append_template(out, row->text, context);
    if (!text_empty(context->suggestion)) {
        buffer_append(out, TEXT(" Did you mean "));
        append_quoted(out, context->suggestion);
        buffer_append_char(out, '?');
    }
    buffer_append_char(out, ' ');
    buffer_append(out, row->advice);
    if (context->scene) {
        append_contact(out, context->scene->contact);
        append_link(out, context->scene->documentation);
    }
    if (!text_empty(context->request_id)) {
        buffer_append(out, TEXT(" (Request id: "));
        append_cut(out, context->request_id);
        buffer_append_char(out, ')');
    }
    return !out->failed;
}

static void write_member(struct json_writer *json, const char *name, struct text value)
{
    if (!text_empty(value))
        json_member_text(json, name, cut(value));
}

static void write_rule(struct json_writer *json, const struct refusal_rule *rule)
{
    if (text_empty(rule->kind))
        return;
    json_key(json, TEXT("rule"));
    json_begin_object(json);
    write_member(json, "kind", rule->kind);
    write_member(json, "id", rule->id);
    write_member(json, "of", rule->of);
    write_member(json, "mode", rule->mode);
    json_end_object(json);
}

static void write_scene(struct json_writer *json, const struct refusal_row *row,
                        const struct refusal_context *context)
{
    const struct refusal_scene *scene = context->scene;

    json_key(json, TEXT("turnpike"));
    json_begin_object(json);
    if (!text_empty(scene->documentation))
        json_member_text(json, "documentation", scene->documentation);
    write_member(json, "advice", row->advice);
    write_member(json, "contact", scene->contact);
    write_member(json, "request_id", context->request_id);
    json_key(json, TEXT("seen"));
    json_begin_object(json);
    write_member(json, "listener", scene->listener);
    write_member(json, "source", scene->source);
    write_member(json, "network", scene->network);
    write_member(json, "forwarder", scene->forwarder);
    write_member(json, "key", scene->key);
    write_member(json, "team", scene->team);
    json_end_object(json);
    write_rule(json, &scene->rule);
    json_end_object(json);
}

bool refusal_write(struct buffer *out, enum refusal refusal, const struct refusal_context *context)
{
    const struct refusal_row *row = refusal_row(refusal);
    struct buffer message;
    struct json_writer json;
    buffer_open(&message, MESSAGE_MAX);
    bool ok = refusal_write_message(&message, refusal, context);
    json_open(&json, out);
    json_begin_object(&json);
    json_key(&json, TEXT("error"));
    json_begin_object(&json);
    json_member_text(&json, "message", buffer_text(&message));
    json_member_text(&json, "type", row->type);
    json_member_text(&json, "param",
                     text_empty(context->param) ? (struct text){NULL, 0} : cut(context->param));
    json_member_text(&json, "code", row->code);
    if (context->scene)
        write_scene(&json, row, context);
    json_end_object(&json);
    json_end_object(&json);
    buffer_close(&message);
    return json_done(&json) && ok;
}

/* ---- for people ---- */

static const char *retry_words(enum refusal_retry retry)
{
    switch (retry) {
    case RETRY_YES: return "trying again later may help, after as long as retry-after says";
    case RETRY_NO: return "the same call will be refused again until something is changed";
    case RETRY_UNSAID: break;
    }
    return "trying again may help";
}

bool refusal_explain(struct buffer *out, struct text code)
{
    const struct refusal_context nothing = {0};
    size_t found = 0;

    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        const struct refusal_row *row = refusal_row((enum refusal)i);
        if (!text_equal(row->code, code))
            continue;
        if (found++ == 0)
            buffer_append_format(out, "%.*s (HTTP status %u, type %.*s)\n", TEXT_ARG(code),
                                 row->status, TEXT_ARG(row->type));
        buffer_append_char(out, '\n');
        append_template(out, row->text, &nothing);
        buffer_append_format(out, "\nWhat to do: %.*s\nRetries: %s.\n", TEXT_ARG(row->advice),
                             retry_words(row->retry));
    }
    return found > 0;
}

void refusal_list(struct buffer *out)
{
    const struct refusal_context nothing = {0};

    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
        const struct refusal_row *row = refusal_row((enum refusal)i);
        buffer_append_format(out, "%u %-32.*s ", row->status, TEXT_ARG(row->code));
        append_template(out, row->text, &nothing);
        buffer_append_char(out, '\n');
    }
}
