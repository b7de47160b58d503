/* admin_view: what is administered, for people and for programs, from the JSON that
 * admin/operations.h makes. Main thread; all print on stdout. */
#ifndef APP_ADMIN_VIEW_H
#define APP_ADMIN_VIEW_H

#include <yyjson.h>

#include "admin/objects.h"
#include "app/admin_session.h"
#include "app/output.h"

/* One object: its JSON in a line, or a line for each member. `secret` may be NULL; else it is a new
 * key, shown this once. */
void admin_view_object(enum object_kind kind, struct text json, const struct secret *secret,
                       bool as_json);
/* The result of creating or editing. Says so when nothing changed, where people read. */
void admin_view_result(enum object_kind kind, const struct operation_result *result, bool as_json);

/* All objects of a kind that pass: a table, or a line of JSON for each. Returns the exit code.
 * `hint` is said when there is none. */
int admin_view_list(struct admin_session *session, enum object_kind kind,
                    const struct operations_filter *filter, bool as_json, const char *hint);

#endif
