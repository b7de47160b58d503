#include "admin/routes.h"

#include "admin/handlers.h"
#include "base/ensure.h"
#include "tables/config.h"

#define OBJECT_NONE OBJECT_KIND_COUNT

const struct route routes[ROUTE_COUNT] = {
#define ROUTE(name, method, path, who, kind, handler, request, status, response, summary)       \
    [ROUTE_##name] = {#name,   HTTP1_##method, TEXT_INIT(path), ROUTE_WHO_##who, OBJECT_##kind, \
                      handler, request,        status,          response,        summary},
#define QUERY(route, name, type, description)
#include "tables/admin_routes.def"
#undef ROUTE
#undef QUERY
};

const struct route_query route_queries[] = {
#define ROUTE(name, method, path, who, kind, handler, request, status, response, summary)
#define QUERY(route, name, type, description) \
    {ROUTE_##route, TEXT_INIT(#name), SHAPE_TYPE_##type, description},
#include "tables/admin_routes.def"
#undef ROUTE
#undef QUERY
};

const size_t route_query_count = ARRAY_LENGTH(route_queries);

const struct shape shapes[SHAPE_COUNT] = {
#define SHAPE(name, title) [SHAPE_##name] = {#name, title},
#define PART(shape, name, type, need, of, description)
#include "tables/admin_shapes.def"
#undef SHAPE
#undef PART
};

const struct shape_part shape_parts[] = {
#define SHAPE(name, title)
#define PART(shape, name, type, need, of, description) \
    {SHAPE_##shape, TEXT_INIT(#name), SHAPE_TYPE_##type, SHAPE_NEED_##need, of, description},
#include "tables/admin_shapes.def"
#undef SHAPE
#undef PART
};

const size_t shape_part_count = ARRAY_LENGTH(shape_parts);

/* Segment by segment; {id} stands for any that is not empty. */
static bool matches(struct text pattern, struct text path, struct text *id)
{
    *id = text_of(NULL, 0);
    while (pattern.data && path.data) {
        struct text wanted = text_split(&pattern, '/');
        struct text segment = text_split(&path, '/');
        if (text_equal(wanted, TEXT("{id}")) && !text_empty(segment))
            *id = segment;
        else if (!text_equal(wanted, segment))
            return false;
    }
    return !pattern.data && !path.data;
}

const struct route *routes_find(enum http1_method method, struct text path, struct text *id,
                                unsigned *allowed)
{
    *allowed = 0;
    if (!text_starts_with(path, TEXT(ROUTES_PREFIX "/")))
        return NULL;
    path = text_from_index(path, sizeof(ROUTES_PREFIX) - 1);
    if (method == HTTP1_HEAD)
        method = HTTP1_GET;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!matches(routes[i].path, path, id))
            continue;
        if (routes[i].method == method)
            return &routes[i];
        *allowed |= 1u << routes[i].method;
    }
    return NULL;
}

struct nearest {
    struct text found;
    size_t distance; /* of the next that would be nearer, at most */
};

static void consider(struct nearest *nearest, struct text word, struct text known)
{
    size_t distance = text_edit_distance(word, known, nearest->distance);

    if (distance > nearest->distance)
        return;
    nearest->found = known;
    nearest->distance = distance == 0 ? 0 : distance - 1;
}

struct text routes_nearest_query(enum route_name route, struct text word)
{
    struct nearest nearest = {.distance = config_near_limit(word)};

    for (size_t i = 0; i < route_query_count; i++) {
        if (route_queries[i].route == route)
            consider(&nearest, word, route_queries[i].name);
    }
    return nearest.found;
}

struct text routes_nearest_part(enum shape_name shape, struct text word)
{
    struct nearest nearest = {.distance = config_near_limit(word)};

    for (size_t i = 0; i < shape_part_count; i++) {
        if (shape_parts[i].shape == shape)
            consider(&nearest, word, shape_parts[i].name);
    }
    return nearest.found;
}
