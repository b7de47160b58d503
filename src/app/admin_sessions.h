/* admin_sessions: the verb `turnpike admin session`, for app/admin.c. */
#ifndef APP_ADMIN_SESSIONS_H
#define APP_ADMIN_SESSIONS_H

#include "app/verb.h"

extern const struct verb verb_admin_session;

#endif
