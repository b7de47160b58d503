/* A call is answered in one go: route, role, parameters, handler. Whoever refuses sets the problem;
 * what was written until then is thrown away. */
#include "admin/call.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"

#define HEADERS_MAX 4096u /* of ours: a location has three bytes for each of a team's name */
#define CURSOR_MAX  512u  /* bytes of the key in a cursor: a team's name, or a time and an id */

void call_open(struct admin_call *call, struct office *office)
{
    *call = (struct admin_call){.office = office};
    arena_open(&call->arena, NULL, CALL_MEMORY_MAX);
    buffer_open(&call->headers, HEADERS_MAX);
    buffer_open(&call->out, CALL_ANSWER_MAX);
}

void call_close(struct admin_call *call)
{
    if (call->out.data)
        secret_wipe(call->out.data, call->out.capacity);
    buffer_close(&call->out);
    buffer_close(&call->headers);
    arena_close(&call->arena);
}

/* ---- refusing ---- */

bool call_refuse(struct admin_call *call, enum admin_problem_code code, const char *field,
                 const char *format, ...)
{
    struct admin_problem *problem = &call->problem;
    va_list arguments;

    problem->code = code;
    (void)text_copy_to(text_from(field), problem->field, sizeof(problem->field));
    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof(problem->message), format, arguments);
    va_end(arguments);
    for (char *c = problem->message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return false;
}

bool call_refuse_operation(struct admin_call *call)
{
    call->problem = call->office->operations.problem;
    return false;
}

bool call_store_answer(struct admin_call *call, enum error error)
{
    if (error == ERROR_OK)
        return true;
    if (error == ERROR_BUSY)
        return call_refuse(call, ADMIN_PROBLEM_BUSY, "",
                           "another process holds the store's lock for too long; try again");
    return call_refuse(call, ADMIN_PROBLEM_STORE, "", "the store: %s",
                       call->office->store ? store_problem(call->office->store)
                                           : error_meaning(error));
}

static void begin_answer(struct admin_call *call, unsigned status)
{
    buffer_clear(&call->out);
    json_open(&call->json, &call->out);
    call->status = status;
    call->content_type = "application/json";
}

void call_answer_problem(struct admin_call *call)
{
    const struct admin_problem *problem = &call->problem;

    if (call->out.failed) /* memory was short: an error is short */
        buffer_close(&call->out);
    begin_answer(call, (unsigned)admin_problem_status(problem->code));
    json_begin_object(&call->json);
    json_key(&call->json, TEXT("error"));
    json_begin_object(&call->json);
    json_member_text(&call->json, "code", text_from(admin_problem_name(problem->code)));
    json_member_text(&call->json, "message", text_from(problem->message));
    call_write_text(call, "field", text_from(problem->field));
    json_member_text(&call->json, "request_id", call->request_id);
    json_end_object(&call->json);
    json_end_object(&call->json);
    buffer_append_char(&call->out, '\n');
}

/* ---- writing ---- */

void call_write_text(struct admin_call *call, const char *name, struct text value)
{
    json_member_text(&call->json, name, text_empty(value) ? text_of(NULL, 0) : value);
}

void call_write_moment(struct admin_call *call, const char *name, uint64_t time)
{
    char text[CLOCK_RFC3339_SIZE];

    call_write_text(call, name, text_of(text, time ? clock_format_rfc3339(time, text) : 0));
}

void call_begin_page(struct admin_call *call)
{
    json_begin_object(&call->json);
    json_key(&call->json, TEXT("data"));
    json_begin_array(&call->json);
}

/* Hexadecimal: nobody is tempted to make one up, and it needs no escaping anywhere. */
void call_end_page(struct admin_call *call, struct text cursor)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * CURSOR_MAX];

    ensure(cursor.length <= CURSOR_MAX);
    for (size_t i = 0; i < cursor.length; i++) {
        hex[2 * i] = digits[(unsigned char)cursor.data[i] >> 4];
        hex[2 * i + 1] = digits[(unsigned char)cursor.data[i] & 15];
    }
    json_end_array(&call->json);
    call_write_text(call, "next_cursor", text_of(hex, 2 * cursor.length));
    json_end_object(&call->json);
}

bool call_go_on(struct admin_call *call, const struct stream_events *events, void *owner)
{
    call->stream_events = events;
    call->stream_owner = owner;
    return true;
}

bool call_read_cursor(struct admin_call *call, struct text *out)
{
    struct text hex = call_query(call, "cursor");

    *out = text_of(NULL, 0);
    if (!hex.data)
        return true;
    char *bytes = arena_take(&call->arena, hex.length / 2);
    bool good = bytes && hex.length > 0 && hex.length % 2 == 0 && hex.length <= 2 * CURSOR_MAX;
    for (size_t i = 0; good && i + 1 < hex.length; i += 2) {
        int high = number_hex_digit(hex.data[i]), low = number_hex_digit(hex.data[i + 1]);
        good = high >= 0 && low >= 0;
        bytes[i / 2] = (char)(high * 16 + low);
    }
    if (!good)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "cursor",
                           "that is no cursor: give next_cursor of the page before, as it is");
    *out = text_of(bytes, hex.length / 2);
    return true;
}

bool call_narrow_team(struct admin_call *call, struct text *team)
{
    struct text own = call->actor.team;

    if (call->actor.role != ADMIN_TEAM_LEAD)
        return true;
    if (!text_empty(*team) && !text_equal(*team, own))
        return call_refuse(call, ADMIN_PROBLEM_FORBIDDEN, "team",
                           "a team_lead sees its own team, %.*s, alone", TEXT_ARG(own));
    *team = own;
    return true;
}

/* ---- the whole ---- */

static void write_allow(struct admin_call *call, unsigned allowed)
{
    struct buffer list;

    buffer_open(&list, HEADERS_MAX);
    if (allowed & 1u << HTTP1_GET)
        allowed |= 1u << HTTP1_HEAD;
    allowed |= 1u << HTTP1_OPTIONS;
    for (unsigned i = 0; i < HTTP1_METHOD_COUNT; i++) {
        if (allowed & 1u << i)
            buffer_append_format(&list, "%s%.*s", list.length ? ", " : "",
                                 TEXT_ARG(http1_method_text((enum http1_method)i)));
    }
    http1_append_header(&call->headers, TEXT("allow"), buffer_text(&list));
    buffer_close(&list);
}

/* No route: not there, another method, or somebody asks which methods there are. */
static bool answer_without_route(struct admin_call *call, struct text path, unsigned allowed)
{
    if (!allowed)
        return call_refuse(call, ADMIN_PROBLEM_NO_URL, "",
                           "there is nothing at %.*s; GET " ROUTES_PREFIX
                           "/openapi.json tells what there is",
                           TEXT_ARG(text_first(path, 120)));
    write_allow(call, allowed);
    if (call->method == HTTP1_OPTIONS) {
        call->status = 204;
        call->content_type = NULL;
        return true;
    }
    return call_refuse(call, ADMIN_PROBLEM_METHOD, "", "%.*s does not answer %.*s",
                       TEXT_ARG(text_first(path, 120)), TEXT_ARG(http1_method_text(call->method)));
}

static bool check_role(struct admin_call *call)
{
    if (call->route->who == ROUTE_WHO_OPEN || (unsigned)call->route->who & 1u << call->actor.role)
        return true;
    return call_refuse(call, ADMIN_PROBLEM_FORBIDDEN, "", "the role %s may not do this: %s",
                       admin_role_name(call->actor.role), call->route->summary);
}

bool call_is_secure(const struct admin_call *call)
{
    return origin_is_secure(call->door, &call->office->config->console);
}

/* As what changes by whom stands in the audit: a key, or whoever began the session. */
static struct text name_who(struct admin_call *call)
{
    if (call->session)
        return call->session->who;
    if (!call->credential)
        return TEXT("");
    return arena_format(&call->arena, "key:%.*s", TEXT_ARG(call->credential->id));
}

/* Where the change came from stands in the audit beside by whom. */
static bool name_actor(struct admin_call *call)
{
    static const struct credential stranger = {.role = ADMIN_FINANCE};
    const struct credential *credential = call->credential ? call->credential : &stranger;
    bool by_key = call->credential && !call->session;

    call->actor = (struct admin_actor){
        .who = name_who(call),
        .via = arena_format(&call->arena, "%s %.*s", by_key ? "api" : "console",
                            TEXT_ARG(call->source)),
        .role = credential->role,
        .team = arena_copy(&call->arena, credential->team),
    };
    operations_use(&call->office->operations, &call->arena, &call->actor);
    return (call->actor.who.data && call->actor.via.data && call->actor.team.data) ||
           call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
}

static bool run(struct admin_call *call)
{
    struct text query = call->target, encoded_id;
    struct text path = text_split(&query, '?');
    unsigned allowed = 0;

    call->route = routes_find(call->method, path, &encoded_id, &allowed);
    if (!call->route)
        return answer_without_route(call, path, allowed);
    if (!name_actor(call) || !check_role(call) || !call_take_target(call, encoded_id, query))
        return false;
    /* All but a revocation needs the store. */
    if (!office_enter(call->office) && call->route != &routes[ROUTE_KEY_REVOKE] &&
        call->route != &routes[ROUTE_STATUS] && call->route != &routes[ROUTE_OPENAPI])
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", call->office->problem);
    begin_answer(call, call->route->status);
    if (!call->route->handler(call))
        return false;
    if (call->stream_events)
        return true;
    if (call->status != 204 && call->content_type)
        buffer_append_char(&call->out, '\n');
    if (call->out.failed || call->headers.failed)
        return call_refuse(call, ADMIN_PROBLEM_ANSWER_TOO_LARGE, "",
                           "the answer would be larger than %u bytes: ask for less at a time",
                           CALL_ANSWER_MAX);
    return true;
}

void call_answer(struct admin_call *call)
{
    if (!run(call))
        call_answer_problem(call);
}
