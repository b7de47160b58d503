/* A machine over the bytes, in which a quote inside a string of JSON cannot be mistaken: it has a
 * backslash before it there.
 *
 *   SEEK ──'"'──▶ KEY ──`id":"` or `container_id":"`──▶ PREFIX ──a known one──▶ ID ──'"'──▶ SEEK
 *     ▲             │ anything else                        │ anything else
 *     └─────────────┴──────────────────────────────────────┘
 */
#include "openai/tool_calls.h"

enum state { STATE_SEEK, STATE_ESCAPE, STATE_KEY, STATE_PREFIX, STATE_ID };

struct item {
    struct text key;    /* as it stands behind the opening quote, up to the value's own quote */
    struct text prefix; /* of the id */
};

/* In the order of enum tool_call. OpenAI writes JSON without spaces in streams and with them
 * elsewhere: a space behind the colon is passed over. */
static const struct item items[TOOL_CALL_COUNT] = {
    [TOOL_CALL_WEB_SEARCH] = {TEXT_INIT("id\":\""), TEXT_INIT("ws_")},
    [TOOL_CALL_FILE_SEARCH] = {TEXT_INIT("id\":\""), TEXT_INIT("fs_")},
    [TOOL_CALL_CONTAINER] = {TEXT_INIT("container_id\":\""), TEXT_INIT("cntr_")},
};

#define HASH_START 14695981039346656037ull /* FNV-1a, 64 bits */
#define HASH_PRIME 1099511628211ull

void tool_calls_open(struct tool_calls *calls)
{
    memset(calls->counts, 0, sizeof(calls->counts));
    calls->full = false;
    calls->state = STATE_SEEK;
    calls->id_count = 0;
}

static void seek(struct tool_calls *calls, char c)
{
    calls->state = c == '"' ? STATE_KEY : c == '\\' ? STATE_ESCAPE : STATE_SEEK;
    calls->matched = 0;
    calls->kind = -1;
}

/* The two keys differ in their first character. */
static void match_key(struct tool_calls *calls, char c)
{
    if (calls->matched == 0)
        calls->kind = c == 'c' ? TOOL_CALL_CONTAINER : TOOL_CALL_WEB_SEARCH;
    struct text key = items[calls->kind].key;
    if (c == ' ' && key.data[calls->matched - (calls->matched > 0)] == ':')
        return;
    if (key.data[calls->matched] != c) {
        seek(calls, c);
        return;
    }
    if (++calls->matched < key.length)
        return;
    calls->state = STATE_PREFIX;
    calls->matched = 0;
}

static void match_prefix(struct tool_calls *calls, char c)
{
    if (calls->matched == 0 && calls->kind != TOOL_CALL_CONTAINER)
        calls->kind = c == 'f' ? TOOL_CALL_FILE_SEARCH : TOOL_CALL_WEB_SEARCH;
    struct text prefix = items[calls->kind].prefix;
    if (prefix.data[calls->matched] != c) {
        seek(calls, c);
        return;
    }
    if (++calls->matched < prefix.length)
        return;
    calls->state = STATE_ID;
    calls->hash = HASH_START ^ (uint64_t)(uint16_t)calls->kind << 56;
}

static void take_id(struct tool_calls *calls)
{
    for (size_t i = 0; i < calls->id_count; i++) {
        if (calls->ids[i] == calls->hash)
            return;
    }
    if (calls->id_count == TOOL_CALLS_IDS_MAX) {
        calls->full = true;
        return;
    }
    calls->ids[calls->id_count++] = calls->hash;
    calls->counts[calls->kind]++;
}

static void read_id(struct tool_calls *calls, char c)
{
    if (c == '"') {
        take_id(calls);
        calls->state = STATE_SEEK;
    } else {
        calls->hash = (calls->hash ^ (unsigned char)c) * HASH_PRIME;
    }
}

void tool_calls_feed(struct tool_calls *calls, struct text bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        char c = bytes.data[i];
        switch ((enum state)calls->state) {
        case STATE_SEEK: seek(calls, c); break;
        case STATE_ESCAPE: calls->state = STATE_SEEK; break;
        case STATE_KEY: match_key(calls, c); break;
        case STATE_PREFIX: match_prefix(calls, c); break;
        case STATE_ID: read_id(calls, c); break;
        }
    }
}
