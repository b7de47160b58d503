#include "base/ensure.h"

#include <unistd.h>

#include "base/number.h"

#define MESSAGE_SIZE 1024u /* on the stack: the heap may be what is broken */
#define WORK_SIZE    512u

static _Thread_local ensure_describe current_describe;
static _Thread_local const void *current_work;

struct message {
    char bytes[MESSAGE_SIZE];
    size_t length;
};

static void add(struct message *message, const char *string)
{
    size_t room = sizeof(message->bytes) - 1 - message->length; /* the newline's place is kept */
    struct text part = text_first(text_from(string), room);
    if (part.length > 0)
        memcpy(message->bytes + message->length, part.data, part.length);
    message->length += part.length;
}

static void add_work(struct message *message)
{
    ensure_describe describe = current_describe;
    if (describe == NULL)
        return;
    current_describe = NULL; /* should describing fail an ensure, that one goes without */
    char work[WORK_SIZE] = "";
    describe(current_work, work, sizeof(work));
    work[sizeof(work) - 1] = '\0';
    add(message, "; at work on: ");
    add(message, work);
}

/* No stdio and no locks, so that it works from any state the process may be in. */
does_not_return static void stop(struct message *message)
{
    add_work(message);
    message->bytes[message->length++] = '\n';
    ssize_t written = write(STDERR_FILENO, message->bytes, message->length);
    (void)written; /* nobody is left to tell */
    abort();
}

void ensure_failed(const char *file, int line, const char *condition)
{
    struct message message = {.length = 0};
    char digits[NUMBER_DIGITS_MAX + 1];
    digits[number_format_unsigned((uint64_t)line, digits)] = '\0';
    add(&message, "turnpike: bug at ");
    add(&message, file);
    add(&message, ":");
    add(&message, digits);
    add(&message, ": not so: ");
    add(&message, condition);
    stop(&message);
}

void *ensure_memory(void *pointer)
{
    if (pointer != NULL)
        return pointer;
    struct message message = {.length = 0};
    add(&message, "turnpike: out of memory");
    stop(&message);
}

void ensure_set_work(ensure_describe describe, const void *work)
{
    current_describe = describe;
    current_work = work;
}
