/* wire: the far end of a socket pair, written to and read from by the test itself between turns of
 * a loop with a virtual clock. For the tests of http/ and the replay tests. */
#ifndef TESTS_HTTP_WIRE_H
#define TESTS_HTTP_WIRE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "net/loop.h"

#ifndef MILLISECOND
#define MILLISECOND NANOSECONDS_PER_MILLISECOND
#define SECOND      NANOSECONDS_PER_SECOND
#endif

struct wire {
    int descriptor; /* -1: closed by the test */
    bool ended;     /* the other side closed */
    bool reset;
    struct buffer received;
};

static inline void wire_open(struct wire *wire, int descriptor)
{
    *wire = (struct wire){.descriptor = descriptor};
    buffer_open(&wire->received, 64u * 1024u * 1024u);
}

/* With what was not read yet: the other side sees a reset. */
static inline void wire_reset(struct wire *wire)
{
    if (wire->descriptor >= 0)
        close(wire->descriptor);
    wire->descriptor = -1;
}

/* In good order. */
static inline void wire_hang_up(struct wire *wire)
{
    char bytes[65536];
    while (wire->descriptor >= 0 && recv(wire->descriptor, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    wire_reset(wire);
}

static inline void wire_close(struct wire *wire)
{
    wire_hang_up(wire);
    buffer_close(&wire->received);
}

/* Everything runnable runs; the clock does not move. */
static inline void run_turns(struct loop *loop)
{
    loop_advance(loop, 0);
}

static inline void wire_send(struct wire *wire, struct text bytes)
{
    assert_int_equal(send(wire->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL), bytes.length);
}

static inline void wire_say(struct wire *wire, struct loop *loop, const char *string)
{
    wire_send(wire, text_from(string));
    run_turns(loop);
}

static inline void wire_say_bytewise(struct wire *wire, struct loop *loop, const char *string)
{
    for (; *string; string++) {
        wire_send(wire, text_of(string, 1));
        run_turns(loop);
    }
}

/* Reads at most `most` bytes of what is there. */
static inline size_t wire_read(struct wire *wire, size_t most)
{
    size_t total = 0;
    char bytes[65536];
    while (total < most && !wire->ended) {
        size_t wanted = most - total < sizeof(bytes) ? most - total : sizeof(bytes);
        ssize_t got = recv(wire->descriptor, bytes, wanted, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            break;
        wire->reset = got < 0;
        wire->ended = got <= 0;
        if (got > 0) {
            assert_true(buffer_append(&wire->received, text_of(bytes, (size_t)got)));
            total += (size_t)got;
        }
    }
    return total;
}

/* Turns and reads until nothing comes any more. */
static inline void wire_drain(struct wire *wire, struct loop *loop)
{
    run_turns(loop);
    while (wire_read(wire, SIZE_MAX) > 0)
        run_turns(loop);
}

static inline void wire_forget(struct wire *wire)
{
    buffer_clear(&wire->received);
}

/* What came since the last call is exactly this. */
#define wire_expect(wire, loop, expected)                     \
    do {                                                      \
        wire_drain(wire, loop);                               \
        buffer_append_char(&(wire)->received, '\0');          \
        assert_string_equal((wire)->received.data, expected); \
        wire_forget(wire);                                    \
    } while (0)

static inline bool wire_contains(const struct wire *wire, const char *part)
{
    return wire->received.length > 0 &&
           memmem(wire->received.data, wire->received.length, part, strlen(part)) != NULL;
}

#endif
