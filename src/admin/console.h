/* console: answers with the console's files (admin/console_files.h).
 *
 * They are for anybody who reaches the door: nothing in them is secret, and what they show they ask
 * of the admin API. The admin API's thread. */
#ifndef ADMIN_CONSOLE_H
#define ADMIN_CONSOLE_H

#include "admin/call.h"

#define CONSOLE_PATH "/console/"

/* Whether a request with that target is for the console: everything under /console/, and "/", which
 * leads there. */
bool console_has(struct text target);
/* Answers it, also that there is no such file, or that the program was built without the console.
 */
void console_answer(struct admin_call *call, const struct http1_head *head);
/* Whether the program has the console in it. */
bool console_is_built(void);

#endif
