#include "openai/refusal.h"

#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"

/* Every part of a message is cut at REFUSAL_SEEN_MAX or a literal. */
#define MESSAGE_MAX 2048u

/* The texts go into logs as well: what a caller sent must not look like a line of its own. */
static void append_clean(struct buffer *out, struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        bool control = (unsigned char)t.data[i] < 0x20 || t.data[i] == 0x7f;
        buffer_append_char(out, control ? ' ' : t.data[i]);
    }
}

static void append_cut(struct buffer *out, struct text t)
{
    struct text cut = text_first(t, REFUSAL_SEEN_MAX);
    if (cut.length == t.length) {
        append_clean(out, t);
        return;
    }
    while (cut.length > 0 && ((unsigned char)t.data[cut.length] & 0xc0) == 0x80)
        cut.length--; /* not in the middle of a character */
    append_clean(out, cut);
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
    if (!text_empty(context->request_id)) {
        buffer_append(out, TEXT(" (Request id: "));
        append_cut(out, context->request_id);
        buffer_append_char(out, ')');
    }
    return !out->failed;
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
                     text_empty(context->param) ? (struct text){NULL, 0} : context->param);
    json_member_text(&json, "code", row->code);
    json_end_object(&json);
    json_end_object(&json);
    buffer_close(&message);
    return json_done(&json) && ok;
}
