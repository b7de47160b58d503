/* progress: a bar on stderr for work that takes longer than a moment. Main thread.
 *
 * Shown only where stderr is a terminal, from half a second on, some ten times a second; gone when
 * the work is done, so that what is printed next stands where it would without it. */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "Checking": static */
    bool quiet;       /* not a terminal, or not wanted */
    bool shown;
    uint64_t began, drawn; /* monotonic nanoseconds */
};

void progress_begin(struct progress *progress, const char *what, bool wanted);
/* `total` 0: how much there is is not known. Cheap when it is too early to draw again. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);

#endif
