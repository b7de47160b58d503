#include "tables/headers.h"

#include <stdint.h>

#include "base/ensure.h"

/* Names are found through a small table with open addressing, filled before main() runs, so that a
 * new header is one row of headers.def and nothing else. */

struct header_row {
    struct text name;
    unsigned flags;
};

static const struct header_row rows[HEADER_COUNT] = {
#define HEADER(id, name, flags) [HEADER_##id] = {TEXT_INIT(name), flags},
#include "tables/headers.def"
#undef HEADER
};

/* A power of two at least twice HEADER_COUNT, so that a probe ends soon. Ids fit a byte. */
#define SLOT_COUNT 256
_Static_assert(HEADER_COUNT * 2 <= SLOT_COUNT, "the table of header names needs more slots");

static uint8_t slots[SLOT_COUNT];

static inline unsigned char lower(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

/* Four bytes and the length tell almost all names of the table apart. The bit 0x20 hides the case;
 * that it makes some other characters alike does not matter here. */
static inline unsigned hash(struct text name)
{
    uint64_t key = name.length;
    key = key << 8 | (unsigned char)name.data[0];
    key = key << 8 | (unsigned char)name.data[name.length / 2];
    key = key << 8 | (unsigned char)name.data[name.length - 2 + (name.length < 2)];
    key = key << 8 | (unsigned char)name.data[name.length - 1];
    return (unsigned)(((key | 0x20202020u) * 0x9e3779b97f4a7c15ull) >> 56);
}

__attribute__((constructor)) static void fill_slots(void)
{
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        unsigned slot = hash(rows[id].name);
        while (slots[slot] != 0)
            slot = (slot + 1) % SLOT_COUNT;
        slots[slot] = (uint8_t)id;
    }
}

/* Eight bytes are equal but for the case of letters. `known` is in lower case, and of its
 * characters only letters have the bit 0x40: where it is set, the bit 0x20 may differ. */
static inline bool same_word(const char *name, const char *known)
{
    uint64_t a, b;
    memcpy(&a, name, 8);
    memcpy(&b, known, 8);
    uint64_t may_differ = (b & 0x4040404040404040ull) >> 1;
    return ((a ^ b) & ~may_differ) == 0;
}

static bool same_name(struct text name, struct text known)
{
    if (name.length != known.length)
        return false;
    if (name.length < 8) {
        for (size_t i = 0; i < name.length; i++)
            if (lower(name.data[i]) != (unsigned char)known.data[i])
                return false;
        return true;
    }
    for (size_t i = 0; i + 8 < name.length; i += 8)
        if (!same_word(name.data + i, known.data + i))
            return false;
    return same_word(name.data + name.length - 8, known.data + name.length - 8);
}

enum header_id header_find(struct text name)
{
    if (name.length == 0)
        return HEADER_OTHER;
    for (unsigned slot = hash(name); slots[slot] != 0; slot = (slot + 1) % SLOT_COUNT)
        if (same_name(name, rows[slots[slot]].name))
            return (enum header_id)slots[slot];
    return HEADER_OTHER;
}

struct text header_name(enum header_id id)
{
    ensure((unsigned)id < HEADER_COUNT);
    return rows[id].name;
}

unsigned header_flags(enum header_id id)
{
    ensure((unsigned)id < HEADER_COUNT);
    return rows[id].flags;
}
