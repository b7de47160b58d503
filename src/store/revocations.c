/* The file is only ever appended to, each line with one write of O_APPEND, so that lines of several
 * commands do not mix. A torn line ends where the next append begins: that starts a new line first
 * if the file does not end with one. */
#include "store/revocations.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/number.h"

#define READ_SIZE  65536u
#define CRC_DIGITS 8u
#define ID_MAX     64u /* a key's id has 12 bytes */

_Static_assert(ID_MAX + NUMBER_DIGITS_MAX + CRC_DIGITS + REVOCATIONS_REASON_MAX + 8 <=
                   REVOCATIONS_LINE_MAX,
               "a line fits");

static unsigned long checksum(struct text id, struct text time, struct text reason)
{
    const struct text parts[] = {id, TEXT(" "), time, TEXT(" "), reason};
    unsigned long crc = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        crc = crc32_z(crc, (const unsigned char *)(parts[i].data ? parts[i].data : ""),
                      parts[i].length);
    return crc;
}

/* ------------------------------------------------------------------ writing */

static enum error error_of(int number)
{
    return number == ENOSPC || number == EDQUOT ? ERROR_DISK_FULL : ERROR_SYSTEM;
}

/* Whether the file's last line is without its end. */
static bool ends_torn(int file)
{
    struct stat status;
    char last = '\n';
    if (fstat(file, &status) != 0 || status.st_size == 0)
        return false;
    return pread(file, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

static size_t format_line(const struct revocation *revocation, bool torn,
                          char line[REVOCATIONS_LINE_MAX])
{
    char reason[REVOCATIONS_REASON_MAX + 1], time[NUMBER_DIGITS_MAX];
    text_copy_to(revocation->reason, reason, sizeof reason);
    for (char *c = reason; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    struct text shown =
        text_of(time, number_format_unsigned(revocation->time / NANOSECONDS_PER_MILLISECOND, time));
    int length = snprintf(line, REVOCATIONS_LINE_MAX, "%s%.*s %.*s %08lx %s\n", torn ? "\n" : "",
                          TEXT_ARG(revocation->id), TEXT_ARG(shown),
                          checksum(revocation->id, shown, text_from(reason)), reason);
    return (size_t)length;
}

/* So that a new file survives a power failure, and not only what is in it. */
static void sync_directory_of(const char *path)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    struct text name = slash ? text_of(path, (size_t)(slash - path)) : TEXT(".");
    if (!text_copy_to(name, directory, sizeof directory))
        return;
    int file = open(directory[0] ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return;
    (void)fsync(file); /* some file systems have none for directories, and need none */
    close(file);
}

enum error revocations_append(const char *path, const struct revocation *revocation)
{
    char line[REVOCATIONS_LINE_MAX];
    if (text_empty(revocation->id) || revocation->id.length > ID_MAX)
        return ERROR_ARGUMENT;
    int file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return error_of(errno);
    size_t length = format_line(revocation, ends_torn(file), line);
    ssize_t written = write(file, line, length);
    int number = written < 0 ? errno : ENOSPC;
    bool done = written == (ssize_t)length;
    if (done && fsync(file) != 0) {
        number = errno;
        done = false;
    }
    close(file);
    if (!done) {
        errno = number;
        return error_of(number);
    }
    sync_directory_of(path);
    return ERROR_OK;
}

/* ------------------------------------------------------------------ reading */

static bool parse_line(struct text line, struct revocation *out)
{
    struct text rest = line;
    struct text id = text_split(&rest, ' ');
    struct text time = text_split(&rest, ' ');
    struct text crc = text_split(&rest, ' ');
    uint64_t milliseconds, expected;
    if (text_empty(id) || crc.length != CRC_DIGITS || !number_parse_hex(crc, &expected) ||
        !number_parse_unsigned(time, &milliseconds) || expected != checksum(id, time, rest) ||
        milliseconds > UINT64_MAX / NANOSECONDS_PER_MILLISECOND)
        return false;
    *out = (struct revocation){
        .id = id, .time = milliseconds * NANOSECONDS_PER_MILLISECOND, .reason = rest};
    return true;
}

struct reading {
    struct revocations_position *position;
    void (*found)(void *context, const struct revocation *revocation);
    void *context;
};

/* Takes the complete lines of `bytes` and returns how many bytes they were. */
static size_t take_lines(const struct reading *reading, struct text bytes)
{
    size_t taken = 0;
    for (;;) {
        struct text rest = text_from_index(bytes, taken);
        ptrdiff_t end = text_find_char(rest, '\n');
        if (end < 0)
            return taken;
        struct text line = text_first(rest, (size_t)end);
        struct revocation revocation;
        if (parse_line(line, &revocation))
            reading->found(reading->context, &revocation);
        else if (!text_empty(line))
            reading->position->damaged++;
        taken += (size_t)end + 1;
    }
}

static enum error read_on(int file, const struct reading *reading)
{
    char *bytes = malloc(READ_SIZE);
    if (bytes == NULL)
        return ERROR_MEMORY;
    enum error error = ERROR_OK;
    for (;;) {
        ssize_t length = pread(file, bytes, READ_SIZE, reading->position->offset);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            error = ERROR_SYSTEM;
        if (length <= 0)
            break;
        size_t taken = take_lines(reading, text_of(bytes, (size_t)length));
        if (taken == 0 && length == READ_SIZE) {
            /* No line of ours is so long: damage without an end. */
            reading->position->damaged++;
            taken = READ_SIZE;
        }
        if (taken == 0)
            break; /* the end of this line is still to be written */
        reading->position->offset += (off_t)taken;
    }
    free(bytes);
    return error;
}

enum error revocations_read(const char *path, struct revocations_position *position,
                            void (*found)(void *context, const struct revocation *revocation),
                            void *context)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno != ENOENT)
            return ERROR_SYSTEM;
        *position = (struct revocations_position){0};
        return ERROR_OK;
    }
    if (status.st_dev != position->device || status.st_ino != position->inode ||
        status.st_size < position->offset)
        *position = (struct revocations_position){.device = status.st_dev, .inode = status.st_ino};
    if (status.st_size == position->offset)
        return ERROR_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return ERROR_SYSTEM;
    const struct reading reading = {position, found, context};
    enum error error = read_on(file, &reading);
    int number = errno;
    close(file);
    errno = number;
    return error;
}
