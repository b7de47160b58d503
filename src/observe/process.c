#include "observe/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"

#define STAT_SIZE    1024u /* /proc/self/stat has 52 numbers and a name */
#define STAT_STARTED 22    /* proc(5): starttime, in clock ticks since boot */
#define STAT_VIRTUAL 23
#define STAT_PAGES   24

static void read_stat(struct process_figures *out)
{
    char bytes[STAT_SIZE];
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t length = read(file, bytes, sizeof bytes);
    close(file);
    if (length <= 0)
        return;
    /* The second field is the name in parentheses, and may hold anything. */
    struct text rest = text_of(bytes, (size_t)length);
    while (text_find_char(rest, ')') >= 0)
        text_split(&rest, ')');
    text_split(&rest, ' ');
    uint64_t numbers[STAT_PAGES + 1] = {0};
    for (size_t field = 3; field <= STAT_PAGES; field++) {
        if (!number_parse_unsigned(text_split(&rest, ' '), &numbers[field]))
            numbers[field] = 0;
    }
    out->virtual_size = numbers[STAT_VIRTUAL];
    out->resident = numbers[STAT_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE);
    struct timespec since_boot;
    if (clock_gettime(CLOCK_BOOTTIME, &since_boot) == 0) {
        uint64_t booted = clock_wall() - ((uint64_t)since_boot.tv_sec * NANOSECONDS_PER_SECOND +
                                          (uint64_t)since_boot.tv_nsec);
        /* To the hundredth of a second that a tick is, so that it is the same at every reading. */
        uint64_t tick = NANOSECONDS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
        out->started_at = (booted / tick + numbers[STAT_STARTED]) * tick;
    }
}

static uint64_t count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    uint64_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* but for the one that lists them */
}

void process_read(struct process_figures *out)
{
    *out = (struct process_figures){0};
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        out->cpu = (uint64_t)cpu.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)cpu.tv_nsec;
    read_stat(out);
    out->files = count_files();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        out->files_limit = limit.rlim_cur;
}
