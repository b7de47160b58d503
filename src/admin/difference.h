/* difference: what an operation changes, in words. Pure, any thread.
 *
 * Only members that people set are told (not ids and times), so that the same change reads the same
 * whenever it is made. */
#ifndef ADMIN_DIFFERENCE_H
#define ADMIN_DIFFERENCE_H

#include "admin/objects.h"
#include "base/buffer.h"

/* Appends each member that differs, as `prefix` "name: old → new" `suffix`. `before` and `after`
 * are JSON objects as operations.h makes them; data NULL: there was or is none, and then what is at
 * its default is left out. Returns how many were told. */
size_t difference_write(enum object_kind kind, struct text before, struct text after,
                        struct text prefix, struct text suffix, struct buffer *out);

/* What people call the object: "team search", "budget of team search, month". */
void difference_write_label(enum object_kind kind, struct text json, struct buffer *out);

/* One value as people read it: a list with commas, no quotes. */
void difference_write_value(yyjson_val *value, struct buffer *out);

#endif
