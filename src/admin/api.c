/* The main thread knows where it listens (`places`) and hands everything else over by posts; `desk`
 * and `doors` belong to the api's own thread.
 *
 * Life: api_start -> api_apply, any number of times (posted) -> api_stop (posted, joined). */
#include "admin/api.h"

#include <pthread.h>
#include <unistd.h>

#include "admin/api_request.h"
#include "admin/feed.h"
#include "admin/playground.h"
#include "base/ensure.h"
#include "base/note.h"

#define BACKLOG 128

struct place {
    struct address address;  /* length 0: nowhere */
    struct tls_context *tls; /* NULL: plain */
};

struct api {
    struct api_desk desk;
    struct api_door doors[API_DOOR_COUNT];
    pthread_t thread;
    struct place places[API_DOOR_COUNT]; /* where the doors are */
    bool noted;                          /* that the socket cannot be made */
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
    if (error == ERROR_OK) {
        struct office *office = &api->desk.office;
        office->feed = feed_create(api->desk.loop, settings->office.data);
        office->playground = playground_create(api->desk.loop, settings->office.open_call,
                                               settings->office.open_owner);
        error = office->feed && office->playground ? ERROR_OK : ERROR_MEMORY;
    }
    if (error == ERROR_OK && pthread_create(&api->thread, NULL, run, api) != 0) {
        office_close(&api->desk.office);
        error = ERROR_SYSTEM;
    }
    if (error != ERROR_OK) {
        feed_destroy(api->desk.office.feed);
        playground_destroy(api->desk.office.playground);
        if (api->desk.loop)
            loop_destroy(api->desk.loop);
        free(api);
        return error;
    }
    (void)pthread_setname_np(api->thread, "admin");
    *out = api;
    return ERROR_OK;
}

static void close_door(struct api_door *door)
{
    if (door->server)
        http_server_destroy(door->server);
    door->server = NULL;
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

    for (size_t i = 0; i < API_DOOR_COUNT; i++)
        close_door(&api->doors[i]);
    sso_stop(&api->desk.office.sso);
    loop_post(api->desk.loop, stop_loop, api);
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    loop_post(api->desk.loop, stop, api);
    pthread_join(api->thread, NULL);
    feed_destroy(api->desk.office.feed);
    playground_destroy(api->desk.office.playground);
    loop_destroy(api->desk.loop);
    office_close(&api->desk.office);
    for (size_t i = 0; i < API_DOOR_COUNT; i++) {
        tls_context_release(api->places[i].tls);
        listener_remove_path(&api->places[i].address);
    }
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

static enum error bind_door(const struct place *place, struct api_door_plan *plan)
{
    if (same_address(&plan->address, &place->address))
        return ERROR_OK;
    return listener_bind_private(&plan->address, BACKLOG, &plan->descriptor);
}

/* Nobody asked for this door, and calls do not need it. */
static void do_without(struct api *api, struct api_door_plan *plan, const char *why)
{
    if (!api->noted)
        note_warning("admin",
                     "the admin API has no socket %s/%s: it cannot be made (%s); set "
                     "admin.address in the configuration",
                     api->desk.office.settings.data, API_SOCKET, why);
    api->noted = true;
    plan->address = (struct address){0};
}

static void prepare_socket(struct api *api, struct api_door_plan *plan)
{
    if (!own_socket(api->desk.office.settings.data, &plan->address)) {
        do_without(api, plan, "its path is too long");
        return;
    }
    enum error error = bind_door(&api->places[API_DOOR_SOCKET], plan);
    if (error != ERROR_OK)
        do_without(api, plan, error_meaning(error));
}

static enum error prepare_address(const struct place *place, const struct config_listener *door,
                                  struct api_door_plan *plan, char problem[API_PROBLEM_SIZE])
{
    char reason[TLS_REASON_SIZE];

    plan->address = door->address;
    if (door->tls_enabled &&
        tls_server_context_create(&door->tls, place->tls, &plan->tls, reason) != ERROR_OK) {
        (void)snprintf(problem, API_PROBLEM_SIZE, "admin: %s", reason);
        return ERROR_SYSTEM;
    }
    if (plan->address.length == 0)
        return ERROR_OK;
    enum error error = bind_door(place, plan);
    if (error != ERROR_OK)
        (void)snprintf(problem, API_PROBLEM_SIZE,
                       "admin: cannot listen on %.*s: %s. Choose another admin.address.",
                       TEXT_ARG(door->address_text),
                       error == ERROR_EXISTS ? "another process listens there"
                                             : error_meaning(error));
    return error;
}

enum error api_prepare(struct api *api, const struct config *config, struct api_plan *plan,
                       char problem[API_PROBLEM_SIZE])
{
    struct address own;

    *plan = (struct api_plan){{{.descriptor = -1}, {.descriptor = -1}}};
    /* Somebody may have written the socket of the data directory down. */
    if (!own_socket(api->desk.office.settings.data, &own) ||
        !same_address(&own, &config->admin.address)) {
        enum error error = prepare_address(&api->places[API_DOOR_ADDRESS], &config->admin,
                                           &plan->doors[API_DOOR_ADDRESS], problem);
        if (error != ERROR_OK) {
            api_discard(plan);
            return error;
        }
    }
    prepare_socket(api, &plan->doors[API_DOOR_SOCKET]);
    return ERROR_OK;
}

void api_discard(struct api_plan *plan)
{
    for (size_t i = 0; i < API_DOOR_COUNT; i++) {
        struct api_door_plan *door = &plan->doors[i];
        if (door->descriptor >= 0) {
            close(door->descriptor);
            listener_remove_path(&door->address);
        }
        tls_context_release(door->tls);
        *door = (struct api_door_plan){.descriptor = -1};
    }
}

/* What the thread is told. */
struct change {
    struct api *api;
    struct config *config;
    struct price_book *book;
    struct route_table *routes;
    struct api_plan plan;
};

static void move_door(struct api *api, struct api_door *door, struct api_door_plan *plan)
{
    door->desk = &api->desk;
    if (plan->descriptor >= 0 || plan->address.length == 0)
        close_door(door);
    if (plan->descriptor >= 0) {
        enum error error =
            http_server_create(api->desk.loop, plan->descriptor, plan->tls, &api_request_limits,
                               &api_request_events, door, &door->server);
        if (error != ERROR_OK) {
            note_error("admin", "the admin API cannot be opened: %s", error_meaning(error));
            door->server = NULL;
        }
    } else if (door->server) {
        http_server_set_tls(door->server, plan->tls);
    }
    door->origin = (struct origin_door){
        .local = plan->address.any.sa_family == AF_UNIX,
        .secure = plan->tls != NULL,
        .port = address_port(&plan->address),
    };
    tls_context_release(plan->tls);
}

static void take_change(void *owner)
{
    struct change *change = owner;
    struct api *api = change->api;

    office_set_config(&api->desk.office, change->config, change->book, change->routes);
    config_release(change->config);
    price_book_release(change->book);
    route_table_release(change->routes);
    for (size_t i = 0; i < API_DOOR_COUNT; i++)
        move_door(api, &api->doors[i], &change->plan.doors[i]);
    free(change);
}

void api_apply(struct api *api, struct config *config, struct price_book *book,
               struct route_table *routes, struct api_plan *plan)
{
    struct change *change = ensure_memory(malloc(sizeof(*change)));

    for (size_t i = 0; i < API_DOOR_COUNT; i++) {
        struct place *place = &api->places[i];
        const struct api_door_plan *door = &plan->doors[i];
        if (!same_address(&door->address, &place->address))
            listener_remove_path(&place->address);
        tls_context_release(place->tls);
        place->tls = door->tls ? tls_context_hold(door->tls) : NULL;
        place->address = door->address;
    }
    *change = (struct change){api, config_hold(config), price_book_acquire(book),
                              route_table_hold(routes), *plan};
    *plan = (struct api_plan){{{.descriptor = -1}, {.descriptor = -1}}};
    loop_post(api->desk.loop, take_change, change);
}
