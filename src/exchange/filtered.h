/* filtered: whether an answer, good by its status, says that a filter took it away. Pure. */
#ifndef EXCHANGE_FILTERED_H
#define EXCHANGE_FILTERED_H

#include <stdbool.h>

#include "base/text.h"

/* `answer`: all that the caller would get, one JSON object or (`stream`) events. True where each of
 * its choices ended by a content filter, or the response is incomplete for that reason. What cannot
 * be read was not filtered. */
bool filtered_answer(struct text answer, bool stream);

#endif
