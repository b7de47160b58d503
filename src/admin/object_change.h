/* object_change: what the body of a request wants of an object of the route's kind. The thread of
 * the admin API. */
#ifndef ADMIN_OBJECT_CHANGE_H
#define ADMIN_OBJECT_CHANGE_H

#include "admin/objects.h"

struct admin_call;

/* Reads and checks the body; texts are in the call's arena. Sets the call's problem. */
must_check bool object_change_read(struct admin_call *call, struct object_change *change);
/* The problem of the operation that was to do it becomes the call's; returns false. */
bool object_change_refuse(struct admin_call *call, const struct object_change *change);

#endif
