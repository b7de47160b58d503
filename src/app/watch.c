/* watch: see watch.h. */
#include "app/watch.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/ensure.h"

#define LOOK_INTERVAL NANOSECONDS_PER_SECOND

/* Equal as long as the file is the same with the same content, as far as the file system tells. */
struct signature {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct watched {
    char *path;
    struct signature signature;
};

struct watch {
    struct loop *loop;
    void (*changed)(void *owner);
    void *owner;
    struct watched *files;
    size_t count, capacity;
    struct watched *before; /* within watch_set */
    size_t before_count;
    struct loop_timer timer;
    bool unsettled; /* changed at the last look: waits until it is written to its end */
};

static struct signature look_at(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct signature){0};
    return (struct signature){status.st_ino, status.st_size, status.st_mtim};
}

static bool same(struct signature a, struct signature b)
{
    return a.inode == b.inode && a.size == b.size && a.changed.tv_sec == b.changed.tv_sec &&
           a.changed.tv_nsec == b.changed.tv_nsec;
}

static void look(void *owner)
{
    struct watch *watch = owner;
    bool changed = false;

    for (size_t i = 0; i < watch->count; i++) {
        struct signature now = look_at(watch->files[i].path);
        changed = changed || !same(now, watch->files[i].signature);
        watch->files[i].signature = now;
    }
    bool tell = watch->unsettled && !changed;
    watch->unsettled = changed;
    loop_timer_set(watch->loop, &watch->timer, changed ? LOOK_INTERVAL / 5 : LOOK_INTERVAL);
    if (tell)
        watch->changed(watch->owner);
}

struct watch *watch_create(struct loop *loop, void (*changed)(void *owner), void *owner)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->loop = loop;
    watch->changed = changed;
    watch->owner = owner;
    loop_timer_open(&watch->timer, look, watch);
    loop_timer_set(loop, &watch->timer, LOOK_INTERVAL);
    return watch;
}

static void forget(struct watched *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}

/* What it was when it was last noted; a file that is new here as it is now. */
static struct signature signature_of(const struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->before_count; i++)
        if (strcmp(watch->before[i].path, path) == 0)
            return watch->before[i].signature;
    return look_at(path);
}

static void add(struct watch *watch, const char *path)
{
    if (!path || !*path)
        return;
    if (watch->count == watch->capacity) {
        watch->capacity = watch->capacity ? watch->capacity * 2 : 8;
        watch->files =
            ensure_memory(realloc(watch->files, watch->capacity * sizeof(*watch->files)));
    }
    watch->files[watch->count++] =
        (struct watched){ensure_memory(strdup(path)), signature_of(watch, path)};
}

static void add_listener(struct watch *watch, const struct config_listener *listener)
{
    const struct tls_server_settings *tls = &listener->tls;

    add(watch, tls->client_authority_path);
    for (size_t i = 0; i < tls->certificate_count; i++) {
        add(watch, tls->certificates[i].certificate_path);
        add(watch, tls->certificates[i].key_path);
    }
}

void watch_note(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        watch->files[i].signature = look_at(watch->files[i].path);
    watch->unsettled = false;
}

void watch_set(struct watch *watch, const char *path, const struct config *config)
{
    watch->before = watch->files;
    watch->before_count = watch->count;
    watch->files = NULL;
    watch->count = watch->capacity = 0;
    add(watch, path);
    for (size_t i = 0; i < config->listener_count; i++)
        add_listener(watch, &config->listeners[i]);
    add_listener(watch, &config->admin);
    if (!text_empty(config->catalog_path))
        add(watch, config->catalog_path.data);
    for (size_t i = 0; i < config->provider_count; i++) {
        const struct tls_client_settings *tls = &config->providers[i].tls;
        add(watch, tls->authority_path);
        add(watch, tls->certificate_path);
        add(watch, tls->key_path);
    }
    for (const struct config_secret_file *file = config->secret_files; file; file = file->next)
        add(watch, file->path);
    forget(watch->before, watch->before_count);
    watch->before = NULL;
    watch->before_count = 0;
}

void watch_destroy(struct watch *watch)
{
    loop_timer_clear(watch->loop, &watch->timer);
    forget(watch->files, watch->count);
    free(watch);
}
