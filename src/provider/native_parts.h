/* native_parts: what native.c, native_answer.c and native_error.c share. Same rules as native.h. */
#ifndef PROVIDER_NATIVE_PARTS_H
#define PROVIDER_NATIVE_PARTS_H

#include "provider/native.h"

/* For yyjson; nothing is freed before the arena. */
yyjson_alc native_allocator(struct arena *arena);
/* The error in OpenAI's shape. False when there is no room. */
must_check bool native_error_write(struct buffer *out, const struct native_error *error);

#endif
