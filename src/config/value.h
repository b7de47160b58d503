/* value: one scalar of the document, checked against one row of the table. Within config/ only. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/settings.h"

/* Reads a COUNT, SIZE, DURATION or PERCENT (millionths); `out` stays as it is when the value is
 * wrong. */
void value_read_number(struct settings_reader *reader, const struct document_node *node, size_t key,
                       uint64_t *out);
/* Reads any other scalar type. */
void value_read(struct settings_reader *reader, const struct document_node *node, size_t key,
                struct settings_value *out);
/* Checks a name that the writer of a map chose: `kind` is the row's detail. */
void value_check_name(struct settings_reader *reader, const struct document_node *node,
                      const char *kind);
/* Reports that the node is not what the row wants. */
void value_report_mismatch(struct settings_reader *reader, const struct document_node *node,
                           size_t key);
/* `path` from the folder of the configuration file, in the snapshot's memory. */
struct text value_resolve_path(struct settings_reader *reader, struct text path);

#endif
