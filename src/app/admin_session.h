/* admin_session: what the verbs that administer share: the store and admin/operations.h over it, on
 * behalf of the user of the system who typed the command. Main thread.
 *
 * A verb begins a session, says what is wanted in `struct object_change`s, has the words checked
 * (admin_session_check) while nothing is open yet, opens the store and does it. */
#ifndef APP_ADMIN_SESSION_H
#define APP_ADMIN_SESSION_H

#include "admin/operations.h"
#include "app/paths.h"
#include "app/verb.h"

/* Milliseconds to wait for another process's lock: a server's import takes some tens. */
#define ADMIN_PATIENCE 5000u

struct admin_session {
    const struct verb *verb;
    const char *data; /* the data directory */
    struct arena arena;
    struct store *store;
    struct operations operations;
    char who[80]; /* "cli:alice" */
};

/* `data` NULL: the default. */
void admin_session_begin(struct admin_session *session, const struct verb *verb, const char *data);
void admin_session_end(struct admin_session *session);
/* Opens the store; `make`: the data directory too, if it is missing. False when it has printed why
 * not; the exit code is then VERB_FAILED. */
must_check bool admin_session_open(struct admin_session *session, bool make);
/* The same, without waiting for locks and without a word: for a revocation, which does without. */
void admin_session_try_open(struct admin_session *session);

/* Whether the words are right; false when it has printed what is not, and the usage. */
must_check bool admin_session_check(struct admin_session *session,
                                    const struct object_change *change, bool creating);
/* Prints the operations' problem; returns the exit code. */
int admin_session_fail(struct admin_session *session);
/* Prints what an operation remarks, on stderr. */
void admin_session_remark(const struct operation_result *result);

/* ---- options into changes; NULL or an empty list says nothing ---- */

void admin_say_text(struct object_change *change, enum object_member member, const char *value);
void admin_say_flag(struct object_change *change, enum object_member member, bool given);
/* `none`: an empty list; `reset`: the default. At most one of the three may be given: false when it
 * has printed that. */
must_check bool admin_say_list(struct admin_session *session, struct object_change *change,
                               enum object_member member, const struct option_list *list, bool none,
                               bool reset);
/* NAME=VALUE each. False when it has printed what is not. */
must_check bool admin_say_tags(struct admin_session *session, struct object_change *change,
                               enum object_member member, const struct option_list *list,
                               bool none);

/* How an option is called that says a member: "expires" for expires_at. */
const char *admin_option_of(const char *field);

#endif
