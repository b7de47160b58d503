/* sessions: signing in to the console, and what a browser shows from then on.
 *
 * A sign-in ends with a secret of 256 random bits in a cookie; the store has its hash. There are
 * three ways in: a one-time code (`turnpike console` prints it in a link), an admin key, and single
 * sign-on (admin/sso.h). A session has the rights of what it was begun with, and ends with it.
 *
 * Whoever has opened an office, or the store of a data directory; one thread at a time; it may
 * block. Texts are in the operations' arena. Functions that return bool have set the operations'
 * problem when they return false. */
#ifndef ADMIN_SESSIONS_H
#define ADMIN_SESSIONS_H

#include "admin/credentials.h"
#include "admin/operations.h"
#include "base/clock.h"
#include "store/sessions.h"

/* A working day: who signs in at nine is not asked again before the evening. (NIST SP 800-63B-4
 * wants a new sign-in after a day at most, and after an hour without activity, for its middle
 * level.) */
#define SESSIONS_LIFETIME (12 * 3600 * NANOSECONDS_PER_SECOND)
#define SESSIONS_IDLE     (3600 * NANOSECONDS_PER_SECOND)
/* From the terminal to the browser. */
#define SESSIONS_CODE_LIFETIME (5 * 60 * NANOSECONDS_PER_SECOND)
/* A write for each request would be dear. */
#define SESSIONS_USE_INTERVAL (60 * NANOSECONDS_PER_SECOND)
/* Of one person: browsers on a few machines; with one more the one longest unused ends. */
#define SESSIONS_OF_ONE_MAX 20u

#define SESSIONS_SECRET_LENGTH 64u /* 256 bits in hexadecimal digits */
#define SESSIONS_NAME_MAX      256u
#define SESSIONS_AGENT_MAX     256u /* browsers' names for themselves have 100 to 200 */

/* Who signs in, and by what right. */
struct sessions_grant {
    struct text who; /* for the audit: "key:ID", "cli:alice", "sso:alice@example.com" */
    struct text name;
    struct text role, team;
    struct text method; /* key, link, sso */
    struct text bound_to;
    struct text source, agent;
    uint64_t until; /* the right ends then; 0: it does not end by itself */
};

/* Begins a session; `secret` is for the cookie, and the caller's to free. */
must_check bool sessions_begin(struct operations *operations, const struct sessions_grant *grant,
                               struct secret **secret, struct stored_session *out);
/* The grant that a one-time code stands for, which it stands for no longer. `source` and `agent`
 * are left to the caller. */
must_check bool sessions_take_code(struct operations *operations, struct text code,
                                   struct sessions_grant *grant);
/* The grant of an admin key that is good. */
must_check bool sessions_grant_of_key(struct operations *operations,
                                      const struct credential *credential,
                                      struct sessions_grant *grant);
/* A code by which somebody may sign in once, as `role` (and `team`, of a team_lead), which the
 * actor must have himself or be an owner. */
must_check bool sessions_make_code(struct operations *operations, struct text role,
                                   struct text team, struct secret **code);

enum sessions_verdict {
    SESSIONS_GOOD,
    SESSIONS_UNKNOWN, /* never was, has ended, or was not used for too long: told alike */
    SESSIONS_UNBOUND, /* the admin key was revoked or has expired, or single sign-on changed */
    SESSIONS_AWAY     /* the store cannot be asked */
};

/* Which session a cookie shows. `mark`: of single sign-on as it is configured. */
enum sessions_verdict sessions_look(struct store *store, struct arena *arena,
                                    const struct credentials *credentials, struct text mark,
                                    struct text secret, uint64_t now, struct stored_session *out);
/* The same, and notes the use. */
enum sessions_verdict sessions_check(struct store *store, struct arena *arena,
                                     const struct credentials *credentials, struct text mark,
                                     struct text secret, uint64_t now, struct stored_session *out);

/* Those that the actor may see: an owner all, everybody else his own. JSON objects, the newest
 * first, valid until `found` returns. */
must_check bool sessions_show(struct operations *operations,
                              void (*found)(void *context, struct text json), void *context);
/* Ends one that the actor may see. `before` (may be NULL) is what it was. */
must_check bool sessions_end_one(struct operations *operations, struct text id,
                                 struct text *before);

#endif
