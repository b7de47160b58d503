/* schema: the table of keys for editors (JSON Schema) and for readers (a reference page). Any
 * thread. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "base/buffer.h"
#include "tables/config.h"

/* A JSON Schema of draft 2020-12. It knows types, words and forms, not what is said twice or points
 * nowhere: that is the checker's. False when memory is short. */
must_check bool schema_write_json(struct buffer *out);
/* docs/reference/config.md */
void schema_write_markdown(struct buffer *out);
/* How a type is called in the reference: "duration". Constant. */
const char *schema_type_words(enum config_type type);

#endif
