#include "app/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_AFTER (NANOSECONDS_PER_SECOND / 2)
#define AGAIN_AFTER (NANOSECONDS_PER_SECOND / 10)
#define CELLS       24u

void progress_begin(struct progress *progress, const char *what, bool wanted)
{
    *progress = (struct progress){
        .what = what,
        .quiet = !wanted || !isatty(STDERR_FILENO),
        .began = clock_monotonic(),
    };
}

static void draw_bar(uint64_t done, uint64_t total)
{
    unsigned full = (unsigned)((unsigned __int128)done * CELLS / total);
    unsigned percent = (unsigned)((unsigned __int128)done * 100 / total);
    char bar[CELLS + 1];

    for (unsigned i = 0; i < CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[CELLS] = '\0';
    fprintf(stderr, " [%s] %3u %%", bar, percent);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
    if (progress->quiet)
        return;
    uint64_t now = clock_monotonic();
    if (now - progress->began < FIRST_AFTER || now - progress->drawn < AGAIN_AFTER)
        return;
    fprintf(stderr, "\r%s", progress->what);
    if (total > 0)
        draw_bar(done > total ? total : done, total);
    fprintf(stderr, "  %llu\033[K", (unsigned long long)done);
    fflush(stderr);
    progress->drawn = now;
    progress->shown = true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}
