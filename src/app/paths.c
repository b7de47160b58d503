#include "app/paths.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/verb.h"
#include "base/text.h"

/* Root's files could not be opened by a server that runs as somebody else. */
static bool become_owner(const char *data, const struct stat *status)
{
    if (geteuid() != 0 || status->st_uid == 0)
        return true;
    if (setgroups(0, NULL) == 0 && setresgid(status->st_gid, status->st_gid, status->st_gid) == 0 &&
        setresuid(status->st_uid, status->st_uid, status->st_uid) == 0)
        return true;
    verb_fail("%s: cannot become its owner: %s", data, strerror(errno));
    return false;
}

bool data_directory_enter(const char *data, bool make)
{
    struct stat status;
    if (make && mkdir(data, 0700) != 0 && errno != EEXIST) {
        verb_fail("%s: cannot make the data directory: %s", data,
                  errno == ENOENT ? "the directory above it is missing, too: make that first"
                                  : strerror(errno));
        return false;
    }
    if (stat(data, &status) != 0) {
        verb_fail("%s: %s; --data DIR names the data directory of `turnpike serve`", data,
                  errno == ENOENT ? "there is no such data directory" : strerror(errno));
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        verb_fail("%s is not a directory; --data DIR names the data directory of `turnpike serve`",
                  data);
        return false;
    }
    if (!become_owner(data, &status))
        return false;
    if (access(data, R_OK | W_OK | X_OK) != 0) {
        verb_fail("%s: the data directory is not writable for this user: %s", data,
                  strerror(errno));
        return false;
    }
    return true;
}

bool data_path(const char *data, const char *name, char out[PATH_SIZE])
{
    int length = snprintf(out, PATH_SIZE, "%s/%s", data, name);
    if (length > 0 && (size_t)length < PATH_SIZE)
        return true;
    verb_fail("the name of the data directory is too long");
    return false;
}
