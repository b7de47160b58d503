/* openapi: the admin API as an OpenAPI 3.1 document, made from its tables: routes and shapes
 * (tables/admin_routes.def, tables/admin_shapes.def), objects (admin/objects.def), problems
 * (admin/problems.def) and the fields of a record (tables/ledger_fields.def). Any thread. */
#ifndef ADMIN_OPENAPI_H
#define ADMIN_OPENAPI_H

#include "codec/json.h"

/* The buffer's `failed` tells whether it fitted (some 100 KiB). */
void openapi_write(struct json_writer *json);

#endif
