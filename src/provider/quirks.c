/* Edits are gathered in the order of the body, those of the dialect among them, and applied in one
 * copy. */
#include "provider/quirks.h"

#include "openai/members.h"

/* ---- the table ---- */

#define NO_RESPONSES      QUIRK_NO_RESPONSES
#define NO_EMBEDDINGS     QUIRK_NO_EMBEDDINGS
#define MAX_TOKENS        QUIRK_MAX_TOKENS
#define NO_DEVELOPER      QUIRK_NO_DEVELOPER
#define NO_STREAM_OPTIONS QUIRK_NO_STREAM_OPTIONS
#define REASONING         QUIRK_REASONING
#define KEEPS_REASONING   QUIRK_KEEPS_REASONING
#define SHORT_IDS         QUIRK_SHORT_IDS
#define TRANSLATED        QUIRK_TRANSLATED

static const struct quirks rows[] = {
#define QUIRKS(name, host, port, flags, dropped, seed) \
    {TEXT_INIT(name), TEXT_INIT(host), port, flags, TEXT_INIT(dropped), TEXT_INIT(seed)},
#include "tables/quirks.def"
#undef QUIRKS
};

const struct quirks *quirks_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* "openrouter.ai", "eu.openrouter.ai", but not "notopenrouter.ai". */
static bool is_host(struct text host, struct text known)
{
    if (text_empty(known) || !text_ends_with(host, known))
        return false;
    return host.length == known.length || host.data[host.length - known.length - 1] == '.';
}

const struct quirks *quirks_guess(struct text host, uint16_t port)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (is_host(host, rows[i].host) || (rows[i].port != 0 && rows[i].port == port))
            return &rows[i];
    return NULL;
}

bool quirks_drop(const struct quirks *quirks, struct text member)
{
    struct text rest = quirks == NULL ? TEXT("") : quirks->dropped;
    while (!text_empty(rest))
        if (text_equal(text_split(&rest, ' '), member))
            return true;
    return quirks_have(quirks, QUIRK_NO_STREAM_OPTIONS) &&
           text_equal(member, TEXT("stream_options"));
}

/* ---- edits ---- */

struct editing {
    const struct provider_call *call;
    const struct quirks *quirks; /* NULL: only the call's drops */
    struct text body;
    size_t written; /* of the body */
    size_t from;    /* of the dialect's edits: the next */
    struct provider_request *request;
    bool changed;
};

/* The body up to `offset`, the replacement instead of the next `length` bytes. */
static void write_edit(struct editing *editing, uint64_t offset, uint64_t length,
                       struct text replacement)
{
    struct buffer *out = &editing->request->body;
    if (offset < editing->written)
        return; /* within something that is gone */
    buffer_append(out, text_of(editing->body.data + editing->written, offset - editing->written));
    buffer_append(out, replacement);
    editing->written = offset + length;
}

/* Those of the dialect that come before `offset`. */
static void write_dialect_edits(struct editing *editing, uint64_t offset)
{
    const struct splices *edits = &editing->request->edits;
    while (editing->from < edits->count && edits->rows[editing->from].offset < offset) {
        const struct splice *row = &edits->rows[editing->from++];
        write_edit(editing, row->offset, row->length, row->replacement);
    }
}

static void edit(struct editing *editing, const char *at, size_t length, struct text replacement)
{
    uint64_t offset = (uint64_t)(at - editing->body.data);
    write_dialect_edits(editing, offset);
    write_edit(editing, offset, length, replacement);
    editing->changed = true;
}

static bool is_dropped(const struct editing *editing, struct text name)
{
    for (size_t i = 0; i < editing->call->drop_count; i++)
        if (text_equal(editing->call->drop[i], name))
            return true;
    return quirks_drop(editing->quirks, name);
}

static struct text new_name(const struct editing *editing, struct text name)
{
    const struct quirks *quirks = editing->quirks;
    if (quirks_have(quirks, QUIRK_MAX_TOKENS) && text_equal(name, TEXT("max_completion_tokens")))
        return TEXT("max_tokens");
    if (quirks != NULL && !text_empty(quirks->seed) && text_equal(name, TEXT("seed")))
        return quirks->seed;
    return name;
}

/* "role": "developer", which in messages has no other meaning: within strings its quotes have
 * backslashes. */
static void rename_roles(struct editing *editing, struct text messages)
{
    struct text rest = messages, role = TEXT("\"role\""), developer = TEXT("\"developer\"");
    ptrdiff_t found;
    while ((found = text_find(rest, developer)) >= 0) {
        const char *at = rest.data + found, *before = at;
        rest = text_from_index(rest, (size_t)found + developer.length);
        while (before > messages.data && strchr(" \t\r\n:", before[-1]) != NULL)
            before--;
        if (before - messages.data >= (ptrdiff_t)role.length &&
            memcmp(before - role.length, role.data, role.length) == 0)
            edit(editing, at, developer.length, TEXT("\"system\""));
    }
}

static const char *behind_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n,", *at) != NULL)
        at++;
    return at;
}

/* Each member that is left out takes the comma before it along, or, at the beginning, the one
 * behind it. */
static void edit_members(struct editing *editing)
{
    struct members members;
    struct member member;
    const char *end = editing->body.data + editing->body.length, *kept = NULL;
    bool developer = quirks_have(editing->quirks, QUIRK_NO_DEVELOPER);
    members_open(&members, editing->body);
    while (members_next(&members, &member)) {
        const char *begin = member.key.data - 1, *behind = member.raw.data + member.raw.length;
        if (is_dropped(editing, member.key)) {
            const char *from = kept != NULL ? kept : begin;
            const char *to = kept != NULL ? behind : behind_blanks(behind, end);
            edit(editing, from, (size_t)(to - from), TEXT(""));
            if (kept != NULL)
                kept = behind;
            continue;
        }
        kept = behind;
        struct text name = new_name(editing, member.key);
        if (name.data != member.key.data)
            edit(editing, member.key.data, member.key.length, name);
        if (developer && text_equal(member.key, TEXT("messages")))
            rename_roles(editing, member.raw);
    }
}

static void close_body(struct provider_request *request)
{
    buffer_close(&request->body);
}

/* Whether its requests for chat differ. */
static bool edits_requests(const struct quirks *quirks)
{
    return quirks_have(quirks, QUIRK_MAX_TOKENS | QUIRK_NO_DEVELOPER | QUIRK_NO_STREAM_OPTIONS) ||
           (quirks != NULL && (!text_empty(quirks->dropped) || !text_empty(quirks->seed)));
}

enum error quirks_edit(const struct provider_call *call, struct provider_request *request)
{
    const struct quirks *quirks = call->settings->quirks;
    ptrdiff_t brace = text_find_char(call->body, '{');
    if (call->match->endpoint->kind != ENDPOINT_CHAT || !edits_requests(quirks))
        quirks = NULL;
    if (call->envelope == NULL || brace < 0 || (quirks == NULL && call->drop_count == 0))
        return ERROR_OK;
    struct editing editing = {
        .call = call,
        .quirks = quirks,
        .body = call->body,
        .request = request,
    };
    buffer_open(&request->body, call->body_maximum);
    struct text object = text_from_index(call->body, (size_t)brace);
    editing.body = object;
    /* The dialect's offsets count from the body's first byte. */
    for (size_t i = 0; i < request->edits.count; i++)
        request->edits.rows[i].offset -= (uint64_t)brace;
    edit_members(&editing);
    if (!editing.changed) {
        for (size_t i = 0; i < request->edits.count; i++)
            request->edits.rows[i].offset += (uint64_t)brace;
        return ERROR_OK;
    }
    write_dialect_edits(&editing, UINT64_MAX);
    write_edit(&editing, object.length, 0, TEXT(""));
    request->translated = true;
    request->close = close_body;
    return request->body.failed ? ERROR_MEMORY : ERROR_OK;
}
