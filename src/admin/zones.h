/* zones: which time zone somebody meant. Any thread; reads the system's folder. */
#ifndef ADMIN_ZONES_H
#define ADMIN_ZONES_H

#include "policy/timezone.h"

/* The name of a zone that is near to `wanted`: with the same place ("Berlin"), or a letter or two
 * wrong. `folder` as in timezone_load_from. False: none is. */
bool zones_find_nearest(const char *folder, struct text wanted, char out[TIMEZONE_NAME_MAX + 1]);

#endif
