/* admin_run: what making, editing, showing, listing and deleting have in common for all kinds; a
 * verb says only what was wanted. Each returns the exit code. Main thread. */
#ifndef APP_ADMIN_RUN_H
#define APP_ADMIN_RUN_H

#include "app/admin_session.h"

/* Fills `change` from the verb's options; false when it has printed what is wrong. */
typedef bool (*admin_say)(struct admin_session *session, const void *options,
                          struct object_change *change);

struct admin_common {
    const char *data;
    bool json;
};

int admin_run_create(const struct verb_call *call, const struct admin_common *common,
                     enum object_kind kind, admin_say say);
/* `id` NULL: the organisation. */
int admin_run_edit(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const char *id, admin_say say);
int admin_run_show(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const char *id);
int admin_run_list(const struct verb_call *call, const struct admin_common *common,
                   enum object_kind kind, const struct operations_filter *filter, const char *hint);
int admin_run_delete(const struct verb_call *call, const struct admin_common *common,
                     enum object_kind kind, const char *id,
                     const struct operation_deletion *deletion);

#endif
