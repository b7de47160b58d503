/* wide: 128-bit numbers that threads change together without a lock (cmpxchg16b, casp, ldxp/stxp).
 *
 * Only whole exchanges are atomic in hardware everywhere, so everything is built on one. For
 * policy/ only. Any thread. */
#ifndef POLICY_WIDE_H
#define POLICY_WIDE_H

#include <stdbool.h>
#include <stdint.h>

struct wide {
    _Alignas(16) unsigned __int128 value;
};

static inline __int128 wide_make(uint64_t high, uint64_t low)
{
    return (__int128)((unsigned __int128)high << 64 | low);
}

/* What is there now. Halves of two values could only be mixed when the high half changed to and fro
 * between two instructions; what decides comes through wide_exchange, which would notice. */
static inline __int128 wide_read(const struct wide *wide)
{
    const uint64_t *halves = (const uint64_t *)(const void *)&wide->value;
    const int low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1;
    uint64_t high = __atomic_load_n(&halves[1 - low], __ATOMIC_ACQUIRE);
    for (;;) {
        uint64_t found = __atomic_load_n(&halves[low], __ATOMIC_ACQUIRE);
        uint64_t again = __atomic_load_n(&halves[1 - low], __ATOMIC_ACQUIRE);
        if (again == high)
            return wide_make(high, found);
        high = again;
    }
}

/* Puts `new` in the place of `*expected`; else sets `*expected` to what is there. A full barrier.
 */
static inline bool wide_exchange(struct wide *wide, __int128 *expected, __int128 new)
{
    unsigned __int128 wanted = (unsigned __int128)*expected;
    unsigned __int128 found =
        __sync_val_compare_and_swap(&wide->value, wanted, (unsigned __int128)new);
    *expected = (__int128)found;
    return found == wanted;
}

static inline void wide_add(struct wide *wide, __int128 amount)
{
    __int128 found = wide_read(wide);
    while (!wide_exchange(wide, &found, found + amount))
        ;
}

/* Adds unless the sum would be above `most`. */
static inline bool wide_add_within(struct wide *wide, __int128 amount, __int128 most)
{
    __int128 found = wide_read(wide);
    do {
        if (found + amount > most)
            return false;
    } while (!wide_exchange(wide, &found, found + amount));
    return true;
}

#endif
