#include "tables/error.h"

#include <errno.h>
#include <stddef.h>

#include "base/ensure.h"

#define NAME_SIZE 32u

static char names[][NAME_SIZE] = {
#define ERROR(name, meaning) [ERROR_##name] = #name,
#include "tables/errors.def"
#undef ERROR
};

static const char *const meanings[] = {
#define ERROR(name, meaning) [ERROR_##name] = meaning,
#include "tables/errors.def"
#undef ERROR
};

/* A name that would fill its place up to the last byte would lose its NUL. */
#define ERROR(name, meaning) _Static_assert(sizeof(#name) <= NAME_SIZE, "too long: " #name);
#include "tables/errors.def"
#undef ERROR

/* The table is written in capitals, as the enum's names are; the preprocessor cannot lower them.
 * Done before main, so that every thread only ever reads. */
__attribute__((constructor)) static void lower_names(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        for (char *c = names[i]; *c != '\0'; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c | 0x20);
}

const char *error_name(enum error error)
{
    ensure((unsigned)error < ERROR_COUNT);
    return names[error];
}

const char *error_meaning(enum error error)
{
    ensure((unsigned)error < ERROR_COUNT);
    return meanings[error];
}

enum error error_from_errno(int number)
{
    static const struct {
        int number;
        enum error error;
    } rows[] = {
        {0, ERROR_OK},
        {ENOMEM, ERROR_MEMORY},
        {ENOBUFS, ERROR_MEMORY},
        {ENOENT, ERROR_NOT_FOUND},
        {EEXIST, ERROR_EXISTS},
        {EINVAL, ERROR_ARGUMENT},
        {ENOSPC, ERROR_DISK_FULL},
        {EDQUOT, ERROR_DISK_FULL},
        {EBUSY, ERROR_BUSY},
        {EAGAIN, ERROR_BUSY},
        {EPIPE, ERROR_CLOSED},
        {ENOTCONN, ERROR_CLOSED},
        {ESHUTDOWN, ERROR_CLOSED},
        {ECONNRESET, ERROR_RESET},
        {ECONNABORTED, ERROR_RESET},
        {ECONNREFUSED, ERROR_REFUSED},
        {ENETUNREACH, ERROR_UNREACHABLE},
        {EHOSTUNREACH, ERROR_UNREACHABLE},
        {ENETDOWN, ERROR_UNREACHABLE},
        {EHOSTDOWN, ERROR_UNREACHABLE},
        {EADDRNOTAVAIL, ERROR_UNREACHABLE},
        {EAFNOSUPPORT, ERROR_UNREACHABLE},
        {ETIMEDOUT, ERROR_TIMEOUT_CONNECT},
        {ECANCELED, ERROR_CANCELLED},
        {EMFILE, ERROR_TOO_MANY_FILES},
        {ENFILE, ERROR_TOO_MANY_FILES},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].number == number)
            return rows[i].error;
    return ERROR_SYSTEM;
}
