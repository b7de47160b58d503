#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/build.h"
#include "config/document.h"
#include "config/memory.h"
#include "config/report.h"
#include "config/settings.h"

/* The document and the settings of the largest file that is read; freed when loading ends. */
#define SCRATCH_MAXIMUM 536870912u
#define READ_STEP       65536u

static _Atomic uint64_t generations;

/* What stands before the last slash; relative paths in the file start there. */
static struct text folder_of(struct text path)
{
    size_t i = path.length;
    while (i > 0 && path.data[i - 1] != '/')
        i--;
    return text_first(path, i > 1 ? i - 1 : i);
}

static void fill(struct settings_reader *reader, const struct document_node *root,
                 struct config *config)
{
    struct settings settings;
    settings_read(reader, root, &settings);
    build_snapshot(reader, &settings, root, config);
}

static struct config *load(struct text name, struct text yaml, struct settings_reader *reader)
{
    struct config_memory *memory = reader->memory;
    struct document_node *root = document_read(yaml, reader->scratch, reader->report);
    if (!root)
        return NULL;
    struct config *config = arena_take_zeroed(&memory->arena, sizeof(*config));
    if (!config)
        return NULL;
    config->memory = memory;
    config->source = arena_copy(&memory->arena, name);
    fill(reader, root, config);
    config->secret_files = memory->files;
    return config;
}

enum error config_load_text(struct text name, struct text yaml, struct config **out,
                            struct config_problems *problems)
{
    return config_load_guarded(name, yaml, NULL, 0, out, problems);
}

enum error config_load_guarded(struct text name, struct text yaml,
                               const struct config_taken_back *taken_back, size_t count,
                               struct config **out, struct config_problems *problems)
{
    *out = NULL;
    problems->source = name;
    struct config_memory *memory = config_memory_create();
    if (!memory)
        return ERROR_MEMORY;
    struct report report;
    struct arena scratch;
    report_open(&report, problems, yaml);
    arena_open(&scratch, NULL, SCRATCH_MAXIMUM);
    struct settings_reader reader = {&report, &scratch, memory, folder_of(name), taken_back, count};
    struct config *config = load(name, yaml, &reader);
    arena_close(&scratch);
    report_close(&report);
    if (!config || problems->error_count > 0) {
        config_memory_destroy(memory);
        return problems->error_count > 0 ? ERROR_SYNTAX : ERROR_MEMORY;
    }
    config->generation = atomic_fetch_add(&generations, 1) + 1;
    *out = config;
    return ERROR_OK;
}

/* What comes through a pipe, as in `turnpike check <(helm template ...)`, may take its time; one
 * that nobody writes to would be waited for forever. */
#define PIPE_PATIENCE_MS 10000

/* 0, or errno. */
static int open_to_read(const char *path, int *file)
{
    struct stat status;
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*file < 0)
        return errno;
    int number = fstat(*file, &status) == 0 ? 0 : errno;
    struct pollfd wait = {.fd = *file, .events = POLLIN};
    if (number == 0 && S_ISDIR(status.st_mode))
        number = EISDIR;
    else if (number == 0 && S_ISFIFO(status.st_mode) && poll(&wait, 1, PIPE_PATIENCE_MS) == 0)
        number = ETIMEDOUT;
    if (number == 0 && fcntl(*file, F_SETFL, 0) != 0) /* from here on reads wait */
        number = errno;
    if (number != 0)
        close(*file);
    return number;
}

/* 0, or errno. A byte more than allowed is read, so that the document says that the file is too
 * large. */
static int read_file(const char *path, struct buffer *out)
{
    ssize_t got = 1;
    int file, number = open_to_read(path, &file);
    if (number != 0)
        return number;
    while (got > 0 && out->length <= DOCUMENT_BYTES_MAXIMUM && number == 0) {
        char *space = buffer_reserve(out, READ_STEP);
        got = space ? read(file, space, READ_STEP) : -1;
        if (got > 0)
            out->length += (size_t)got;
        else if (got < 0)
            number = space ? errno : ENOMEM;
    }
    close(file);
    return number;
}

/* What it is that cannot be read, and what to do. */
static const char *explain(int number)
{
    switch (number) {
    case ENOENT:
        return "there is no such file; `turnpike init` prints one to begin with, --config FILE "
               "names another";
    case EISDIR: return "it is a directory: name the file in it";
    case ENOTDIR: return "a part of its path is a file and no directory";
    case EACCES: return "this user may not read it: look at its owner and mode";
    case ETIMEDOUT: return "it is a pipe, and nothing came through it for 10 s";
    case ENXIO:
    case EIO:
    case ENODEV: return "it is a device that cannot be read: name a file";
    default: return strerror(number);
    }
}

enum error config_read_file(const char *path, struct buffer *yaml, struct config_problems *problems)
{
    problems->source = text_from(path);
    int number = read_file(path, yaml);
    if (number == 0)
        return ERROR_OK;
    struct config_problem problem = {.severity = CONFIG_ERROR};
    problem.message = text_from(explain(number));
    config_problem_add(problems, &problem);
    return error_from_errno(number);
}

enum error config_load(const char *path, struct config **out, struct config_problems *problems)
{
    struct buffer yaml;
    *out = NULL;
    buffer_open(&yaml, DOCUMENT_BYTES_MAXIMUM + 2 * READ_STEP);
    enum error error = config_read_file(path, &yaml, problems);
    if (!error)
        error = config_load_text(text_from(path), buffer_text(&yaml), out, problems);
    buffer_close(&yaml);
    return error;
}
