/* attempts: how often an address has failed to sign in.
 *
 * Each address (of IPv6 its /64, which is one household's or machine's) may fail some times at
 * once, and then once in a while. It holds up who tries words from a list, and fills no log; what
 * keeps guessers out is that 256 random bits are not guessed. A flood from many addresses pushes
 * the oldest out of the table, and gains nothing by it. One thread. */
#ifndef ADMIN_ATTEMPTS_H
#define ADMIN_ATTEMPTS_H

#include "base/clock.h"
#include "identity/network.h"

#define ATTEMPTS_AT_ONCE  10u /* an old link clicked again, a key pasted without its end */
#define ATTEMPTS_INTERVAL (10 * NANOSECONDS_PER_SECOND) /* behind that; 8,640 a day */
#define ATTEMPTS_SOURCES  256u                          /* 8 KiB; administrators are few */

struct attempts {
    struct attempts_source {
        struct network network;
        uint64_t full_at; /* when all attempts are there again; monotonic nanoseconds */
    } sources[ATTEMPTS_SOURCES];
};

/* 0: it may try; else how many nanoseconds until it may. */
uint64_t attempts_wait(const struct attempts *attempts, const struct address *source, uint64_t now);
/* One failed. */
void attempts_note(struct attempts *attempts, const struct address *source, uint64_t now);

#endif
