/* teams: the teams in the store, by name.
 *
 * A key names its team, and so do the records of its calls; a team that was deleted stays as a
 * marked row, and one that is made again under its name takes its place. Statements are made for
 * each call: teams change a few times a day. Writing within the caller's transaction, if there is
 * one. Errors as in store/store.h. */
#ifndef STORE_TEAMS_H
#define STORE_TEAMS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define TEAMS_NAME_MAX 128u /* bytes, as KEYS_NAME_MAX */

/* Times are wall-clock nanoseconds, 0: none. Lists as in store/organisation.h. */
struct stored_team {
    struct text name;
    struct text title; /* for people; may be empty */
    struct text contact;
    struct text allow;
    struct text deny;
    struct text tags; /* JSON object of strings, or empty */
    uint64_t created_at;
    uint64_t deleted_at; /* read only: teams_delete sets it */
    int64_t changed;     /* read only */
};

/* Called for each row; texts are valid until it returns. */
typedef void (*teams_found)(void *context, const struct stored_team *team);

/* ERROR_EXISTS when there is such a team. */
must_handle enum error teams_insert(struct store *store, const struct stored_team *team);
/* Calls `found` once; ERROR_NOT_FOUND when there is none or it was deleted. */
must_handle enum error teams_find(struct store *store, struct text name, teams_found found,
                                  void *context);
/* Every team that is not deleted, by name. */
must_handle enum error teams_list(struct store *store, teams_found found, void *context);
/* Everything but name and times becomes that of `team`. ERROR_NOT_FOUND. */
must_handle enum error teams_update(struct store *store, const struct stored_team *team);
/* ERROR_NOT_FOUND. Its keys, budgets and limits are the caller's affair. */
must_handle enum error teams_delete(struct store *store, struct text name, uint64_t time);
/* Every team changed after the number `after`, deleted ones too, in the order of their changes. */
must_handle enum error teams_changed(struct store *store, int64_t after, teams_found found,
                                     void *context);

#endif
