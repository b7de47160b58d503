/* Patterns are cut into segments once, before main, and found through the first segment. A path is
 * cut into segments and compared segment by segment: literals must stand as they are (no percent
 * encoding), ids are decoded, checked and encoded again. */
#include "openai/endpoint.h"

#include "base/ensure.h"

/* "/vector_stores/{id}/file_batches/{batch}/files" has five. A model name may hold slashes, which
 * makes more segments of a path than any pattern has. */
#define SEGMENT_MAX      8u
#define PATH_SEGMENT_MAX 16u
#define ROW_MAX          256u
#define SLOT_COUNT       64u

struct route {
    struct text segments[SEGMENT_MAX];
    size_t count;
    bool takes_rest; /* ends in {model} */
};

/* Rows with one first segment. */
struct group {
    struct text name;
    unsigned first, end;
};

static struct route routes[ROW_MAX];
static struct group groups[SLOT_COUNT];

static struct group *group_slot(struct text name)
{
    size_t slot = (size_t)(text_hash(name) % SLOT_COUNT);
    while (!text_empty(groups[slot].name) && !text_equal(groups[slot].name, name))
        slot = (slot + 1) % SLOT_COUNT;
    return &groups[slot];
}

__attribute__((constructor)) static void prepare_routes(void)
{
    unsigned group_count = 0;
    ensure(endpoint_count <= ROW_MAX);
    for (unsigned i = 0; i < endpoint_count; i++) {
        struct text rest = text_from_index(endpoints[i].pattern, 1);
        struct route *route = &routes[i];
        while (rest.data != NULL) {
            ensure(route->count < SEGMENT_MAX);
            route->segments[route->count++] = text_split(&rest, '/');
        }
        route->takes_rest = text_equal(route->segments[route->count - 1], TEXT("{model}"));
        struct group *group = group_slot(route->segments[0]);
        if (text_empty(group->name)) {
            ensure(++group_count < SLOT_COUNT / 2);
            *group = (struct group){route->segments[0], i, i};
        }
        ensure(group->end == i); /* rows with the same first segment stand together */
        group->end = i + 1;
    }
}

/* ---- the path ---- */

struct path {
    struct text segments[PATH_SEGMENT_MAX];
    size_t count;
    bool canonical; /* every segment is plain */
};

/* Characters that an id may hold as they are (RFC 3986 unreserved, and ':' as in "ft:gpt-4o:org").
 */
static const bool plain_bytes[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['-'] = true,
    ['.'] = true,         ['_'] = true,         ['~'] = true,         [':'] = true,
};

static bool is_plain(struct text segment)
{
    for (size_t i = 0; i < segment.length; i++)
        if (!plain_bytes[(unsigned char)segment.data[i]])
            return false;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at `i`, decoded, and how many bytes it takes; -1 when malformed. */
static int byte_at(struct text t, size_t i, size_t *size)
{
    *size = 1;
    if (t.data[i] != '%')
        return (unsigned char)t.data[i];
    *size = 3;
    if (t.length - i < 3 || hex_value(t.data[i + 1]) < 0 || hex_value(t.data[i + 2]) < 0)
        return -1;
    return hex_value(t.data[i + 1]) << 4 | hex_value(t.data[i + 2]);
}

/* Why a segment could be read in more than one way; NULL when it cannot. */
static const char *segment_problem(struct text segment)
{
    size_t dots = 0, bytes = 0, size;
    if (segment.length == 0)
        return "an empty segment";
    for (size_t i = 0; i < segment.length; i += size, bytes++) {
        int byte = byte_at(segment, i, &size);
        if (byte < 0)
            return "a malformed percent encoding";
        if (byte < 0x20 || byte == 0x7f)
            return "a control character";
        if (byte == '\\' || byte == '#')
            return "a backslash or a fragment";
        dots += byte == '.';
    }
    return dots == bytes && dots <= 2 ? "a dot segment" : NULL;
}

static const char *path_split(struct text path, struct path *out)
{
    out->count = 0;
    out->canonical = true;
    while (path.data != NULL) {
        struct text segment = text_split(&path, '/');
        bool plain = is_plain(segment);
        bool dotted = text_starts_with(segment, TEXT("."));
        const char *problem =
            plain && !dotted && segment.length > 0 ? NULL : segment_problem(segment);
        out->canonical &= plain;
        /* One slash at the very end is a common slip and means another path: not found. */
        if (problem != NULL && !(segment.length == 0 && path.data == NULL))
            return problem;
        if (out->count == PATH_SEGMENT_MAX)
            return "too many segments";
        out->segments[out->count++] = segment;
    }
    return NULL;
}

/* ---- matching ---- */

static bool is_id(struct text segment)
{
    return segment.data[0] == '{';
}

static bool route_matches(const struct route *route, const struct path *path)
{
    if (route->takes_rest ? path->count < route->count : path->count != route->count)
        return false;
    for (size_t i = 0; i < route->count; i++) {
        if (is_id(route->segments[i])) {
            if (text_empty(path->segments[i]))
                return false;
        } else if (!text_equal(route->segments[i], path->segments[i])) {
            return false;
        }
    }
    /* With {model} the rest of the path must not end in a slash either. */
    return !text_empty(path->segments[path->count - 1]);
}

/* Decodes one segment to `decoded` (at most its length) and encodes it anew to `encoded` (at most
 * three times its length). */
static void segment_rewrite(struct text segment, struct text *decoded, struct text *encoded)
{
    static const char digits[] = "0123456789ABCDEF";
    char *plain = (char *)decoded->data, *canonical = (char *)encoded->data;
    size_t size;
    for (size_t i = 0; i < segment.length; i += size) {
        int byte = byte_at(segment, i, &size);
        ensure(byte >= 0); /* every escape was checked before */
        plain[decoded->length++] = (char)byte;
        if (plain_bytes[byte]) {
            canonical[encoded->length++] = (char)byte;
            continue;
        }
        canonical[encoded->length++] = '%';
        canonical[encoded->length++] = digits[byte >> 4];
        canonical[encoded->length++] = digits[byte & 15];
    }
}

/* The whole rest of a path that ends in {model}, from segment `i`, else that segment alone. */
static struct text id_span(const struct route *route, const struct path *path, size_t i)
{
    struct text span = path->segments[i];
    if (route->takes_rest && i + 1 == route->count) {
        const struct text *last = &path->segments[path->count - 1];
        span.length = (size_t)(last->data + last->length - span.data);
    }
    return span;
}

/* Fills path and object of the match. */
static enum refusal match_fill(const struct route *route, const struct path *path, struct text raw,
                               struct arena *arena, struct endpoint_match *match)
{
    if (path->canonical && path->count == route->count) {
        match->path = raw;
        for (size_t i = 0; i < route->count && text_empty(match->object); i++)
            if (is_id(route->segments[i]))
                match->object = path->segments[i];
        return match->object.length > ENDPOINT_ID_MAX ? REFUSAL_PATH_UNKNOWN : REFUSAL_NONE;
    }
    char *canonical = arena_take(arena, raw.length * 3 + 1);
    if (canonical == NULL)
        return REFUSAL_MEMORY_LIMIT;
    struct text out = {canonical, 0};
    for (size_t i = 0; i < route->count; i++) {
        struct text span = id_span(route, path, i);
        canonical[out.length++] = '/';
        struct text decoded = {arena_take(arena, span.length + 1), 0};
        struct text encoded = {canonical + out.length, 0};
        if (decoded.data == NULL)
            return REFUSAL_MEMORY_LIMIT;
        segment_rewrite(span, &decoded, &encoded);
        out.length += encoded.length;
        if (!is_id(route->segments[i]))
            continue;
        /* "%2F" is fine in a model's name only. */
        bool slash_allowed = route->takes_rest && i + 1 == route->count;
        if (!slash_allowed && text_find_char(decoded, '/') >= 0) {
            match->detail = "an encoded slash";
            return REFUSAL_PATH_MALFORMED;
        }
        if (decoded.length > ENDPOINT_ID_MAX)
            return REFUSAL_PATH_UNKNOWN;
        if (match->object.data == NULL)
            match->object = decoded;
    }
    match->path = out;
    return REFUSAL_NONE;
}

/* By bit: GET, POST, DELETE. */
static const char *allow_text(unsigned methods)
{
    static const char *const texts[1u << ENDPOINT_METHOD_COUNT] = {
        "",       "GET",         "POST",         "GET, POST",
        "DELETE", "GET, DELETE", "POST, DELETE", "GET, POST, DELETE"};
    return texts[methods];
}

static int endpoint_method(enum http1_method method)
{
    switch (method) {
    case HTTP1_GET: return ENDPOINT_GET;
    case HTTP1_POST: return ENDPOINT_POST;
    case HTTP1_DELETE: return ENDPOINT_DELETE;
    default: return -1;
    }
}

static enum refusal match_find(enum http1_method method, const struct path *path, struct text raw,
                               struct arena *arena, struct endpoint_match *match)
{
    const struct group *group = group_slot(path->segments[0]);
    int wanted = endpoint_method(method);
    unsigned methods = 0;
    if (text_empty(group->name))
        return REFUSAL_PATH_UNKNOWN;
    for (unsigned i = group->first; i < group->end; i++) {
        if (!route_matches(&routes[i], path))
            continue;
        methods |= 1u << endpoints[i].method;
        if ((int)endpoints[i].method != wanted)
            continue;
        enum refusal refusal = match_fill(&routes[i], path, raw, arena, match);
        if (refusal == REFUSAL_NONE)
            match->endpoint = &endpoints[i];
        return refusal;
    }
    if (methods == 0)
        return REFUSAL_PATH_UNKNOWN;
    match->allow = allow_text(methods);
    return REFUSAL_METHOD_NOT_ALLOWED;
}

enum refusal endpoint_find(enum http1_method method, struct text target, struct arena *arena,
                           struct endpoint_match *match)
{
    struct path path;
    *match = (struct endpoint_match){0};
    match->query = target;
    struct text raw = text_split(&match->query, '?');
    bool own = text_starts_with(raw, TEXT("/turnpike/"));
    if (!own && !text_starts_with(raw, TEXT("/v1/")))
        return REFUSAL_PATH_UNKNOWN;
    if (!own)
        raw = text_from_index(raw, 3);
    match->detail = path_split(text_from_index(raw, 1), &path);
    if (match->detail != NULL)
        return REFUSAL_PATH_MALFORMED;
    if (text_equal(path.segments[0], TEXT("organization")))
        return REFUSAL_PATH_ADMINISTRATIVE;
    if (text_empty(path.segments[0]) || text_equal(path.segments[0], TEXT("turnpike")) != own)
        return REFUSAL_PATH_UNKNOWN;
    return match_find(method, &path, raw, arena, match);
}

bool endpoint_makes_object(const struct endpoint *endpoint, const struct envelope *envelope)
{
    switch (endpoint->makes) {
    case ENDPOINT_MAKES_NOTHING: return false;
    case ENDPOINT_MAKES_OBJECT: return true;
    case ENDPOINT_MAKES_IF_STORED:
        return envelope != NULL && envelope->store_stated && envelope->store;
    case ENDPOINT_MAKES_UNLESS_DECLINED:
        return envelope == NULL || !envelope->store_stated || envelope->store;
    }
    return false;
}
