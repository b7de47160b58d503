#include "leaks/git.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ensure.h"

extern char **environ;

/* Before the verb. Names of files as they are; nothing of the repository's that runs programs. */
static const char *const common[] = {
    "--no-pager", "--no-replace-objects", "-c", "core.quotePath=false",
    "-c",         "core.fsmonitor=false", "-c", "log.showSignature=false",
};

static enum error spawn(struct git *git, const char *const *arguments, int input, int output)
{
    posix_spawn_file_actions_t actions;
    ensure(posix_spawn_file_actions_init(&actions) == 0);
    if (input >= 0)
        ensure(posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) == 0);
    else
        ensure(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ==
               0);
    ensure(posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) == 0);
    /* posix_spawn does not change the texts; its type is older than const. */
    int failed = posix_spawnp(&git->process, "git", &actions, NULL,
                              (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (failed == 0)
        return ERROR_OK;
    git->process = 0;
    errno = failed;
    return failed == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM;
}

enum error git_start(struct git *git, const char *folder, const char *const *arguments, int input)
{
    const char *all[ARRAY_LENGTH(common) + GIT_ARGUMENTS_MAX] = {"git", "-C", folder};
    size_t count = 3;
    int ends[2];
    *git = (struct git){.output = -1};
    for (size_t i = 0; i < ARRAY_LENGTH(common); i++)
        all[count++] = common[i];
    for (; *arguments != NULL; arguments++) {
        ensure(count + 1 < ARRAY_LENGTH(all));
        all[count++] = *arguments;
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ERROR_SYSTEM;
    enum error error = spawn(git, all, input, ends[1]);
    (void)close(ends[1]);
    if (error)
        (void)close(ends[0]);
    else
        git->output = ends[0];
    return error;
}

/* Reads more behind what is there. False at the end. */
static bool fill(struct git *git)
{
    if (git->ended)
        return false;
    if (git->start > 0) {
        memmove(git->buffer, git->buffer + git->start, git->end - git->start);
        git->end -= git->start;
        git->start = 0;
    }
    for (;;) {
        ssize_t got = read(git->output, git->buffer + git->end, sizeof git->buffer - git->end);
        if (got < 0 && errno == EINTR)
            continue;
        git->ended = got <= 0;
        git->end += got > 0 ? (size_t)got : 0;
        return got > 0;
    }
}

static bool read_until(struct git *git, char separator, struct text *out)
{
    size_t seen = 0;
    for (;;) {
        struct text there = text_of(git->buffer + git->start, git->end - git->start);
        ptrdiff_t at = text_find_char(text_from_index(there, seen), separator);
        if (at >= 0 || there.length >= GIT_LINE_MAX) {
            size_t length = at >= 0 ? seen + (size_t)at : GIT_LINE_MAX;
            *out = text_first(there, length);
            git->start += length + (at >= 0);
            return true;
        }
        seen = there.length;
        if (!fill(git)) {
            *out = there;
            git->start = git->end;
            return there.length > 0;
        }
    }
}

bool git_read_line(struct git *git, struct text *line)
{
    return read_until(git, '\n', line);
}

bool git_read_field(struct git *git, struct text *field)
{
    return read_until(git, '\0', field);
}

size_t git_read(struct git *git, char *out, size_t size)
{
    if (git->start == git->end && !fill(git))
        return 0;
    struct text there = text_first(text_of(git->buffer + git->start, git->end - git->start), size);
    memcpy(out, there.data, there.length);
    git->start += there.length;
    return there.length;
}

bool git_finish(struct git *git)
{
    int status = 0;
    if (git->process == 0)
        return false;
    (void)close(git->output);
    while (waitpid(git->process, &status, 0) < 0 && errno == EINTR) {
    }
    git->process = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
