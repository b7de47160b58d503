/* usage_print: an answer of admin/usage_answer.h as a table for people, on stdout. Main thread. */
#ifndef APP_USAGE_PRINT_H
#define APP_USAGE_PRINT_H

#include "admin/usage_answer.h"

void usage_print_table(const struct usage_answer *answer);

#endif
