#include "admin/openapi.h"

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/ensure.h"
#include "store/record.h"

#define NAME_MAX_SIZE 64u
#define STATUS_SIZE   12u

/* ---- small parts ---- */

static void member(struct json_writer *json, const char *name, const char *value)
{
    json_member_text(json, name, text_from(value));
}

static void begin(struct json_writer *json, const char *name)
{
    json_key(json, text_from(name));
    json_begin_object(json);
}

static void reference(struct json_writer *json, const char *kind, const char *name)
{
    char path[NAME_MAX_SIZE + 32];
    int length = snprintf(path, sizeof(path), "#/components/%s/%s", kind, name);

    ensure(length > 0 && (size_t)length < sizeof(path));
    member(json, "$ref", path);
}

/* "admin key" becomes "AdminKey", with the ending behind it. */
static const char *kind_name(enum object_kind kind, const char *ending, char out[NAME_MAX_SIZE])
{
    struct text words = object_kinds[kind].singular;
    size_t length = 0;
    bool capital = true;

    ensure(words.length + strlen(ending) < NAME_MAX_SIZE);
    for (size_t i = 0; i < words.length; i++) {
        char c = words.data[i];
        if (c != ' ')
            out[length++] = capital ? (char)(c - 'a' + 'A') : c;
        capital = c == ' ';
    }
    memcpy(out + length, ending, strlen(ending) + 1);
    return out;
}

/* {"type": …}: one type, or with `nullable` two. */
static void write_types(struct json_writer *json, const char *type, bool nullable)
{
    json_key(json, TEXT("type"));
    if (nullable)
        json_begin_array(json);
    json_text(json, text_from(type));
    if (!nullable)
        return;
    json_text(json, TEXT("null"));
    json_end_array(json);
}

/* ---- the types of objects.def ---- */

struct type_row {
    const char *type, *format, *pattern;
    const char *items; /* of an array, or of any member of an object */
};

#define AMOUNT_PATTERN "^-?[0-9]+(\\.[0-9]{1,12})?$"

static const struct type_row object_types[] = {
    [OBJECT_TYPE_TEXT] = {"string", NULL, NULL, NULL},
    [OBJECT_TYPE_AMOUNT] = {"string", NULL, AMOUNT_PATTERN, NULL},
    [OBJECT_TYPE_COUNT] = {"integer", NULL, NULL, NULL},
    [OBJECT_TYPE_FLAG] = {"boolean", NULL, NULL, NULL},
    [OBJECT_TYPE_LIST] = {"array", NULL, NULL, "string"},
    [OBJECT_TYPE_COUNTS] = {"array", NULL, NULL, "integer"},
    [OBJECT_TYPE_PAIRS] = {"object", NULL, NULL, "string"},
    [OBJECT_TYPE_MOMENT] = {"string", "date-time", NULL, NULL},
};

static void write_row(struct json_writer *json, const struct type_row *row, bool nullable)
{
    write_types(json, row->type, nullable);
    if (row->format)
        member(json, "format", row->format);
    if (row->pattern)
        member(json, "pattern", row->pattern);
    if (!row->items)
        return;
    begin(json, text_equal(text_from(row->type), TEXT("array")) ? "items" : "additionalProperties");
    member(json, "type", row->items);
    json_end_object(json);
}

enum variant { VARIANT_SHOWN, VARIANT_CREATE, VARIANT_EDIT, VARIANT_SECRET, VARIANT_COUNT };

static const char *const variant_endings[VARIANT_COUNT] = {"", "Create", "Edit", "WithSecret"};

static bool belongs(const struct object_member_row *row, enum variant variant)
{
    if (variant == VARIANT_CREATE)
        return row->use != OBJECT_USE_READ;
    return variant != VARIANT_EDIT || row->use == OBJECT_USE_REQUIRED ||
           row->use == OBJECT_USE_OPTIONAL;
}

/* Of what is shown, what every object of the kind has: a scope or a figure stands there where there
 * is one. */
static bool is_required(const struct object_member_row *row, enum variant variant)
{
    if (variant == VARIANT_EDIT)
        return false;
    return row->use == OBJECT_USE_REQUIRED || row->use == OBJECT_USE_CREATE_REQUIRED ||
           text_equal(row->name, TEXT("id"));
}

static bool is_shown(enum variant variant)
{
    return variant == VARIANT_SHOWN || variant == VARIANT_SECRET;
}

/* Moments and amounts are taken in more forms than they are given. */
static void write_object_member(struct json_writer *json, const struct object_member_row *row,
                                enum variant variant)
{
    begin(json, row->name.data);
    if (is_shown(variant) || (row->type != OBJECT_TYPE_AMOUNT && row->type != OBJECT_TYPE_MOMENT)) {
        write_row(json, &object_types[row->type], true);
    } else {
        json_key(json, TEXT("type"));
        json_begin_array(json);
        json_text(json, TEXT("string"));
        if (row->type == OBJECT_TYPE_AMOUNT)
            json_text(json, TEXT("number"));
        json_text(json, TEXT("null"));
        json_end_array(json);
    }
    member(json, "description", row->description);
    json_end_object(json);
}

static void write_secret_member(struct json_writer *json)
{
    begin(json, "key");
    member(json, "type", "string");
    member(json, "description", "the whole key, with its secret: shown this once");
    json_end_object(json);
}

static void write_object(struct json_writer *json, enum object_kind kind, enum variant variant)
{
    char name[NAME_MAX_SIZE];

    begin(json, kind_name(kind, variant_endings[variant], name));
    member(json, "type", "object");
    begin(json, "properties");
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        if (object_members[i].kind == kind && belongs(&object_members[i], variant))
            write_object_member(json, &object_members[i], variant);
    }
    if (variant == VARIANT_SECRET)
        write_secret_member(json);
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_begin_array(json);
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        if (row->kind == kind && belongs(row, variant) && is_required(row, variant))
            json_text(json, row->name);
    }
    if (variant == VARIANT_SECRET)
        json_text(json, TEXT("key"));
    json_end_array(json);
    if (is_shown(variant))
        json_member_bool(json, "additionalProperties", false);
    json_end_object(json);
}

static void write_page(struct json_writer *json, enum object_kind kind)
{
    char name[NAME_MAX_SIZE];

    begin(json, kind_name(kind, "Page", name));
    member(json, "type", "object");
    begin(json, "properties");
    begin(json, "data");
    member(json, "type", "array");
    begin(json, "items");
    reference(json, "schemas", kind_name(kind, "", name));
    json_end_object(json);
    json_end_object(json);
    begin(json, "next_cursor");
    write_types(json, "string", true);
    member(json, "description", "give it as `cursor` for the next page; null: this is the last");
    json_end_object(json);
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_raw(json, TEXT("[\"data\",\"next_cursor\"]"));
    json_member_bool(json, "additionalProperties", false);
    json_end_object(json);
}

/* ---- shapes ---- */

static const struct type_row shape_types[] = {
    [SHAPE_TYPE_TEXT] = {"string", NULL, NULL, NULL},
    [SHAPE_TYPE_COUNT] = {"integer", NULL, NULL, NULL},
    [SHAPE_TYPE_FLAG] = {"boolean", NULL, NULL, NULL},
    [SHAPE_TYPE_AMOUNT] = {"string", NULL, AMOUNT_PATTERN, NULL},
    [SHAPE_TYPE_MOMENT] = {"string", "date-time", NULL, NULL},
    [SHAPE_TYPE_NUMBER] = {"number", NULL, NULL, NULL},
};

/* {"anyOf":[SCHEMA,{"type":"null"}]} */
static void write_one_or_null(struct json_writer *json, const char *schema)
{
    json_key(json, TEXT("anyOf"));
    json_begin_array(json);
    json_begin_object(json);
    reference(json, "schemas", schema);
    json_end_object(json);
    json_begin_object(json);
    member(json, "type", "null");
    json_end_object(json);
    json_end_array(json);
}

static void write_shape_member(struct json_writer *json, const struct shape_part *part)
{
    begin(json, part->name.data);
    if (part->type == SHAPE_TYPE_ONE && part->need == SHAPE_NEED_MAYBE) {
        write_one_or_null(json, part->of);
    } else if (part->type == SHAPE_TYPE_ONE) {
        reference(json, "schemas", part->of);
    } else if (part->type == SHAPE_TYPE_MANY) {
        member(json, "type", "array");
        begin(json, "items");
        reference(json, "schemas", part->of);
        json_end_object(json);
    } else if (part->type != SHAPE_TYPE_ANY) {
        write_row(json, &shape_types[part->type], part->need == SHAPE_NEED_MAYBE);
    }
    member(json, "description", part->description);
    json_end_object(json);
}

/* Of what is given every member is there; of what is taken, those that are needed. */
static bool is_request(const char *name)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (text_equal(text_from(routes[i].request), text_from(name)))
            return true;
    }
    return false;
}

static void write_shape(struct json_writer *json, enum shape_name shape)
{
    bool request = is_request(shapes[shape].name);

    begin(json, shapes[shape].name);
    member(json, "type", "object");
    member(json, "title", shapes[shape].title);
    begin(json, "properties");
    for (size_t i = 0; i < shape_part_count; i++) {
        if (shape_parts[i].shape == shape)
            write_shape_member(json, &shape_parts[i]);
    }
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_begin_array(json);
    for (size_t i = 0; i < shape_part_count; i++) {
        const struct shape_part *part = &shape_parts[i];
        if (part->shape == shape && (!request || part->need == SHAPE_NEED_ALWAYS))
            json_text(json, part->name);
    }
    json_end_array(json);
    json_member_bool(json, "additionalProperties", false);
    json_end_object(json);
}

/* ---- the record of a call ---- */

static const char *const record_types[] = {
    [RECORD_TYPE_TIME] = "string",
    [RECORD_TYPE_DURATION] = "number",
    [RECORD_TYPE_INTEGER] = "integer",
    [RECORD_TYPE_MONEY] = "string",
    [RECORD_TYPE_FLAG] = "boolean",
    [RECORD_TYPE_TEXT] = "string",
    [RECORD_TYPE_JSON] = NULL,
    [RECORD_TYPE_OUTCOME] = "string",
    [RECORD_TYPE_USAGE_SOURCE] = "string",
};

static void write_exchange(struct json_writer *json)
{
    begin(json, "Exchange");
    member(json, "type", "object");
    member(json, "title", "One call, as it is recorded");
    begin(json, "properties");
    begin(json, "id");
    member(json, "type", "string");
    member(json, "description", "the request id: the answer's header x-request-id");
    json_end_object(json);
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        begin(json, field->shown.data);
        if (record_types[field->type])
            write_types(json, record_types[field->type], true);
        if (field->type == RECORD_TYPE_TIME)
            member(json, "format", "date-time");
        member(json, "description", field->description);
        json_end_object(json);
    }
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_begin_array(json);
    json_text(json, TEXT("id"));
    for (size_t i = 0; i < record_field_count; i++)
        json_text(json, record_fields[i].shown);
    json_end_array(json);
    json_member_bool(json, "additionalProperties", false);
    json_end_object(json);
}

/* ---- prices ---- */

/* A model has what its price list says of it; the parts that every one has are named. */
static void write_price(struct json_writer *json)
{
    static const struct {
        const char *name, *type, *description;
    } parts[] = {
        {"provider", "string", "as the price list calls it"},
        {"model", "string", "as the provider calls it"},
        {"prices", "object", "USD by unit, today, for a short call; tokens: for 1,000,000"},
        {"cards", "array", "all prices: by service, size of the prompt and time"},
    };

    begin(json, "Price");
    member(json, "type", "object");
    member(json, "title", "A model and what it costs");
    begin(json, "properties");
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        begin(json, parts[i].name);
        member(json, "type", parts[i].type);
        member(json, "description", parts[i].description);
        json_end_object(json);
    }
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_raw(json, TEXT("[\"provider\",\"model\"]"));
    json_end_object(json);
}

/* ---- sums ---- */

struct sum_row {
    const char *name, *description;
    bool money;
};

static const struct sum_row sum_rows[] = {
#define COUNTER(name, description) {#name, description, false},
#include "tables/usage_counters.def"
#undef COUNTER
    {"cost_usd", "what it cost, later corrections included; null: no call has a price", true},
    {"adjusted_usd", "of that, what later corrections of prices added", true},
};

/* A row has its groups beside the sums: "team", "tag:env", "day". */
static void write_sums(struct json_writer *json, const char *name, bool row)
{
    begin(json, name);
    member(json, "type", "object");
    begin(json, "properties");
    for (size_t i = 0; i < ARRAY_LENGTH(sum_rows); i++) {
        begin(json, sum_rows[i].name);
        write_types(json, sum_rows[i].money ? "string" : "integer", sum_rows[i].money);
        if (sum_rows[i].money)
            member(json, "pattern", AMOUNT_PATTERN);
        member(json, "description", sum_rows[i].description);
        json_end_object(json);
    }
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_begin_array(json);
    for (size_t i = 0; i < ARRAY_LENGTH(sum_rows); i++)
        json_text(json, text_from(sum_rows[i].name));
    json_end_array(json);
    if (row) {
        begin(json, "additionalProperties");
        write_types(json, "string", true);
        json_end_object(json);
    } else {
        json_member_bool(json, "additionalProperties", false);
    }
    json_end_object(json);
}

/* ---- paths ---- */

static void write_parameter(struct json_writer *json, const char *name, const char *in,
                            const char *type, const char *description)
{
    bool path = text_equal(text_from(in), TEXT("path"));

    json_begin_object(json);
    member(json, "name", name);
    member(json, "in", in);
    if (path)
        json_member_bool(json, "required", true);
    member(json, "description", description);
    begin(json, "schema");
    member(json, "type", type);
    json_end_object(json);
    json_end_object(json);
}

/* As admin/handle_objects.c looks at If-Match. */
static bool changes_what_is_there(const struct route *route)
{
    return route->kind != OBJECT_KIND_COUNT && route->method != HTTP1_GET &&
           (route->method == HTTP1_PATCH || text_find(route->path, TEXT("{id}")) >= 0);
}

static void write_parameters(struct json_writer *json, const struct route *route)
{
    json_key(json, TEXT("parameters"));
    json_begin_array(json);
    if (text_find(route->path, TEXT("{id}")) >= 0)
        write_parameter(json, "id", "path", "string",
                        route->kind == OBJECT_TEAM ? "the team's name"
                        : route->kind == OBJECT_KEY
                            ? "the key's id, or its name where one live key "
                              "has it"
                            : "its id");
    for (size_t i = 0; i < route_query_count; i++) {
        const struct route_query *query = &route_queries[i];
        if (query->route == (enum route_name)(route - routes))
            write_parameter(json, query->name.data, "query",
                            query->type == SHAPE_TYPE_MOMENT ? "string"
                                                             : shape_types[query->type].type,
                            query->description);
    }
    if (changes_what_is_there(route))
        write_parameter(json, "if-match", "header", "string",
                        "the etag of what was read: the change is refused (412) if somebody else "
                        "changed it meanwhile");
    json_end_array(json);
}

/* `schemas` as in the column "response" of tables/admin_routes.def. */
static void write_content(struct json_writer *json, struct text schemas)
{
    begin(json, "content");
    while (schemas.data) {
        struct text schema = text_split(&schemas, ',');
        char name[NAME_MAX_SIZE];
        bool media_type = text_find_char(schema, '/') >= 0;
        (void)text_copy_to(schema, name, sizeof(name));
        begin(json, media_type ? name : "application/json");
        begin(json, "schema");
        if (!media_type)
            reference(json, "schemas", name);
        json_end_object(json);
        json_end_object(json);
    }
    json_end_object(json);
}

static void write_responses(struct json_writer *json, const struct route *route)
{
    char status[STATUS_SIZE];

    begin(json, "responses");
    (void)snprintf(status, sizeof(status), "%u", route->status);
    begin(json, status);
    member(json, "description", route->status == 204 ? "it is done" : route->summary);
    if (*route->response)
        write_content(json, text_from(route->response));
    json_end_object(json);
    if (route == &routes[ROUTE_KEY_REVOKE]) {
        begin(json, "204");
        member(json, "description", "it is revoked, and cannot be shown: the store is away");
        json_end_object(json);
    }
    begin(json, "default");
    reference(json, "responses", "Problem");
    json_end_object(json);
    json_end_object(json);
}

/* "Roles: owner, operator." */
static void write_roles(struct json_writer *json, const struct route *route)
{
    struct buffer words;

    buffer_open(&words, 256);
    if (route->who == ROUTE_WHO_OPEN)
        buffer_append(&words, TEXT("Needs neither key nor session"));
    for (unsigned i = 0; i < ADMIN_ROLE_COUNT; i++) {
        if ((unsigned)route->who & 1u << i)
            buffer_append_format(&words, "%s%s", words.length ? ", " : "Roles: ",
                                 admin_role_name((enum admin_role)i));
    }
    buffer_append_char(&words, '.');
    json_member_text(json, "description", buffer_text(&words));
    buffer_close(&words);
}

static void write_operation(struct json_writer *json, const struct route *route)
{
    char name[NAME_MAX_SIZE], method[16] = "";
    struct text path = text_from_index(route->path, 1), verb = http1_method_text(route->method);

    for (size_t i = 0; i < verb.length && i + 1 < sizeof(method); i++)
        method[i] = (char)(verb.data[i] | 0x20);
    for (size_t i = 0; i <= strlen(route->name); i++)
        name[i] = (char)(route->name[i] >= 'A' && route->name[i] <= 'Z' ? route->name[i] | 0x20
                                                                        : route->name[i]);
    begin(json, method);
    member(json, "operationId", name);
    json_key(json, TEXT("tags"));
    json_begin_array(json);
    json_text(json, text_split(&path, '/'));
    json_end_array(json);
    member(json, "summary", route->summary);
    write_roles(json, route);
    write_parameters(json, route);
    if (route->who == ROUTE_WHO_OPEN) {
        json_key(json, TEXT("security"));
        json_raw(json, TEXT("[]"));
    }
    if (*route->request) {
        begin(json, "requestBody");
        json_member_bool(json, "required",
                         !text_equal(text_from(route->request), TEXT("Rotation")));
        write_content(json, text_from(route->request));
        json_end_object(json);
    }
    write_responses(json, route);
    json_end_object(json);
}

/* The methods of one path stand together. */
static void write_paths(struct json_writer *json)
{
    begin(json, "paths");
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        char path[NAME_MAX_SIZE];
        bool before = false;
        for (size_t j = 0; j < i; j++)
            before = before || text_equal(routes[j].path, routes[i].path);
        if (before)
            continue;
        (void)snprintf(path, sizeof(path), ROUTES_PREFIX "%.*s", TEXT_ARG(routes[i].path));
        begin(json, path);
        for (size_t j = i; j < ROUTE_COUNT; j++) {
            if (text_equal(routes[j].path, routes[i].path))
                write_operation(json, &routes[j]);
        }
        json_end_object(json);
    }
    json_end_object(json);
}

/* ---- the whole ---- */

static void write_schemas(struct json_writer *json)
{
    begin(json, "schemas");
    for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
        for (enum variant variant = 0; variant < VARIANT_COUNT; variant++)
            write_object(json, kind, variant);
        write_page(json, kind);
    }
    for (enum shape_name shape = 0; shape < SHAPE_COUNT; shape++)
        write_shape(json, shape);
    write_exchange(json);
    write_price(json);
    write_sums(json, "UsageSums", false);
    write_sums(json, "UsageRow", true);
    json_end_object(json);
}

/* What can go wrong, as a table for people. */
static void write_problem_response(struct json_writer *json)
{
    struct buffer words;

    buffer_open(&words, 8192);
    buffer_append(&words, TEXT("It was not done. Codes:\n"));
#define PROBLEM(name, code, status, meaning)        \
    if (ADMIN_PROBLEM_##name != ADMIN_PROBLEM_NONE) \
        buffer_append(&words, TEXT("\n- `" code "` (" #status "): " meaning));
#include "admin/problems.def"
#undef PROBLEM
    begin(json, "responses");
    begin(json, "Problem");
    json_member_text(json, "description", buffer_text(&words));
    write_content(json, TEXT("Error"));
    json_end_object(json);
    json_end_object(json);
    buffer_close(&words);
}

void openapi_write(struct json_writer *json)
{
    json_begin_object(json);
    member(json, "openapi", "3.1.0");
    begin(json, "info");
    member(json, "title", "Turnpike admin API");
    member(json, "version", TURNPIKE_VERSION);
    member(json, "summary", "Teams, keys, budgets, limits, usage and records of an LLM gateway");
    json_end_object(json);
    json_key(json, TEXT("security"));
    json_raw(json, TEXT("[{\"admin_key\":[]},{\"session\":[]}]"));
    write_paths(json);
    begin(json, "components");
    begin(json, "securitySchemes");
    begin(json, "admin_key");
    member(json, "type", "http");
    member(json, "scheme", "bearer");
    member(json, "description", "an admin key: " KEY_ADMIN_PATTERN);
    json_end_object(json);
    begin(json, "session");
    member(json, "type", "apiKey");
    member(json, "in", "cookie");
    member(json, "name", "turnpike-PORT");
    member(json, "description",
           "a browser's, from POST /admin/v1/sessions; with it, what changes something needs the "
           "header " CONSOLE_FIELD ": 1");
    json_end_object(json);
    json_end_object(json);
    write_problem_response(json);
    write_schemas(json);
    json_end_object(json);
    json_end_object(json);
}

bool handle_openapi(struct admin_call *call)
{
    openapi_write(&call->json);
    return true;
}
