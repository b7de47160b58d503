/* history: the secrets in a git repository, each blob once.
 *
 * All that git can reach is searched: every branch, tag, stash and note, what the reflog remembers,
 * what is staged, and the messages of commits and tags. Whether a file was renamed, deleted or
 * packed makes no difference. */
#ifndef LEAKS_HISTORY_H
#define LEAKS_HISTORY_H

#include "leaks/crew.h"

/* Objects at one go; the list takes some 120 bytes each. */
#define HISTORY_OBJECTS_MAX 40000000u

struct history_part {
    const char *folder; /* of the repository: work tree, or bare */
    const char *range;  /* "main..HEAD": only what those commits brought; NULL: all */
    bool staged;        /* only what is staged and not yet committed */
};

/* ERROR_NOT_FOUND: there is no git. ERROR_UNSUPPORTED: git failed, and has said why. ERROR_LIMIT,
 * and those of crew_run. `shallow`: parts of the history are not there. */
must_handle enum error history_scan(struct crew *crew, const struct history_part *part,
                                    bool *shallow);

#endif
