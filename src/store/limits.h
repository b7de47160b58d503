/* limits: the rate limits in the store, by id.
 *
 * What they mean is said by policy/; here they are rows. Deleted ones stay as marked rows.
 * Statements are made for each call. Writing within the caller's transaction, if there is one.
 * Errors as in store/store.h. */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define LIMITS_ID_PREFIX "lim_"
#define LIMITS_ID_LENGTH 16u /* the prefix and 12 characters */
#define LIMITS_NAME_MAX  128u

/* Times are wall-clock nanoseconds, 0: none. */
struct stored_limit {
    struct text id;
    struct text name;        /* unique among those not deleted, or empty */
    struct text scope_kind;  /* organisation, team, key, tag, model */
    struct text scope_value; /* team's name, key's id, NAME=VALUE, model's name or pattern */
    struct text metric;      /* requests, tokens, input_tokens, output_tokens, concurrent */
    uint64_t window;         /* nanoseconds; 0 for concurrent */
    int64_t amount;          /* of the metric in any window of that length */
    struct text mode;        /* enforce, observe */
    uint64_t created_at;
    uint64_t deleted_at; /* read only: limits_delete sets it */
    int64_t changed;     /* read only */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*limits_found)(void *context, const struct stored_limit *limit);

/* ERROR_EXISTS when the id or the name is taken. */
must_handle enum error limits_insert(struct store *store, const struct stored_limit *limit);
/* By id, or by name when there is no such id; calls `found` once. ERROR_NOT_FOUND when there is
 * none or it was deleted. */
must_handle enum error limits_find(struct store *store, struct text id_or_name, limits_found found,
                                   void *context);
/* All that are not deleted, by scope, then by id. */
must_handle enum error limits_list(struct store *store, limits_found found, void *context);
/* Those of one scope that are not deleted, by id. */
must_handle enum error limits_list_scope(struct store *store, struct text kind, struct text value,
                                         limits_found found, void *context);
/* Everything but id and times becomes that of `limit`. ERROR_NOT_FOUND; ERROR_EXISTS when the name
 * is taken. */
must_handle enum error limits_update(struct store *store, const struct stored_limit *limit);
must_handle enum error limits_delete(struct store *store, struct text id, uint64_t time);
/* All changed after the number `after`, deleted ones too, in the order of their changes. */
must_handle enum error limits_changed(struct store *store, int64_t after, limits_found found,
                                      void *context);

#endif
