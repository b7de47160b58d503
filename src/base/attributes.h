/* attributes: the GNU attributes the house uses, by name. */
#ifndef BASE_ATTRIBUTES_H
#define BASE_ATTRIBUTES_H

#include <stddef.h>

#define must_check __attribute__((warn_unused_result))
#define format_like(format_index, first_argument) \
    __attribute__((format(printf, format_index, first_argument)))
#define does_not_return __attribute__((noreturn))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
/* The object of which `member` is a part. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
