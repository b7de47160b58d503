/* schema: a plausible value for a JSON schema: what a model would fill in, without a model.
 *
 * Required members are filled, optional ones left out. Pure, any thread. */
#ifndef DEMO_SCHEMA_H
#define DEMO_SCHEMA_H

#include "codec/json.h"

/* Schemas within schemas; what lies deeper becomes null. Well below JSON_DEPTH_LIMIT. */
#define SCHEMA_DEPTH_MAX 20u

/* `hint` is what the user said: names and numbers in it are used where they fit. A NULL schema
 * gives an empty object. */
void schema_write(struct json_writer *json, yyjson_val *schema, struct text hint);

#endif
