/* budgets: the caps on money in the store, by id.
 *
 * What they mean is said by policy/; here they are rows. Deleted ones stay as marked rows.
 * Statements are made for each call. Writing within the caller's transaction, if there is one.
 * Errors as in store/store.h. */
#ifndef STORE_BUDGETS_H
#define STORE_BUDGETS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define BUDGETS_ID_PREFIX "bud_"
#define BUDGETS_ID_LENGTH 16u /* the prefix and 12 characters */
#define BUDGETS_NAME_MAX  128u

/* Times are wall-clock nanoseconds, 0: none. */
struct stored_budget {
    struct text id;
    struct text name;         /* unique among those not deleted, or empty */
    struct text scope_kind;   /* organisation, team, key, tag */
    struct text scope_value;  /* team's name, key's id, NAME=VALUE; empty for the organisation */
    struct text amount;       /* decimal USD, as checked by who writes it */
    struct text period;       /* day, week, month, rolling, lifetime */
    uint64_t length;          /* of a rolling window, nanoseconds; else 0 */
    struct text timezone;     /* of the calendar, as in the tz database */
    bool hard;                /* refuses and clamps; else it only alerts */
    struct text mode;         /* enforce, observe */
    struct text alerts;       /* JSON array of percentages, or empty */
    struct text webhook;      /* name or URL; empty: none */
    struct text raise_amount; /* instead of `amount` until raise_until; empty: none */
    uint64_t raise_until;
    uint64_t created_at;
    uint64_t deleted_at; /* read only: budgets_delete sets it */
    int64_t changed;     /* read only */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*budgets_found)(void *context, const struct stored_budget *budget);

/* ERROR_EXISTS when the id or the name is taken. */
must_handle enum error budgets_insert(struct store *store, const struct stored_budget *budget);
/* By id, or by name when there is no such id; calls `found` once. ERROR_NOT_FOUND when there is
 * none or it was deleted. */
must_handle enum error budgets_find(struct store *store, struct text id_or_name,
                                    budgets_found found, void *context);
/* All that are not deleted, by scope, then by id. */
must_handle enum error budgets_list(struct store *store, budgets_found found, void *context);
/* Those of one scope that are not deleted, by id. */
must_handle enum error budgets_list_scope(struct store *store, struct text kind, struct text value,
                                          budgets_found found, void *context);
/* Everything but id and times becomes that of `budget` (raise_until too). ERROR_NOT_FOUND;
 * ERROR_EXISTS when the name is taken. */
must_handle enum error budgets_update(struct store *store, const struct stored_budget *budget);
must_handle enum error budgets_delete(struct store *store, struct text id, uint64_t time);
/* All changed after the number `after`, deleted ones too, in the order of their changes. */
must_handle enum error budgets_changed(struct store *store, int64_t after, budgets_found found,
                                       void *context);

#endif
