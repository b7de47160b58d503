/* Three steps: git lists the objects (rev-list --objects); the crew has git print them, a portion
 * each at a time (cat-file --batch); where something was found git tells which commit brought it
 * (log --raw, once for all). */
#include "leaks/history.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/ensure.h"
#include "base/number.h"
#include "leaks/git.h"

#define NAMES_MAX     ((size_t)8 << 30) /* bytes of all names and paths */
#define OBJECT_LENGTH 64u               /* digits of the longest name (SHA-256) */
/* Objects for one run of git: enough that starting it costs nothing, few enough that all members
 * have something to do until the end. */
#define PORTION_MAX 20000u
#define PORTION_MIN 500u

struct object {
    struct text name, path;
};

struct history {
    const struct history_part *part;
    struct arena names;
    struct object *objects;
    size_t count, room, portion;
    size_t next; /* atomic: the next that is to be read */
    bool failed; /* atomic: git did not do what it should */
};

/* ------------------------------------------------------------------ which objects */

static bool is_object_name(struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        if (number_hex_digit(t.data[i]) < 0)
            return false;
    }
    return t.length >= 40 && t.length <= OBJECT_LENGTH;
}

static bool add_object(struct history *history, struct text name, struct text path)
{
    const struct object object = {arena_copy(&history->names, name),
                                  arena_copy(&history->names, path)};
    if (history->count == HISTORY_OBJECTS_MAX || !object.name.data || !object.path.data)
        return false;
    if (history->count == history->room) {
        history->room = history->room ? history->room * 2 : 4096;
        history->objects =
            ensure_memory(reallocarray(history->objects, history->room, sizeof object));
    }
    history->objects[history->count++] = object;
    return true;
}

/* "NAME PATH" each; a commit has no path, a root folder an empty one. */
static enum error list_reachable(struct history *history, struct crew *crew)
{
    static const char *const all[] = {"rev-list", "--objects",         "--all",
                                      "--reflog", "--indexed-objects", NULL};
    const char *const range[] = {"rev-list", "--objects", history->part->range, "--", NULL};
    struct git git;
    struct text line;
    enum error error =
        git_start(&git, history->part->folder, history->part->range ? range : all, -1);
    if (error)
        return error;
    while (!error && git_read_line(&git, &line)) {
        struct text path = line, name = text_split(&path, ' ');
        if (is_object_name(name) && !add_object(history, name, path.data ? path : TEXT("")))
            error = ERROR_LIMIT;
        crew->tick(crew->owner, 0, 0);
    }
    bool good = git_finish(&git);
    return error || good ? error : ERROR_UNSUPPORTED;
}

/* ":MODE MODE OLD NEW STATUS", then the path. */
static enum error list_staged(struct history *history)
{
    static const char *const arguments[] = {
        "diff", "--cached", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=d", "-z", NULL};
    struct git git;
    struct text field;
    enum error error = git_start(&git, history->part->folder, arguments, -1);
    if (error)
        return error;
    while (!error && git_read_field(&git, &field)) {
        struct text name = {NULL, 0};
        char copy[OBJECT_LENGTH + 1];
        for (int i = 0; i < 4; i++)
            name = text_split(&field, ' ');
        bool good = is_object_name(name) && text_copy_to(name, copy, sizeof copy);
        if (!git_read_field(&git, &field))
            break;
        if (good && !add_object(history, text_from(copy), field))
            error = ERROR_LIMIT;
    }
    bool good = git_finish(&git);
    return error || good ? error : ERROR_UNSUPPORTED;
}

/* ------------------------------------------------------------------ reading them */

/* The names of a portion as a file that git can read. */
static int write_names(const struct history *history, size_t from, size_t to)
{
    struct buffer names;
    int file = memfd_create("objects", MFD_CLOEXEC);
    buffer_open(&names, PORTION_MAX * (OBJECT_LENGTH + 1));
    for (size_t i = from; i < to; i++) {
        buffer_append(&names, history->objects[i].name);
        buffer_append_char(&names, '\n');
    }
    bool good = file >= 0 && !names.failed &&
                write(file, names.data, names.length) == (ssize_t)names.length &&
                lseek(file, 0, SEEK_SET) == 0;
    buffer_close(&names);
    if (good)
        return file;
    if (file >= 0)
        (void)close(file);
    return -1;
}

/* Takes `size` bytes of content, and searches them. */
static bool take_content(struct crew *crew, struct git *git, struct scanner *scanner, uint64_t size,
                         bool search)
{
    while (size > 0) {
        size_t room;
        char *space = scanner_space(scanner, &room);
        size_t got = git_read(git, space, size < room ? (size_t)size : room);
        if (got == 0)
            return false;
        if (search) {
            scanner_took(scanner, got);
            crew_add(&crew->bytes, got);
        }
        size -= got;
    }
    return true;
}

/* "NAME TYPE SIZE", the content and an end of line. */
static bool read_object(struct crew *crew, struct git *git, struct scanner *scanner,
                        const struct object *object)
{
    struct leaks_place place = {.file = object->path, .object = object->name};
    struct text line, end;
    uint64_t size;
    if (!git_read_line(git, &line))
        return false;
    (void)text_split(&line, ' ');
    struct text type = text_split(&line, ' ');
    bool folder = text_equal(type, TEXT("tree"));
    if (text_equal(type, TEXT("commit")))
        place.file = TEXT("(commit message)");
    if (text_equal(type, TEXT("tag")))
        place.file = TEXT("(message of a tag)");
    if (!number_parse_unsigned(line, &size)) {
        crew_complain(crew, "git has no object %.*s", TEXT_ARG(object->name));
        return true;
    }
    if (!take_content(crew, git, scanner, size, !folder) || !git_read_line(git, &end))
        return false;
    if (!folder) {
        leaks_take(crew->leaks, scanner, &place);
        crew_add(&crew->files, 1);
    }
    return true;
}

static bool read_portion(struct crew *crew, struct history *history, struct scanner *scanner,
                         size_t from, size_t to)
{
    static const char *const arguments[] = {"cat-file", "--batch", "--buffer", NULL};
    struct git git;
    int names = write_names(history, from, to);
    if (names < 0)
        return false;
    enum error error = git_start(&git, history->part->folder, arguments, names);
    (void)close(names);
    if (error)
        return false;
    bool good = true;
    for (size_t i = from; i < to && good; i++) {
        good = read_object(crew, &git, scanner, &history->objects[i]);
        crew_add(&crew->done, 1);
    }
    return git_finish(&git) && good;
}

static void read_objects(struct crew *crew, struct scanner *scanner, void *task)
{
    struct history *history = task;
    while (!__atomic_load_n(&history->failed, __ATOMIC_RELAXED)) {
        size_t from = __atomic_fetch_add(&history->next, history->portion, __ATOMIC_RELAXED);
        if (from >= history->count)
            return;
        size_t left = history->count - from;
        if (!read_portion(crew, history, scanner, from,
                          from + (left < history->portion ? left : history->portion)))
            __atomic_store_n(&history->failed, true, __ATOMIC_RELAXED);
    }
}

/* ------------------------------------------------------------------ which commit */

struct origin {
    struct text commit, date, author;
    struct text path; /* as the commit named it; empty: of no file, or written in quotes */
};

static int compare_objects(const void *left, const void *right)
{
    return text_compare(((const struct leak *)left)->object, ((const struct leak *)right)->object);
}

/* git tells children before their parents: what is written last is the commit that brought it. */
static void note_origin(struct leaks *leaks, size_t from, struct text object,
                        const struct origin *origin)
{
    const struct leak wanted = {.object = object};
    struct leak *rows = leaks->rows + from, *end = leaks->rows + leaks->count;
    struct leak *found =
        bsearch(&wanted, rows, leaks->count - from, sizeof wanted, compare_objects);
    if (found == NULL)
        return;
    while (found > rows && text_equal(found[-1].object, object))
        found--;
    for (; found < end && text_equal(found->object, object); found++) {
        found->commit = leaks_keep(leaks, origin->commit);
        found->date = leaks_keep(leaks, origin->date);
        found->author = leaks_keep(leaks, origin->author);
        if (origin->path.length > 0) /* later commits may have given it another name */
            found->file = leaks_keep(leaks, origin->path);
    }
}

/* ":MODE MODE OLD NEW STATUS<TAB>PATH", or with more than one old ("::" and so on) of a merge. */
static void take_change(struct leaks *leaks, size_t from, struct text line, struct origin origin)
{
    struct text field = {NULL, 0};
    size_t parents = 0;
    while (parents < line.length && line.data[parents] == ':')
        parents++;
    for (size_t i = 0; i < 2 * (parents + 1); i++)
        field = text_split(&line, ' ');
    (void)text_split(&line, '\t');
    origin.path = text_starts_with(line, TEXT("\"")) ? text_of(NULL, 0) : line;
    note_origin(leaks, from, field, &origin);
}

/* The line of a commit is marked with a byte that no raw line starts with. */
#define COMMIT_MARK   "\001"
#define ORIGIN_FORMAT "--format=\001%H%x09%aI%x09%aN"

static enum error find_origins(struct leaks *leaks, size_t from, const struct history_part *part)
{
    const char *const arguments[] = {"log",
                                     part->range ? part->range : "--all",
                                     part->range ? "--no-ext-diff" : "--reflog",
                                     "--topo-order",
                                     "-c",
                                     "--raw",
                                     "--root",
                                     "--no-abbrev",
                                     "--no-renames",
                                     ORIGIN_FORMAT,
                                     "--",
                                     NULL};
    char memory[GIT_LINE_MAX];
    struct origin origin = {0};
    struct git git;
    struct text line;
    qsort(leaks->rows + from, leaks->count - from, sizeof *leaks->rows, compare_objects);
    enum error error = git_start(&git, part->folder, arguments, -1);
    if (error)
        return error;
    while (git_read_line(&git, &line)) {
        if (text_starts_with(line, TEXT(COMMIT_MARK))) {
            (void)text_copy_to(text_from_index(line, 1), memory, sizeof memory);
            origin.author = text_from(memory);
            origin.commit = text_split(&origin.author, '\t');
            origin.date = text_split(&origin.author, '\t');
            note_origin(leaks, from, origin.commit, &origin);
        } else if (text_starts_with(line, TEXT(":"))) {
            take_change(leaks, from, line, origin);
        }
    }
    return git_finish(&git) ? ERROR_OK : ERROR_UNSUPPORTED;
}

/* ------------------------------------------------------------------ all of it */

static enum error look_at_repository(const struct history_part *part, bool *shallow)
{
    static const char *const arguments[] = {"rev-parse", "--is-shallow-repository", NULL};
    struct git git;
    struct text line;
    enum error error = git_start(&git, part->folder, arguments, -1);
    if (error)
        return error;
    *shallow = git_read_line(&git, &line) && text_equal(line, TEXT("true"));
    return git_finish(&git) ? ERROR_OK : ERROR_UNSUPPORTED;
}

enum error history_scan(struct crew *crew, const struct history_part *part, bool *shallow)
{
    struct history history = {.part = part};
    size_t from = crew->leaks->count;
    enum error error = look_at_repository(part, shallow);
    if (error)
        return error;
    arena_open(&history.names, NULL, NAMES_MAX);
    error = part->staged ? list_staged(&history) : list_reachable(&history, crew);
    history.portion = history.count / (CREW_MAX * 4);
    if (history.portion > PORTION_MAX)
        history.portion = PORTION_MAX;
    if (history.portion < PORTION_MIN)
        history.portion = PORTION_MIN;
    crew->total = history.count;
    crew->done = 0;
    if (!error && history.count > 0)
        error = crew_run(crew, 1, read_objects, &history);
    if (!error && history.failed)
        error = ERROR_UNSUPPORTED;
    if (!error && !part->staged && crew->leaks->count > from)
        error = find_origins(crew->leaks, from, part);
    arena_close(&history.names);
    free(history.objects);
    return error;
}
