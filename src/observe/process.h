/* process: what the kernel says of this process, for its metrics. Any thread. */
#ifndef OBSERVE_PROCESS_H
#define OBSERVE_PROCESS_H

#include <stdint.h>

struct process_figures {
    uint64_t cpu;          /* user and system time, nanoseconds */
    uint64_t resident;     /* bytes */
    uint64_t virtual_size; /* bytes */
    uint64_t started_at;   /* wall time, nanoseconds */
    uint64_t files;        /* open descriptors */
    uint64_t files_limit;
};

/* What cannot be read is 0. Some tens of microseconds, and one more for each open descriptor. */
void process_read(struct process_figures *out);

#endif
