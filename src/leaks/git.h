/* git: the user's git, run and read from.
 *
 * What a repository's own configuration could make git run (signature checks, file system monitors)
 * is turned off: it may be anybody's repository. What git says on stderr goes to ours. One thread
 * at a time for each. */
#ifndef LEAKS_GIT_H
#define LEAKS_GIT_H

#include <sys/types.h>

#include "base/text.h"
#include "tables/error.h"

#define GIT_ARGUMENTS_MAX 24u
/* Bytes of a line: a path has 4096 at most, and git may put a name before it. */
#define GIT_LINE_MAX 8192u

struct git {
    pid_t process; /* 0: none */
    int output;
    bool ended;
    size_t start, end; /* of what was read and not yet taken */
    char buffer[65536];
};

/* Runs `git -C folder ARGUMENTS...` (ends with NULL) with `input` as its standard input, -1: none.
 * ERROR_NOT_FOUND: there is no git. ERROR_SYSTEM. */
must_handle enum error git_start(struct git *git, const char *folder, const char *const *arguments,
                                 int input);
/* The next line without its end, valid until the next read; cut at GIT_LINE_MAX. False at the end.
 */
must_check bool git_read_line(struct git *git, struct text *line);
/* The next field that ends with NUL. */
must_check bool git_read_field(struct git *git, struct text *field);
/* Some of the next bytes, `size` at most; 0 at the end. */
must_check size_t git_read(struct git *git, char *out, size_t size);
/* Waits for its end (reading nothing more). Whether it said that all went well. */
bool git_finish(struct git *git);

#endif
