/* reference: secrets by reference, env:NAME and file:PATH. Within config/ only. */
#ifndef CONFIG_REFERENCE_H
#define CONFIG_REFERENCE_H

#include "config/settings.h"

#define REFERENCE_SECRET_MAXIMUM 16384u /* bytes; tokens and keys are far below */

/* Whether the text begins as a reference does. */
bool reference_is(struct text value);
/* Reads what the value refers to into the snapshot's memory. NULL after it has reported why not; a
 * literal is refused, and never shown. */
struct secret *reference_read(struct settings_reader *reader, struct report_place place,
                              struct text value);

#endif
