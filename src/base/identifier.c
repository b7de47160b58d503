/* Random bytes come from a buffer per thread, because a system call per id would cost more than
 * everything else the id does. What was handed out is wiped there at once: the buffer's memory
 * never tells an id or a key that exists. A fork copies what is left; the process forks only to run
 * another program. */
#include "base/identifier.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "base/secret.h"

#define POOL_SIZE 4096u /* about 400 ids */

static _Thread_local struct {
    uint8_t bytes[POOL_SIZE];
    size_t left; /* the unused ones stand at the front */
} pool;

static void from_kernel(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);
        if (got < 0) {
            ensure(errno == EINTR);
            continue;
        }
        out += got;
        size -= (size_t)got;
    }
}

void random_bytes(void *out, size_t size)
{
    if (size == 0)
        return;
    if (size > POOL_SIZE) {
        from_kernel(out, size);
        return;
    }
    if (size > pool.left) {
        from_kernel(pool.bytes, POOL_SIZE);
        pool.left = POOL_SIZE;
    }
    pool.left -= size;
    memcpy(out, pool.bytes + pool.left, size);
    secret_wipe(pool.bytes + pool.left, size);
}

struct identifier identifier_lowest(uint64_t wall_nanoseconds)
{
    struct identifier id = {{0}};
    uint64_t milliseconds = wall_nanoseconds / NANOSECONDS_PER_MILLISECOND;
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(milliseconds >> (8 * (5 - i)));
    return id;
}

struct identifier identifier_make(uint64_t wall_nanoseconds)
{
    struct identifier id = identifier_lowest(wall_nanoseconds);
    random_bytes(id.bytes + 6, sizeof(id.bytes) - 6);
    return id;
}

static const struct text prefix = TEXT_INIT("req_");

/* Without a table, so that the compiler can do all digits side by side. */
static inline char hex_digit(uint8_t value)
{
    return (char)(value + '0' + (value > 9 ? 'a' - '0' - 10 : 0));
}

void identifier_format(struct identifier id, char out[IDENTIFIER_TEXT_LENGTH])
{
    memcpy(out, prefix.data, prefix.length);
    out += prefix.length;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        out[2 * i] = hex_digit(id.bytes[i] >> 4);
        out[2 * i + 1] = hex_digit(id.bytes[i] & 15);
    }
}

/* Lower case only: an id has one spelling. */
static int digit_value(char c)
{
    return c >= 'A' && c <= 'F' ? -1 : number_hex_digit(c);
}

bool identifier_parse(struct text t, struct identifier *out)
{
    if (t.length != IDENTIFIER_TEXT_LENGTH || !text_starts_with(t, prefix))
        return false;
    const char *digits = t.data + prefix.length;
    struct identifier id;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        int high = digit_value(digits[2 * i]);
        int low = digit_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out = id;
    return true;
}
