/* routes: the table of the admin API, and finding the row that a request means. Constant, any
 * thread. */
#ifndef ADMIN_ROUTES_H
#define ADMIN_ROUTES_H

#include "admin/objects.h"
#include "admin/operations.h"
#include "codec/http1.h"

struct admin_call;

#define ROUTES_PREFIX "/admin/v1"

enum route_name {
#define ROUTE(name, method, path, who, kind, handler, request, status, response, summary) \
    ROUTE_##name,
#define QUERY(route, name, type, description)
#include "tables/admin_routes.def"
#undef ROUTE
#undef QUERY
    ROUTE_COUNT
};

/* Roles as bits, 1 << enum admin_role. */
enum route_who {
    ROUTE_WHO_OWNER = 1u << ADMIN_OWNER,
    ROUTE_WHO_OPERATOR = 1u << ADMIN_OWNER | 1u << ADMIN_OPERATOR,
    ROUTE_WHO_READER = 1u << ADMIN_OWNER | 1u << ADMIN_OPERATOR | 1u << ADMIN_FINANCE,
    ROUTE_WHO_TEAM = 1u << ADMIN_OWNER | 1u << ADMIN_OPERATOR | 1u << ADMIN_TEAM_LEAD,
    ROUTE_WHO_ANYBODY = (1u << ADMIN_ROLE_COUNT) - 1,
    ROUTE_WHO_OPEN = 1u << ADMIN_ROLE_COUNT /* nobody in particular: who signs in */
};

struct route {
    const char *name; /* "TEAM_LIST" */
    enum http1_method method;
    struct text path; /* behind the prefix: "/teams/{id}" */
    enum route_who who;
    enum object_kind kind; /* OBJECT_KIND_COUNT: none */
    /* Answers into the call, or sets its problem and returns false. */
    bool (*handler)(struct admin_call *call);
    const char *request; /* schema of the body; "": none */
    unsigned status;     /* of success */
    const char *response;
    const char *summary;
};

extern const struct route routes[ROUTE_COUNT];

/* What a value of the API is, of tables/admin_shapes.def and the query parameters. */
enum shape_type {
    SHAPE_TYPE_TEXT,
    SHAPE_TYPE_COUNT,
    SHAPE_TYPE_FLAG,
    SHAPE_TYPE_AMOUNT,
    SHAPE_TYPE_MOMENT,
    SHAPE_TYPE_NUMBER,
    SHAPE_TYPE_ANY,
    SHAPE_TYPE_ONE,
    SHAPE_TYPE_MANY
};

enum shape_name {
#define SHAPE(name, title) SHAPE_##name,
#define PART(shape, name, type, need, of, description)
#include "tables/admin_shapes.def"
#undef SHAPE
#undef PART
    SHAPE_COUNT
};

enum shape_need { SHAPE_NEED_ALWAYS, SHAPE_NEED_MAYBE };

struct shape_part {
    enum shape_name shape;
    struct text name;
    enum shape_type type;
    enum shape_need need;
    const char *of;
    const char *description;
};

struct shape {
    const char *name, *title;
};

extern const struct shape shapes[SHAPE_COUNT];
extern const struct shape_part shape_parts[];
extern const size_t shape_part_count;

struct route_query {
    enum route_name route;
    struct text name;
    enum shape_type type;
    const char *description;
};

#define ROUTE_QUERIES_MAX 12u /* of one route */

extern const struct route_query route_queries[];
extern const size_t route_query_count;

/* Finds the row for a path (as it came, without query). NULL when no row has that path and method;
 * `allowed` then holds a bit for each method that the path has (1 << enum http1_method), 0: there
 * is no such path. `id` is the segment that stands for {id}, still percent-encoded; empty: none. */
const struct route *routes_find(enum http1_method method, struct text path, struct text *id,
                                unsigned *allowed);
/* A known word that `word` was probably meant to be; empty when none is near. */
struct text routes_nearest_query(enum route_name route, struct text word);
struct text routes_nearest_part(enum shape_name shape, struct text word);

#endif
