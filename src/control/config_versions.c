#include "control/config_versions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "config/document.h"

#define PATH_FILE "path"
#define SUFFIX    ".yaml"
#define READ_STEP 65536u
#define MODE_OWN  0600u
#define NAMES_MAX 4096u /* files in the directory that are looked at: others are none of ours */

static bool name_file(const char *data, const char *name, char out[CONFIG_VERSIONS_PATH])
{
    int length =
        snprintf(out, CONFIG_VERSIONS_PATH, "%s/" CONFIG_VERSIONS_DIRECTORY "/%s", data, name);
    return length > 0 && (size_t)length < CONFIG_VERSIONS_PATH;
}

static bool name_version(const char *data, uint64_t number, char out[CONFIG_VERSIONS_PATH])
{
    char name[64];
    (void)snprintf(name, sizeof name, "%08llu" SUFFIX, (unsigned long long)number);
    return name_file(data, name, out);
}

/* ---- files ---- */

static enum error write_all(int file, struct text text, bool durable)
{
    while (text.length > 0) {
        ssize_t count = write(file, text.data, text.length);
        if (count < 0 && errno != EINTR)
            return error_from_errno(errno);
        text = text_from_index(text, count > 0 ? (size_t)count : 0);
    }
    return !durable || fsync(file) == 0 ? ERROR_OK : error_from_errno(errno);
}

static void sync_directory_of(const char *path)
{
    char directory[CONFIG_VERSIONS_PATH];
    const char *slash = strrchr(path, '/');
    struct text folder = slash == NULL   ? TEXT(".")
                         : slash == path ? TEXT("/")
                                         : text_of(path, (size_t)(slash - path));
    if (!text_copy_to(folder, directory, sizeof directory))
        return;
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return;
    (void)fsync(file); /* the rename holds without it, but for a power failure */
    close(file);
}

/* What stood there is of somebody: a server that may read it may read what comes into its place. */
static enum error give_to(int file, uid_t owner, gid_t group)
{
    struct stat status;
    if (fstat(file, &status) != 0)
        return error_from_errno(errno);
    if ((status.st_uid == owner && status.st_gid == group) || fchown(file, owner, group) == 0)
        return ERROR_OK;
    return errno == EPERM ? ERROR_UNSUPPORTED : error_from_errno(errno);
}

/* `lasting`: it is on the disk when this returns, and stays of whom it was. */
static enum error replace(const char *path, struct text text, unsigned mode, bool lasting)
{
    char temporary[CONFIG_VERSIONS_PATH];
    struct stat status;
    int length = snprintf(temporary, sizeof temporary, "%s.%d.new", path, (int)getpid());

    if (length <= 0 || (size_t)length >= sizeof temporary)
        return ERROR_ARGUMENT;
    bool was_there = lstat(path, &status) == 0;
    if (was_there) {
        if (!S_ISREG(status.st_mode))
            return ERROR_ARGUMENT;
        mode = status.st_mode & 07777u;
    }
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE_OWN);
    if (file < 0)
        return error_from_errno(errno);
    enum error error =
        lasting && was_there ? give_to(file, status.st_uid, status.st_gid) : ERROR_OK;
    if (!error && fchmod(file, mode) != 0)
        error = error_from_errno(errno);
    if (!error)
        error = write_all(file, text, lasting);
    if (close(file) != 0 && !error)
        error = error_from_errno(errno);
    if (!error && rename(temporary, path) != 0)
        error = error_from_errno(errno);
    if (error)
        (void)unlink(temporary);
    else if (lasting)
        sync_directory_of(path);
    return error;
}

enum error config_versions_replace_file(const char *path, struct text text, unsigned mode)
{
    return replace(path, text, mode, true);
}

static enum error read_file(const char *path, struct buffer *out)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = 1;

    if (file < 0)
        return error_from_errno(errno);
    while (count > 0) {
        char *room = buffer_reserve(out, READ_STEP);
        if (room == NULL)
            break;
        count = read(file, room, READ_STEP);
        if (count > 0)
            out->length += (size_t)count;
    }
    enum error error = out->failed ? ERROR_LIMIT : count < 0 ? error_from_errno(errno) : ERROR_OK;
    close(file);
    return error;
}

/* ---- versions ---- */

static bool parse_name(const char *name, uint64_t *number)
{
    struct text text = text_from(name);
    if (!text_ends_with(text, TEXT(SUFFIX)))
        return false;
    text = text_first(text, text.length - (sizeof SUFFIX - 1));
    return number_parse_unsigned(text, number) && *number > 0;
}

static int compare_numbers(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* All that are there, the newest first. */
static enum error list_numbers(const char *data, uint64_t *numbers, size_t *count)
{
    char path[CONFIG_VERSIONS_PATH];
    *count = 0;
    if (!name_file(data, "", path))
        return ERROR_ARGUMENT;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT ? ERROR_OK : error_from_errno(errno);
    for (struct dirent *entry; *count < NAMES_MAX && (entry = readdir(directory)) != NULL;) {
        if (parse_name(entry->d_name, &numbers[*count]))
            ++*count;
    }
    closedir(directory);
    qsort(numbers, *count, sizeof *numbers, compare_numbers);
    return ERROR_OK;
}

enum error config_versions_list(const char *data, struct config_version out[CONFIG_VERSIONS_KEPT],
                                size_t *count)
{
    uint64_t numbers[NAMES_MAX];
    char path[CONFIG_VERSIONS_PATH];
    struct stat status;
    size_t found;
    enum error error = list_numbers(data, numbers, &found);

    *count = 0;
    for (size_t i = 0; !error && i < found && *count < CONFIG_VERSIONS_KEPT; i++) {
        /* Gone meanwhile, or what a power failure left of one. */
        if (!name_version(data, numbers[i], path) || stat(path, &status) != 0 ||
            status.st_size == 0)
            continue;
        out[(*count)++] = (struct config_version){
            .number = numbers[i],
            .kept_at = (uint64_t)status.st_mtim.tv_sec * NANOSECONDS_PER_SECOND +
                       (uint64_t)status.st_mtim.tv_nsec,
            .size = (uint64_t)status.st_size,
        };
    }
    return error;
}

enum error config_versions_read(const char *data, uint64_t number, struct buffer *out)
{
    char path[CONFIG_VERSIONS_PATH];
    return name_version(data, number, path) ? read_file(path, out) : ERROR_ARGUMENT;
}

bool config_versions_path(const char *data, char out[CONFIG_VERSIONS_PATH])
{
    char file[CONFIG_VERSIONS_PATH];
    struct buffer text;
    buffer_open(&text, CONFIG_VERSIONS_PATH + READ_STEP);
    bool good = name_file(data, PATH_FILE, file) && read_file(file, &text) == ERROR_OK &&
                text.length > 0 && text_copy_to(buffer_text(&text), out, CONFIG_VERSIONS_PATH);
    buffer_close(&text);
    return good;
}

/* The file's place, for who puts a version back. */
static enum error note_path(const char *data, const char *path)
{
    char file[CONFIG_VERSIONS_PATH], absolute[PATH_MAX], known[CONFIG_VERSIONS_PATH];
    if (realpath(path, absolute) == NULL)
        return error_from_errno(errno);
    if (config_versions_path(data, known) && strcmp(known, absolute) == 0)
        return ERROR_OK;
    return name_file(data, PATH_FILE, file) ? replace(file, text_from(absolute), MODE_OWN, false)
                                            : ERROR_ARGUMENT;
}

static bool is_same(const char *data, uint64_t number, struct text yaml)
{
    struct buffer newest;
    buffer_open(&newest, DOCUMENT_BYTES_MAXIMUM + 2 * READ_STEP);
    bool same = config_versions_read(data, number, &newest) == ERROR_OK &&
                text_equal(buffer_text(&newest), yaml);
    buffer_close(&newest);
    return same;
}

static enum error make_directory(const char *data)
{
    char path[CONFIG_VERSIONS_PATH];
    if (!name_file(data, "", path))
        return ERROR_ARGUMENT;
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERROR_OK : error_from_errno(errno);
}

enum error config_versions_keep(const char *data, const char *path, struct text yaml,
                                uint64_t *number)
{
    uint64_t numbers[NAMES_MAX];
    char file[CONFIG_VERSIONS_PATH];
    size_t count;
    enum error error = make_directory(data);

    if (!error)
        error = note_path(data, path);
    if (!error)
        error = list_numbers(data, numbers, &count);
    if (error)
        return error;
    *number = count > 0 ? numbers[0] : 1;
    if (count > 0 && is_same(data, numbers[0], yaml))
        return ERROR_OK;
    *number = count > 0 ? numbers[0] + 1 : 1;
    if (!name_version(data, *number, file))
        return ERROR_ARGUMENT;
    /* Nobody waits for the disk: a power failure may take the newest version, not the file. */
    error = replace(file, yaml, MODE_OWN, false);
    for (size_t i = CONFIG_VERSIONS_KEPT - 1; !error && i < count; i++) {
        if (name_version(data, numbers[i], file))
            (void)unlink(file); /* one too many does no harm; it goes the next time */
    }
    return error;
}
