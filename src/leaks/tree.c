#include "leaks/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ensure.h"

#define NAMES_MAX ((size_t)4 << 30) /* bytes of all paths */

struct tree_file {
    const char *name;
    uint64_t size; /* when it was listed */
};

struct tree {
    struct arena names;
    struct tree_file *files;
    size_t count, room;
    size_t next; /* atomic: the next to be searched */
};

/* ------------------------------------------------------------------ which files */

static bool is_git_objects(const FTSENT *entry)
{
    return text_equal(text_from(entry->fts_name), TEXT("objects")) && entry->fts_level > 0 &&
           text_ends_with(text_from(entry->fts_parent->fts_name), TEXT(".git"));
}

static bool add_file(struct tree *tree, const FTSENT *entry, struct crew *crew)
{
    struct text name = arena_copy(&tree->names, text_of(entry->fts_path, entry->fts_pathlen));
    if (tree->count == TREE_FILES_MAX || name.data == NULL)
        return false;
    if (tree->count == tree->room) {
        tree->room = tree->room ? tree->room * 2 : 1024;
        tree->files = ensure_memory(reallocarray(tree->files, tree->room, sizeof *tree->files));
    }
    tree->files[tree->count++] =
        (struct tree_file){.name = name.data, .size = (uint64_t)entry->fts_statp->st_size};
    crew->total += (uint64_t)entry->fts_statp->st_size;
    return true;
}

/* One step of the walk. */
static enum error take_entry(struct tree *tree, struct crew *crew, FTS *walk, FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_D:
        if (is_git_objects(entry))
            (void)fts_set(walk, entry, FTS_SKIP);
        return ERROR_OK;
    case FTS_F: return add_file(tree, entry, crew) ? ERROR_OK : ERROR_LIMIT;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        crew_complain(crew, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
        return entry->fts_level == 0 ? ERROR_NOT_FOUND : ERROR_OK;
    case FTS_SL:
    case FTS_SLNONE:
        if (entry->fts_level > 0)
            return ERROR_OK;
        crew_complain(crew, "%s: the link leads nowhere", entry->fts_path);
        return ERROR_NOT_FOUND;
    default: return ERROR_OK; /* folders on the way back, devices, sockets, pipes */
    }
}

static enum error list_files(struct tree *tree, struct crew *crew, char *const *paths)
{
    /* Links that are given by name are followed. */
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    enum error error = walk ? ERROR_OK : ERROR_SYSTEM;
    while (!error) {
        errno = 0;
        FTSENT *entry = fts_read(walk);
        if (entry == NULL) {
            error = errno ? ERROR_SYSTEM : ERROR_OK;
            break;
        }
        error = take_entry(tree, crew, walk, entry);
        crew->tick(crew->owner, 0, 0);
    }
    if (walk)
        (void)fts_close(walk);
    return error;
}

/* ------------------------------------------------------------------ searching them */

/* A file of so many bytes is read ahead of by the kernel as far as it goes. */
#define LARGE_FILE (1u << 20)

/* To the end, or to as many bytes as the file had when it was listed: most files are read in one
 * piece, and are not asked whether there is more. One whose size says nothing (in /proc: 0) is read
 * to its end. False with errno. */
static bool read_all(struct crew *crew, struct scanner *scanner, int descriptor, uint64_t listed)
{
    uint64_t seen = 0;
    if (listed >= LARGE_FILE)
        (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (seen == 0 || seen != listed) {
        size_t size;
        char *space = scanner_space(scanner, &size);
        ssize_t got = read(descriptor, space, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        seen += (uint64_t)got;
        scanner_took(scanner, (size_t)got);
        crew_add(&crew->bytes, (uint64_t)got);
        crew_add(&crew->done, (uint64_t)got);
    }
    return true;
}

static void search_file(struct crew *crew, struct scanner *scanner, const struct tree_file *file)
{
    const char *name = file->name;
    const struct leaks_place place = {.file = text_from(name), .object = TEXT("")};
    /* Without waiting: a pipe may have taken the file's place meanwhile. */
    int descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) {
        crew_complain(crew, "%s: %s", name, strerror(errno));
        return;
    }
    if (!read_all(crew, scanner, descriptor, file->size))
        crew_complain(crew, "%s: %s", name, strerror(errno));
    leaks_take(crew->leaks, scanner, &place);
    crew_add(&crew->files, 1);
    (void)close(descriptor);
}

static void search_files(struct crew *crew, struct scanner *scanner, void *task)
{
    struct tree *tree = task;
    for (;;) {
        size_t at = __atomic_fetch_add(&tree->next, 1, __ATOMIC_RELAXED);
        if (at >= tree->count)
            return;
        search_file(crew, scanner, &tree->files[at]);
    }
}

enum error tree_scan(struct crew *crew, char *const *paths, size_t count)
{
    struct tree tree = {0};
    char **all = ensure_memory(calloc(count + 1, sizeof *all));
    memcpy(all, paths, count * sizeof *all);
    arena_open(&tree.names, NULL, NAMES_MAX);
    crew->total = crew->done = 0;
    enum error error = list_files(&tree, crew, all);
    if (!error)
        error = crew_run(crew, CREW_READERS, search_files, &tree);
    arena_close(&tree.names);
    free(tree.files);
    free(all);
    return error;
}

enum error tree_scan_descriptor(struct crew *crew, int descriptor, const char *name)
{
    const struct leaks_place place = {.file = text_from(name), .object = TEXT("")};
    struct scanner *scanner;
    enum error error = scanner_create(crew->patterns, &scanner);
    if (error)
        return error;
    if (!read_all(crew, scanner, descriptor, 0)) {
        crew_complain(crew, "%s: %s", name, strerror(errno));
        error = ERROR_SYSTEM;
    }
    leaks_take(crew->leaks, scanner, &place);
    crew_add(&crew->files, 1);
    scanner_destroy(scanner);
    return error;
}
