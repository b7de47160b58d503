/* What needs attention, the most urgent first. */
#include <stdarg.h>

#include "admin/attention.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "base/ensure.h"

static const struct {
    const char *name;
    enum attention_severity severity;
} kinds[ATTENTION_KIND_COUNT] = {
#define ATTENTION(name, kind, severity, when) [ATTENTION_##name] = {kind, ATTENTION_##severity},
#include "tables/attention.def"
#undef ATTENTION
};

const char *attention_kind_name(enum attention_kind kind)
{
    return kinds[kind].name;
}

enum attention_severity attention_severity_of(enum attention_kind kind)
{
    return kinds[kind].severity;
}

const char *attention_severity_name(enum attention_severity severity)
{
    static const char *const names[] = {"urgent", "warning", "notice"};

    return names[severity];
}

struct text attention_say(struct attention *attention, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if ((size_t)length >= sizeof(text))
        length = (int)sizeof(text) - 1;
    struct text copy = arena_copy(&attention->call->arena, text_of(text, (size_t)length));
    attention->no_memory = attention->no_memory || (!copy.data && length > 0);
    return copy;
}

struct text attention_encode(struct attention *attention, struct text name)
{
    static const char digits[] = "0123456789ABCDEF", kept[] = "-._~";
    char *bytes = arena_take(&attention->call->arena, 3 * name.length + 1);
    size_t length = 0;

    attention->no_memory = attention->no_memory || !bytes;
    for (size_t i = 0; bytes && i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || (c != 0 && memchr(kept, c, sizeof(kept) - 1))) {
            bytes[length++] = (char)c;
            continue;
        }
        bytes[length++] = '%';
        bytes[length++] = digits[c >> 4];
        bytes[length++] = digits[c & 15];
    }
    return text_of(bytes, length);
}

void attention_add(struct attention *attention, const struct attention_item *item)
{
    if (attention->of_kind[item->kind]++ < ATTENTION_OF_A_KIND_MAX)
        attention->items[attention->count++] = *item;
}

static void write_item(struct admin_call *call, const struct attention_item *item)
{
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "kind", text_from(attention_kind_name(item->kind)));
    json_member_text(json, "severity",
                     text_from(attention_severity_name(attention_severity_of(item->kind))));
    json_member_text(json, "text", item->text);
    json_member_text(json, "subject_kind", item->subject_kind);
    call_write_text(call, "subject", item->subject);
    call_write_text(call, "team", item->team);
    call_write_moment(call, "since", item->since);
    json_member_text(json, "advice", item->advice);
    json_member_text(json, "page", item->page);
    json_member_text(json, "command", item->command);
    json_end_object(json);
}

/* By severity, and within one in the order of the kinds' rows. */
static void write_items(const struct attention *attention)
{
    struct json_writer *json = &attention->call->json;

    json_key(json, TEXT("data"));
    json_begin_array(json);
    for (unsigned severity = 0; severity <= ATTENTION_NOTICE; severity++) {
        for (unsigned kind = 0; kind < ATTENTION_KIND_COUNT; kind++) {
            if ((unsigned)kinds[kind].severity != severity)
                continue;
            for (size_t i = 0; i < attention->count; i++) {
                if ((unsigned)attention->items[i].kind == kind)
                    write_item(attention->call, &attention->items[i]);
            }
        }
    }
    json_end_array(json);
}

static size_t left_out(const struct attention *attention)
{
    size_t found = 0;

    for (unsigned kind = 0; kind < ATTENTION_KIND_COUNT; kind++)
        found += attention->of_kind[kind];
    return found - attention->count;
}

static enum error look(struct attention *attention)
{
    enum error error = attention_look_at_budgets(attention);

    if (error == ERROR_OK)
        error = attention_look_at_prices(attention);
    if (error == ERROR_OK)
        error = attention_look_at_networks(attention);
    if (error == ERROR_OK)
        error = attention_look_at_keys(attention);
    if (error == ERROR_OK && text_empty(attention->team))
        attention_look_at_gateway(attention);
    return error == ERROR_OK && attention->no_memory ? ERROR_MEMORY : error;
}

bool handle_attention(struct admin_call *call)
{
    struct attention *attention = ensure_memory(calloc(1, sizeof(*attention)));
    struct json_writer *json = &call->json;

    attention->call = call;
    attention->team = call_query(call, "team");
    attention->now = clock_wall();
    bool good =
        call_narrow_team(call, &attention->team) && call_store_answer(call, look(attention));
    if (good) {
        json_begin_object(json);
        call_write_moment(call, "at", attention->now);
        write_items(attention);
        json_member_unsigned(json, "left_out", left_out(attention));
        json_end_object(json);
    }
    free(attention);
    return good;
}
