/* What a request says: the segment of its path, its query parameters, its body. */
#include "admin/call.h"
#include "admin/moment.h"
#include "base/clock.h"
#include "base/number.h"

#define SHOWN_MAX 60u /* bytes of somebody's words in a message */

static struct text shown(struct text word)
{
    return text_first(word, SHOWN_MAX);
}

static bool refuse_memory(struct admin_call *call)
{
    return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
}

/* ---- the URL ---- */

/* `plus`: a plus sign is a space, as HTML forms and most clients write it in a query. */
static bool decode(struct admin_call *call, struct text encoded, bool plus, struct text *out)
{
    char *bytes = arena_take(&call->arena, encoded.length + 1);
    size_t length = 0;

    if (!bytes)
        return refuse_memory(call);
    for (size_t i = 0; i < encoded.length; i++) {
        char c = encoded.data[i];
        if (c == '%') {
            bool there = i + 2 < encoded.length;
            int high = there ? number_hex_digit(encoded.data[i + 1]) : -1;
            int low = there ? number_hex_digit(encoded.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return call_refuse(call, ADMIN_PROBLEM_BAD_REQUEST, "",
                                   "the URL has a per cent sign without two hexadecimal digits");
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        bytes[length++] = c;
    }
    *out = text_of(bytes, length);
    return true;
}

/* The row of the route with that name; `index` counts the route's own. */
static const struct route_query *find_query(const struct admin_call *call, struct text name,
                                            size_t *index)
{
    enum route_name route = (enum route_name)(call->route - routes);

    *index = 0;
    for (size_t i = 0; i < route_query_count; i++) {
        if (route_queries[i].route != route)
            continue;
        if (text_equal(route_queries[i].name, name))
            return &route_queries[i];
        ++*index;
    }
    return NULL;
}

static bool refuse_unknown(struct admin_call *call, struct text name)
{
    struct text near = routes_nearest_query((enum route_name)(call->route - routes), name);

    return call_refuse(call, ADMIN_PROBLEM_UNKNOWN_PARAMETER, "",
                       "there is no query parameter \"%.*s\" here%s%.*s%s", TEXT_ARG(shown(name)),
                       text_empty(near) ? "" : "; did you mean \"", TEXT_ARG(near),
                       text_empty(near) ? "" : "\"?");
}

static bool take_parameter(struct admin_call *call, struct text pair)
{
    struct text rest = pair, name = {0}, value = {0};
    struct text encoded = text_split(&rest, '=');
    size_t index;

    if (!decode(call, encoded, true, &name) || !decode(call, rest, true, &value))
        return false;
    const struct route_query *query = find_query(call, name, &index);
    /* What a provider adds to the way back is its own affair (RFC 6749 section 4.1.2). */
    if (!query && call->route == &routes[ROUTE_SSO_CALLBACK])
        return true;
    if (!query)
        return refuse_unknown(call, name);
    if (call->values[index].data)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, query->name.data,
                           "the parameter is there twice");
    call->values[index] = value;
    return true;
}

bool call_take_target(struct admin_call *call, struct text id, struct text query)
{
    if (!decode(call, id, false, &call->id))
        return false;
    while (query.data) {
        struct text pair = text_split(&query, '&');
        if (!text_empty(pair) && !take_parameter(call, pair))
            return false;
    }
    return true;
}

struct text call_query(const struct admin_call *call, const char *name)
{
    size_t index;

    return find_query(call, text_from(name), &index) ? call->values[index] : text_of(NULL, 0);
}

bool call_query_count(struct admin_call *call, const char *name, uint64_t minimum, uint64_t maximum,
                      uint64_t *out)
{
    struct text value = call_query(call, name);
    uint64_t number;

    if (!value.data)
        return true;
    if (!number_parse_unsigned(value, &number) || number < minimum || number > maximum)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, name,
                           "\"%.*s\" is no whole number from %llu to %llu", TEXT_ARG(shown(value)),
                           (unsigned long long)minimum, (unsigned long long)maximum);
    *out = number;
    return true;
}

bool call_query_flag(struct admin_call *call, const char *name, bool *out)
{
    struct text value = call_query(call, name);

    if (!value.data)
        return true;
    *out = text_equal(value, TEXT("true"));
    return *out || text_equal(value, TEXT("false")) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, name, "\"%.*s\" is neither true nor false",
                       TEXT_ARG(shown(value)));
}

bool call_query_moment(struct admin_call *call, const char *name, uint64_t *out)
{
    struct text value = call_query(call, name);
    uint64_t now = clock_wall(), milliseconds;

    if (!value.data)
        return true;
    if (number_parse_duration(value, &milliseconds)) {
        uint64_t most = now / NANOSECONDS_PER_MILLISECOND;
        *out = now - (milliseconds < most ? milliseconds : most - 1) * NANOSECONDS_PER_MILLISECOND;
        return true;
    }
    return (moment_parse(value, now, out) && *out > 0) ||
           call_refuse(
               call, ADMIN_PROBLEM_INVALID, name,
               "\"%.*s\" is no moment: 2h (ago), 7d, 2027-01-31, 2027-01-31T18:00:00Z or now",
               TEXT_ARG(shown(value)));
}

bool call_query_limit(struct admin_call *call, size_t *out)
{
    uint64_t limit = CALL_PAGE;

    if (!call_query_count(call, "limit", 1, CALL_PAGE_MAX, &limit))
        return false;
    *out = (size_t)limit;
    return true;
}

/* ---- the body ---- */

struct document_node *call_read_body(struct admin_call *call)
{
    yyjson_read_err error;
    struct document_node *node = NULL;

    if (text_empty(text_trim(call->body))) {
        node = arena_take_zeroed(&call->arena, sizeof(*node));
        if (node)
            node->kind = DOCUMENT_MAPPING;
        else
            (void)refuse_memory(call);
        return node;
    }
    /* Numbers raw: an amount must not become floating point. yyjson does not write to the text
     * without YYJSON_READ_INSITU. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)call->body.data, call->body.length,
                                            YYJSON_READ_NUMBER_AS_RAW, NULL, &error);
    if (!document) {
        (void)call_refuse(call, ADMIN_PROBLEM_BAD_JSON, "", "the body is no JSON: %s at byte %zu",
                          error.msg, error.pos + 1);
        return NULL;
    }
    if (yyjson_is_obj(yyjson_doc_get_root(document)))
        node = object_document_from_json(yyjson_doc_get_root(document), &call->arena);
    else
        (void)call_refuse(call, ADMIN_PROBLEM_BAD_JSON, "", "the body must be a JSON object");
    if (!node && call->problem.code == ADMIN_PROBLEM_NONE)
        (void)call_refuse(call, ADMIN_PROBLEM_BAD_JSON, "", "the body is nested too deep");
    yyjson_doc_free(document);
    return node;
}

static const struct shape_part *find_part(enum shape_name shape, struct text name)
{
    for (size_t i = 0; i < shape_part_count; i++) {
        if (shape_parts[i].shape == shape && text_equal(shape_parts[i].name, name))
            return &shape_parts[i];
    }
    return NULL;
}

/* The members of requests are all scalars. */
static bool check_member(struct admin_call *call, enum shape_name shape,
                         const struct document_node *node)
{
    struct text near = routes_nearest_part(shape, node->key);

    if (!find_part(shape, node->key))
        return call_refuse(call, ADMIN_PROBLEM_UNKNOWN_MEMBER, "",
                           "there is no member \"%.*s\" here%s%.*s%s", TEXT_ARG(shown(node->key)),
                           text_empty(near) ? "" : "; did you mean \"", TEXT_ARG(near),
                           text_empty(near) ? "" : "\"?");
    return node->kind == DOCUMENT_SCALAR ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, find_part(shape, node->key)->name.data,
                       "expected a text here");
}

struct document_node *call_read_shape(struct admin_call *call, enum shape_name shape)
{
    struct document_node *body = call_read_body(call);

    if (!body)
        return NULL;
    for (const struct document_node *node = body->first; node; node = node->next) {
        if (!check_member(call, shape, node))
            return NULL;
    }
    for (size_t i = 0; i < shape_part_count; i++) {
        const struct shape_part *part = &shape_parts[i];
        if (part->shape != shape || part->need != SHAPE_NEED_ALWAYS ||
            call_member(body, part->name.data).data)
            continue;
        (void)call_refuse(call, ADMIN_PROBLEM_MISSING, part->name.data, "\"%.*s\" is missing: %s",
                          TEXT_ARG(part->name), part->description);
        return NULL;
    }
    return body;
}

struct text call_member(const struct document_node *body, const char *name)
{
    const struct document_node *node = document_find(body, text_from(name));

    return node && !document_is_null(node) ? node->scalar : text_of(NULL, 0);
}
