/* error: the one table of codes that functions return. ERROR_OK is zero. */
#ifndef TABLES_ERROR_H
#define TABLES_ERROR_H

enum error {
#define ERROR(name, meaning) ERROR_##name,
#include "tables/errors.def"
#undef ERROR
    ERROR_COUNT
};

#define must_handle __attribute__((warn_unused_result))

/* "TIMEOUT_CONNECT" as "timeout_connect": stable, for records and metrics. */
const char *error_name(enum error error);
/* A sentence part for people. */
const char *error_meaning(enum error error);
/* From errno of a socket, file or system call. */
enum error error_from_errno(int number);

#endif
