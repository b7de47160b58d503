/* The main thread knows where it listens (`address`, `tls`) and hands everything else over by
 * posts; `desk` and `server` belong to the api's own thread.
 *
 * Life: api_start -> api_apply, any number of times (posted) -> api_stop (posted, joined). */
#include "admin/api.h"

#include <pthread.h>
#include <unistd.h>

#include "admin/api_request.h"
#include "base/ensure.h"
#include "base/note.h"

#define BACKLOG 128

struct api {
    struct api_desk desk;
    struct http_server *server; /* NULL: it listens nowhere */
    pthread_t thread;
    struct address address;  /* where it listens; length 0: nowhere */
    struct tls_context *tls; /* with what; NULL: plain */
    bool noted;              /* that the socket cannot be made */
};

/* ---- the thread ---- */

static void *run(void *owner)
{
    struct api *api = owner;

    loop_run(api->desk.loop);
    return NULL;
}

enum error api_start(const struct api_settings *settings, struct api **out)
{
    struct api *api = calloc(1, sizeof(*api));

    if (!api)
        return ERROR_MEMORY;
    api->desk.metrics = metrics_admin(settings->metrics);
    api->desk.loop = loop_create();
    enum error error =
        api->desk.loop ? office_open(&api->desk.office, &settings->office) : ERROR_SYSTEM;
    if (error == ERROR_OK && pthread_create(&api->thread, NULL, run, api) != 0) {
        office_close(&api->desk.office);
        error = ERROR_SYSTEM;
    }
    if (error != ERROR_OK) {
        if (api->desk.loop)
            loop_destroy(api->desk.loop);
        free(api);
        return error;
    }
    (void)pthread_setname_np(api->thread, "admin");
    *out = api;
    return ERROR_OK;
}

static void close_door(struct api *api)
{
    if (api->server)
        http_server_destroy(api->server);
    api->server = NULL;
}

static void stop_loop(void *owner)
{
    struct api *api = owner;

    loop_stop(api->desk.loop);
}

/* The loop ends one turn later, when what is deferred has died. */
static void stop(void *owner)
{
    struct api *api = owner;

    close_door(api);
    loop_post(api->desk.loop, stop_loop, api);
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    loop_post(api->desk.loop, stop, api);
    pthread_join(api->thread, NULL);
    loop_destroy(api->desk.loop);
    office_close(&api->desk.office);
    tls_context_release(api->tls);
    listener_remove_path(&api->address);
    free(api);
}

/* ---- a configuration ---- */

/* DATA/admin.sock; false when that is longer than a socket's path may be. */
static bool own_socket(const char *data, struct address *out)
{
    *out = (struct address){0};
    int length =
        snprintf(out->local.sun_path, sizeof(out->local.sun_path), "%s/%s", data, API_SOCKET);
    if (length < 0 || (size_t)length >= sizeof(out->local.sun_path))
        return false;
    out->local.sun_family = AF_UNIX;
    out->length = (socklen_t)sizeof(out->local);
    return true;
}

static bool same_address(const struct address *a, const struct address *b)
{
    return a->length == b->length && memcmp(&a->any, &b->any, a->length) == 0;
}

static enum error bind_door(const struct api *api, struct api_plan *plan)
{
    if (same_address(&plan->address, &api->address))
        return ERROR_OK;
    return listener_bind_private(&plan->address, BACKLOG, &plan->descriptor);
}

/* Nobody asked for this door, and calls do not need it. */
static void do_without(struct api *api, struct api_plan *plan, const char *why)
{
    if (!api->noted)
        note_warning("admin",
                     "there is no admin API: the socket %s/%s cannot be made (%s); set "
                     "admin.address in the configuration",
                     api->desk.office.settings.data, API_SOCKET, why);
    api->noted = true;
    plan->address = (struct address){0};
}

enum error api_prepare(struct api *api, const struct config *config, struct api_plan *plan,
                       char problem[API_PROBLEM_SIZE])
{
    const struct config_listener *door = &config->admin;
    char reason[TLS_REASON_SIZE];
    enum error error = ERROR_OK;

    *plan = (struct api_plan){.address = door->address, .descriptor = -1};
    if (door->tls_enabled &&
        tls_server_context_create(&door->tls, api->tls, &plan->tls, reason) != ERROR_OK) {
        (void)snprintf(problem, API_PROBLEM_SIZE, "admin: %s", reason);
        return ERROR_SYSTEM;
    }
    if (door->address.length > 0) {
        error = bind_door(api, plan);
        if (error != ERROR_OK) {
            (void)snprintf(problem, API_PROBLEM_SIZE,
                           "admin: cannot listen on %.*s: %s. Choose another admin.address.",
                           TEXT_ARG(door->address_text),
                           error == ERROR_EXISTS ? "another process listens there"
                                                 : error_meaning(error));
            api_discard(plan);
        }
        return error;
    }
    if (!own_socket(api->desk.office.settings.data, &plan->address))
        do_without(api, plan, "its path is too long");
    else if ((error = bind_door(api, plan)) != ERROR_OK)
        do_without(api, plan, error_meaning(error));
    return ERROR_OK;
}

void api_discard(struct api_plan *plan)
{
    if (plan->descriptor >= 0) {
        close(plan->descriptor);
        listener_remove_path(&plan->address);
    }
    tls_context_release(plan->tls);
    *plan = (struct api_plan){.descriptor = -1};
}

/* What the thread is told. */
struct change {
    struct api *api;
    struct config *config;
    struct price_book *book;
    struct route_table *routes;
    struct api_plan plan;
};

static void take_change(void *owner)
{
    struct change *change = owner;
    struct api *api = change->api;
    struct api_plan *plan = &change->plan;

    office_set_config(&api->desk.office, change->config, change->book, change->routes);
    config_release(change->config);
    price_book_release(change->book);
    route_table_release(change->routes);
    if (plan->descriptor >= 0 || plan->address.length == 0)
        close_door(api);
    if (plan->descriptor >= 0) {
        enum error error =
            http_server_create(api->desk.loop, plan->descriptor, plan->tls, &api_request_limits,
                               &api_request_events, &api->desk, &api->server);
        if (error != ERROR_OK) {
            note_error("admin", "the admin API cannot be opened: %s", error_meaning(error));
            api->server = NULL;
        }
    } else if (api->server) {
        http_server_set_tls(api->server, plan->tls);
    }
    tls_context_release(plan->tls);
    free(change);
}

void api_apply(struct api *api, struct config *config, struct price_book *book,
               struct route_table *routes, struct api_plan *plan)
{
    struct change *change = ensure_memory(malloc(sizeof(*change)));

    if (!same_address(&plan->address, &api->address))
        listener_remove_path(&api->address);
    tls_context_release(api->tls);
    api->tls = plan->tls ? tls_context_hold(plan->tls) : NULL;
    api->address = plan->address;
    *change = (struct change){api, config_hold(config), price_book_acquire(book),
                              route_table_hold(routes), *plan};
    *plan = (struct api_plan){.descriptor = -1};
    loop_post(api->desk.loop, take_change, change);
}
