/* observe_rules: network rules of the store become observed, by the gateway itself, when they
 * refuse those who used to get through (guard.auto_revert).
 *
 * The same operation as an administrator's edit, with its row in the audit: who is "gateway", via
 * "guard". Opens the store for itself; any thread that may block. */
#ifndef ADMIN_OBSERVE_RULES_H
#define ADMIN_OBSERVE_RULES_H

#include "base/text.h"

/* All of these, by id, in one transaction; `data` is the data directory. False, with the reason in
 * the log, when that could not be done: nothing is changed then. */
must_check bool observe_rules_of_store(const char *data, const struct text *ids, size_t count);

#endif
