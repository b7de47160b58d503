#include "base/note.h"

#include <stdarg.h>
#include <stddef.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"

#define LINE_SIZE 2048u /* under PIPE_BUF, so lines of several threads do not mix in a pipe */

static const char *const level_names[] = {
    [NOTE_ERROR] = "error",
    [NOTE_WARNING] = "warning",
    [NOTE_INFO] = "info",
    [NOTE_DEBUG] = "debug",
};

static void write_to_stderr(enum note_level level, const char *line)
{
    /* An iovec has no pointer to const, though writing only reads. */
    struct iovec parts[] = {
        {.iov_base = (char *)(uintptr_t)line, .iov_len = strlen(line)},
        {.iov_base = (char *)(uintptr_t) "\n", .iov_len = 1},
    };
    ssize_t written = writev(STDERR_FILENO, parts, ARRAY_LENGTH(parts));
    (void)written; /* there is no further place to complain at */
}

static note_sink current_sink = write_to_stderr;
static enum note_level current_level = NOTE_INFO;

void note_set_sink(note_sink sink)
{
    current_sink = sink != NULL ? sink : write_to_stderr;
}

void note_set_level(enum note_level level)
{
    current_level = level;
}

/* A note may quote what a stranger sent: a line stays one line and leaves the terminal alone. */
static void blank_controls(char *line)
{
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = ' ';
}

void note_write(enum note_level level, const char *area, const char *format, ...)
{
    ensure((size_t)level < ARRAY_LENGTH(level_names));
    if (level > current_level)
        return;
    char time[CLOCK_RFC3339_SIZE];
    char line[LINE_SIZE];
    clock_format_rfc3339(clock_wall(), time);
    int head = snprintf(line, sizeof(line), "%s %s %s: ", time, level_names[level], area);
    ensure(head > 0 && (size_t)head < sizeof(line));

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + head, sizeof(line) - (size_t)head, format, arguments);
    va_end(arguments);
    blank_controls(line);
    current_sink(level, line);
}
