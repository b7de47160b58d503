/* key_source: a place that a key was used from as JSON, for the command line and the admin API. */
#ifndef ADMIN_KEY_SOURCE_H
#define ADMIN_KEY_SOURCE_H

#include "codec/json.h"
#include "store/key_sources.h"

/* The members of the shape KeySource (tables/admin_shapes.def), in an object that is begun. */
void key_source_write(struct json_writer *json, const struct key_source *source);

#endif
