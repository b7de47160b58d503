/* A machine over bytes. Each state has one function, which takes bytes from `p` and returns where
 * it stopped, or NULL after fail().
 *
 *   START ─'{'─▶ FIRST_KEY ─'"'─▶ STRING(in_key) ─'"'─▶ COLON ─':'─▶ VALUE ─▶ … ─▶ AFTER
 *   AFTER ─','─▶ KEY in an object, VALUE in an array; a closing bracket ─▶ AFTER one level up
 *   VALUE: '{' ─▶ FIRST_KEY, '[' ─▶ FIRST_VALUE, '"' ─▶ STRING, a digit ─▶ NUMBER, t f n ─▶ LITERAL
 *   STRING ─'\\'─▶ ESCAPE ─'u'─▶ UNICODE ─▶ STRING
 *   in an answer: VALUE ─ '{' or '[' ─▶ NESTED ─ its closing bracket ─▶ AFTER
 *   the last '}' ─▶ END, which takes white space only
 *
 * Where the next byte is at hand a function may take the step behind its own as well (the colon
 * behind a key, the comma behind a value): most bytes of a call are short members.
 *
 * Invariants: depth is the number of open brackets and bit depth-1 of `objects` tells the kind of
 * the innermost; a watched value is being read exactly while watched >= 0, and then span points to
 * its first byte not yet copied. */
#include "openai/scan.h"

#include "base/ensure.h"
#include "base/number.h"
#include "openai/scan_string.h"

enum scan_state {
    STATE_START,
    STATE_FIRST_KEY,
    STATE_KEY,
    STATE_COLON,
    STATE_VALUE,
    STATE_FIRST_VALUE,
    STATE_AFTER,
    STATE_STRING,
    STATE_ESCAPE,
    STATE_UNICODE,
    STATE_NUMBER,
    STATE_LITERAL,
    STATE_NESTED,
    STATE_END,
    STATE_COUNT
};

/* What a number is made of (RFC 8259 section 6), by what was read last. */
enum number_part {
    PART_MINUS,
    PART_ZERO,
    PART_INTEGER,
    PART_POINT,
    PART_FRACTION,
    PART_E,
    PART_E_SIGN,
    PART_EXPONENT
};

/* Most copied values are a model name or a flag; a first piece of this size rarely grows. */
#define COPY_FIRST 64u

static uint64_t offset_of(const struct scan *scan, const char *p)
{
    return scan->offset + (uint64_t)(p - scan->feed);
}

__attribute__((cold)) static const char *fail(struct scan *scan, const char *p, enum error error,
                                              const char *reason)
{
    scan->error = error;
    scan->reason = reason;
    scan->offset = offset_of(scan, p);
    scan->feed = p;
    return NULL;
}

static const char *skip_spaces(struct scan *scan, const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '\n') {
            scan->line++;
            scan->line_start = offset_of(scan, p) + 1;
        } else if (*p != ' ' && *p != '\r' && *p != '\t') {
            break;
        }
    }
    return p;
}

static inline const char *skip_space(struct scan *scan, const char *p, const char *end)
{
    return p < end && (unsigned char)*p > ' ' ? p : skip_spaces(scan, p, end);
}

/* ---- copies of watched values ---- */

static bool copy_grow(struct scan *scan, struct scan_value *value, size_t needed)
{
    size_t capacity = scan->copy_capacity != 0 ? scan->copy_capacity * 2 : COPY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    char *bytes = arena_take(scan->arena, capacity);
    if (bytes == NULL)
        return false;
    if (value->raw.length > 0)
        memcpy(bytes, value->raw.data, value->raw.length);
    value->raw.data = bytes;
    scan->copy_capacity = capacity;
    return true;
}

/* Copies from span up to `p` for the watched value. */
static bool copy_span(struct scan *scan, const char *p)
{
    struct scan_value *value = &scan->values[scan->watched];
    size_t limit = scan->watches[scan->watched].copy_limit;
    size_t size = (size_t)(p - scan->span);
    scan->span = p;
    if (scan->arena == NULL || limit == 0 || value->cut)
        return true;
    if (size > limit - value->raw.length) {
        value->cut = true;
        value->raw = (struct text){NULL, 0};
        return true;
    }
    size_t needed = value->raw.length + size + 1;
    if (needed > scan->copy_capacity && !copy_grow(scan, value, needed))
        return false;
    char *bytes = (char *)value->raw.data;
    memcpy(bytes + value->raw.length, p - size, size);
    value->raw.length += size;
    bytes[value->raw.length] = '\0';
    return true;
}

/* ---- members of the top-level object ---- */

static void key_append(struct scan *scan, const char *bytes, size_t size)
{
    if (size > SCAN_KEY_MAX - scan->key_length) {
        scan->key_too_long = true;
        return;
    }
    memcpy(scan->key + scan->key_length, bytes, size);
    scan->key_length = (uint16_t)(scan->key_length + size);
}

static void key_append_unit(struct scan *scan, unsigned unit)
{
    char bytes[3];
    size_t size = 0;
    if (unit >= 0xd800 && unit <= 0xdfff)
        unit = 0xfffd; /* no watched key has characters beyond the first plane */
    if (unit < 0x80) {
        bytes[size++] = (char)unit;
    } else if (unit < 0x800) {
        bytes[size++] = (char)(0xc0 | unit >> 6);
        bytes[size++] = (char)(0x80 | (unit & 0x3f));
    } else {
        bytes[size++] = (char)(0xe0 | unit >> 12);
        bytes[size++] = (char)(0x80 | (unit >> 6 & 0x3f));
        bytes[size++] = (char)(0x80 | (unit & 0x3f));
    }
    key_append(scan, bytes, size);
}

/* As a reader that ignores case sees it. Unicode folds two characters onto ASCII letters, and at
 * least one common JSON library follows it there: U+017F to s and U+212A to k. */
static struct text key_folded(const struct scan *scan, char out[SCAN_KEY_MAX])
{
    struct text key = {scan->key, scan->key_length};
    size_t length = 0;
    while (key.length > 0) {
        size_t used = 1;
        char c = key.data[0];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c | 0x20);
        } else if (text_starts_with(key, TEXT("\xc5\xbf"))) {
            c = 's';
            used = 2;
        } else if (text_starts_with(key, TEXT("\xe2\x84\xaa"))) {
            c = 'k';
            used = 3;
        }
        out[length++] = c;
        key = text_from_index(key, used);
    }
    return text_of(out, length);
}

static int16_t watch_find(const struct scan *scan, struct text key)
{
    if ((scan->watch_lengths >> key.length & 1) == 0) /* most keys are nobody's */
        return -1;
    for (size_t i = 0; i < scan->watch_count; i++) {
        if (text_equal(scan->watches[i].key, key))
            return (int16_t)i;
    }
    return -1;
}

/* Whether a reader that ignores case could see it as another key. */
static bool key_is_foldable(struct text key)
{
    for (size_t i = 0; i < key.length; i++)
        if ((key.data[i] >= 'A' && key.data[i] <= 'Z') || (unsigned char)key.data[i] >= 0x80)
            return true;
    return false;
}

/* A key that is no known one, and foldable. Not inlined: its array would cost each string of each
 * call a check of the stack. */
__attribute__((noinline, cold)) static const char *key_judge(struct scan *scan, const char *p,
                                                             struct text key)
{
    char folded[SCAN_KEY_MAX];
    if (!scan_is_utf8(key))
        return fail(scan, p, ERROR_SYNTAX, "a member's name is not UTF-8");
    if (watch_find(scan, key_folded(scan, folded)) >= 0)
        return fail(scan, p, ERROR_UNSUPPORTED,
                    "a member's name differs from a known one only in upper and lower case");
    return p;
}

/* The closing quote of a top-level key was read. */
static const char *key_finish(struct scan *scan, const char *p)
{
    scan->object_empty = false;
    scan->watched = -1;
    if (scan->key_too_long)
        return p;
    struct text key = {scan->key, scan->key_length};
    int16_t watched = watch_find(scan, key);
    if (watched < 0)
        return scan->mode == SCAN_STRICT && key_is_foldable(key) ? key_judge(scan, p, key) : p;
    struct scan_value *value = &scan->values[watched];
    if (value->kind != SCAN_ABSENT && scan->mode == SCAN_STRICT)
        return fail(scan, p, ERROR_UNSUPPORTED, "a member is there twice");
    *value = (struct scan_value){0};
    scan->copy_capacity = 0;
    scan->watched = watched;
    return p;
}

static void member_begin(struct scan *scan, const char *p, enum scan_kind kind)
{
    if (scan->depth != 1 || scan->watched < 0)
        return;
    struct scan_value *value = &scan->values[scan->watched];
    value->kind = kind;
    value->offset = offset_of(scan, p);
    scan->span = p;
}

static inline bool in_object(const struct scan *scan)
{
    unsigned level = scan->depth - 1u;
    return (scan->objects[level / 64] >> (level % 64) & 1) != 0;
}

static const char *watched_end(struct scan *scan, const char *p)
{
    struct scan_value *value = &scan->values[scan->watched];
    value->length = offset_of(scan, p) - value->offset;
    if (!copy_span(scan, p))
        return fail(scan, p, ERROR_MEMORY, "not enough memory for a member's value");
    scan->watched = -1;
    return p;
}

/* A value ended before `p`; takes the comma behind it where that comes next. */
static inline const char *value_end(struct scan *scan, const char *p, const char *end)
{
    scan->state = STATE_AFTER;
    if (scan->depth == 1 && scan->watched >= 0 && !watched_end(scan, p))
        return NULL;
    if (p == end || *p != ',')
        return p;
    scan->state = in_object(scan) ? STATE_KEY : STATE_VALUE;
    return p + 1;
}

/* ---- brackets ---- */

static const char *bracket_open(struct scan *scan, const char *p, bool object)
{
    if (scan->depth == SCAN_DEPTH_MAX)
        return fail(scan, p, ERROR_UNSUPPORTED, "brackets are nested more than 512 deep");
    unsigned level = scan->depth++;
    uint64_t bit = 1ull << (level % 64);
    if (object)
        scan->objects[level / 64] |= bit;
    else
        scan->objects[level / 64] &= ~bit;
    scan->state = object ? STATE_FIRST_KEY : STATE_FIRST_VALUE;
    return p + 1;
}

static const char *bracket_close(struct scan *scan, const char *p, const char *end)
{
    if (in_object(scan) != (*p == '}'))
        return fail(scan, p, ERROR_SYNTAX, "a closing bracket does not match the open one");
    scan->depth--;
    if (scan->depth > 0)
        return value_end(scan, p + 1, end);
    scan->state = STATE_END;
    scan->complete = true;
    return p + 1;
}

static const char *take_nested(struct scan *scan, const char *p, const char *end)
{
    p = brackets_pass(&scan->nested, p, end);
    return scan->nested.open == 0 ? value_end(scan, p, end) : p;
}

/* The value is an object or an array. In an answer what is in it is only passed over. */
static const char *nested_begin(struct scan *scan, const char *p, const char *end,
                                enum scan_kind kind)
{
    member_begin(scan, p, kind);
    if (scan->mode == SCAN_STRICT)
        return bracket_open(scan, p, kind == SCAN_OBJECT);
    scan->nested = (struct brackets){.open = 1};
    scan->state = STATE_NESTED;
    return take_nested(scan, p + 1, end);
}

/* ---- states ---- */

/* Behind a key: the colon too, where it comes next. */
static inline const char *key_end(struct scan *scan, const char *p, const char *end)
{
    scan->state = STATE_COLON;
    if (scan->depth == 1 && !key_finish(scan, p))
        return NULL;
    if (p == end || *p != ':')
        return p;
    scan->state = STATE_VALUE;
    return p + 1;
}

static const char *take_string(struct scan *scan, const char *p, const char *end)
{
    const char *stop = scan_string_end(p, end);
    if (scan->in_key && scan->depth == 1 && stop > p)
        key_append(scan, p, (size_t)(stop - p));
    if (stop == end)
        return stop;
    if (*stop == '"')
        return scan->in_key ? key_end(scan, stop + 1, end) : value_end(scan, stop + 1, end);
    if (*stop != '\\')
        return fail(scan, stop, ERROR_SYNTAX, "a control character stands in a string");
    scan->state = STATE_ESCAPE;
    scan->escapes = true;
    return stop + 1;
}

static const char *take_start(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    if (*p == '{') {
        scan->object_open = offset_of(scan, p);
        return bracket_open(scan, p, true);
    }
    if (*p == '\xef')
        return fail(scan, p, ERROR_SYNTAX, "it starts with a byte order mark");
    return fail(scan, p, ERROR_SYNTAX, "it is not a JSON object");
}

static const char *take_key(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    if (*p == '}' && scan->state == STATE_FIRST_KEY)
        return bracket_close(scan, p, end);
    if (*p != '"')
        return fail(scan, p, ERROR_SYNTAX, "a member's name in quotes was expected");
    scan->in_key = true;
    scan->key_length = 0;
    scan->key_too_long = false;
    scan->state = STATE_STRING;
    return take_string(scan, p + 1, end);
}

static const char *take_colon(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    if (*p != ':')
        return fail(scan, p, ERROR_SYNTAX, "a colon was expected");
    scan->state = STATE_VALUE;
    return p + 1;
}

static const char *take_after(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    if (*p == ',') {
        scan->state = in_object(scan) ? STATE_KEY : STATE_VALUE;
        return p + 1;
    }
    if (*p == '}' || *p == ']')
        return bracket_close(scan, p, end);
    return fail(scan, p, ERROR_SYNTAX, "a comma or a closing bracket was expected");
}

/* What stands behind the backslash, and 0 for what may not. */
static char escape_meaning(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

static const char *take_escape(struct scan *scan, const char *p, const char *end)
{
    (void)end;
    if (*p == 'u') {
        scan->state = STATE_UNICODE;
        scan->detail = 0;
        scan->unit = 0;
        return p + 1;
    }
    char meaning = escape_meaning(*p);
    if (meaning == 0)
        return fail(scan, p, ERROR_SYNTAX, "a backslash is followed by an unknown escape");
    if (scan->in_key && scan->depth == 1)
        key_append(scan, &meaning, 1);
    scan->state = STATE_STRING;
    return p + 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *take_unicode(struct scan *scan, const char *p, const char *end)
{
    for (; p < end && scan->detail < 4; p++, scan->detail++) {
        int digit = hex_digit(*p);
        if (digit < 0)
            return fail(scan, p, ERROR_SYNTAX, "\\u is not followed by four hexadecimal digits");
        scan->unit = (uint16_t)(scan->unit << 4 | digit);
    }
    if (scan->detail < 4)
        return p;
    if (scan->in_key && scan->depth == 1)
        key_append_unit(scan, scan->unit);
    scan->state = STATE_STRING;
    return p;
}

/* The part that `c` leads to, or -1 where it cannot stand in the number. */
static int number_next(unsigned part, char c)
{
    bool digit = c >= '0' && c <= '9', e = (c | 0x20) == 'e';
    switch ((enum number_part)part) {
    case PART_MINUS: return c == '0' ? PART_ZERO : digit ? PART_INTEGER : -1;
    case PART_ZERO: return c == '.' ? PART_POINT : e ? PART_E : -1;
    case PART_INTEGER: return digit ? PART_INTEGER : c == '.' ? PART_POINT : e ? PART_E : -1;
    case PART_POINT: return digit ? PART_FRACTION : -1;
    case PART_FRACTION: return digit ? PART_FRACTION : e ? PART_E : -1;
    case PART_E: return c == '+' || c == '-' ? PART_E_SIGN : digit ? PART_EXPONENT : -1;
    case PART_E_SIGN:
    case PART_EXPONENT: return digit ? PART_EXPONENT : -1;
    }
    return -1;
}

static const char *take_number(struct scan *scan, const char *p, const char *end)
{
    unsigned part = scan->detail;
    while (p < end && part == PART_INTEGER && *p >= '0' && *p <= '9')
        p++;
    for (int next; p < end && (next = number_next(part, *p)) >= 0; p++)
        part = (unsigned)next;
    scan->detail = (uint8_t)part;
    if (p == end)
        return p;
    if (part != PART_ZERO && part != PART_INTEGER && part != PART_FRACTION && part != PART_EXPONENT)
        return fail(scan, p, ERROR_SYNTAX, "a number is malformed");
    return value_end(scan, p, end);
}

static const char *take_literal(struct scan *scan, const char *p, const char *end)
{
    for (; p < end && scan->literal[scan->detail] != '\0'; p++, scan->detail++)
        if (*p != scan->literal[scan->detail])
            return fail(scan, p, ERROR_SYNTAX, "a value was expected (true, false or null)");
    return scan->literal[scan->detail] == '\0' ? value_end(scan, p, end) : p;
}

static const char *literal_begin(struct scan *scan, const char *p, const char *end,
                                 enum scan_kind kind, const char *literal)
{
    member_begin(scan, p, kind);
    scan->state = STATE_LITERAL;
    scan->literal = literal;
    scan->detail = 1;
    return take_literal(scan, p + 1, end);
}

static const char *number_begin(struct scan *scan, const char *p, const char *end)
{
    member_begin(scan, p, SCAN_NUMBER);
    scan->state = STATE_NUMBER;
    scan->detail = *p == '-' ? PART_MINUS : *p == '0' ? PART_ZERO : PART_INTEGER;
    return take_number(scan, p + 1, end);
}

static const char *take_value(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    switch (*p) {
    case '"':
        member_begin(scan, p, SCAN_STRING);
        scan->in_key = false;
        scan->state = STATE_STRING;
        return take_string(scan, p + 1, end);
    case '{': return nested_begin(scan, p, end, SCAN_OBJECT);
    case '[': return nested_begin(scan, p, end, SCAN_ARRAY);
    case 't': return literal_begin(scan, p, end, SCAN_TRUE, "true");
    case 'f': return literal_begin(scan, p, end, SCAN_FALSE, "false");
    case 'n': return literal_begin(scan, p, end, SCAN_NULL, "null");
    case ']':
        if (scan->state == STATE_FIRST_VALUE)
            return bracket_close(scan, p, end);
        break;
    default:
        if (*p == '-' || (*p >= '0' && *p <= '9'))
            return number_begin(scan, p, end);
        break;
    }
    return fail(scan, p, ERROR_SYNTAX, "a value was expected");
}

static const char *take_end(struct scan *scan, const char *p, const char *end)
{
    p = skip_space(scan, p, end);
    if (p == end)
        return p;
    scan->complete = false;
    return fail(scan, p, ERROR_SYNTAX, "something follows behind the end of the object");
}

static const char *(*const take[STATE_COUNT])(struct scan *, const char *, const char *) = {
    [STATE_START] = take_start,     [STATE_FIRST_KEY] = take_key, [STATE_KEY] = take_key,
    [STATE_COLON] = take_colon,     [STATE_VALUE] = take_value,   [STATE_FIRST_VALUE] = take_value,
    [STATE_AFTER] = take_after,     [STATE_STRING] = take_string, [STATE_ESCAPE] = take_escape,
    [STATE_UNICODE] = take_unicode, [STATE_NUMBER] = take_number, [STATE_LITERAL] = take_literal,
    [STATE_NESTED] = take_nested,   [STATE_END] = take_end,
};

/* ---- public ---- */

void scan_open(struct scan *scan, enum scan_mode mode, const struct scan_watch *watches,
               struct scan_value *values, size_t count, struct arena *arena)
{
    ensure(count <= SCAN_WATCH_MAX);
    *scan = (struct scan){
        .line = 1,
        .object_empty = true,
        .state = STATE_START,
        .mode = (uint8_t)mode,
        .watched = -1,
        .watches = watches,
        .values = values,
        .watch_count = count,
        .arena = arena,
    };
    for (size_t i = 0; i < count; i++) {
        values[i] = (struct scan_value){0};
        scan->watch_lengths |= 1ull << watches[i].key.length;
    }
}

enum error scan_feed(struct scan *scan, struct text bytes)
{
    if (scan->error != ERROR_OK || bytes.length == 0)
        return scan->error;
    const char *p = bytes.data, *end = p + bytes.length;
    scan->feed = p;
    scan->span = p;
    while (p != NULL && p < end)
        p = take[scan->state](scan, p, end);
    if (p == NULL)
        return scan->error;
    /* Between a key and its value nothing of the value is there yet. */
    if (scan->watched >= 0 && scan->values[scan->watched].kind != SCAN_ABSENT &&
        !copy_span(scan, p)) {
        fail(scan, p, ERROR_MEMORY, "not enough memory for a member's value");
        return scan->error;
    }
    scan->offset += bytes.length;
    return ERROR_OK;
}

enum error scan_finish(struct scan *scan)
{
    if (scan->error != ERROR_OK || scan->complete)
        return scan->error;
    scan->error = ERROR_SYNTAX;
    scan->reason =
        scan->state == STATE_START ? "it is empty" : "it ends before the object is closed";
    return scan->error;
}

uint64_t scan_column(const struct scan *scan)
{
    return scan->offset - scan->line_start + 1;
}

enum error scan_text(struct scan *scan, enum scan_mode mode, struct text document,
                     const struct scan_watch *watches, struct scan_value *values, size_t count)
{
    scan_open(scan, mode, watches, values, count, NULL);
    enum error error = scan_feed(scan, document);
    if (error == ERROR_OK)
        error = scan_finish(scan);
    if (error != ERROR_OK)
        return error;
    for (size_t i = 0; i < count; i++)
        if (values[i].kind != SCAN_ABSENT)
            values[i].raw = text_of(document.data + values[i].offset, (size_t)values[i].length);
    return ERROR_OK;
}
