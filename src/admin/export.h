/* export: what is administered, as a file that admin/apply.h takes: applied at once it changes
 * nothing. Without secrets, without what has ended, without what is at its default. One thread. */
#ifndef ADMIN_EXPORT_H
#define ADMIN_EXPORT_H

#include "admin/operations.h"
#include "base/buffer.h"

enum export_form { EXPORT_YAML, EXPORT_JSON };

/* Appends. False with the operations' problem. */
must_check bool export_write(struct operations *operations, enum export_form form,
                             struct buffer *out);

#endif
