/* manual: manual pages, made from the tables of verbs, options and configuration keys. On stdout,
 * in the roff of man(7). Main thread. */
#ifndef APP_MANUAL_H
#define APP_MANUAL_H

#include "app/verb.h"

/* turnpike(1). */
void manual_print_overview(void);
/* turnpike-NAME(1) of a verb of app/verbs.def, with the verbs that it has of its own. */
void manual_print_verb(const struct verb *verb);
/* turnpike.yaml(5). */
void manual_print_config(void);

#endif
