/* The verbs of app/verbs.def as a table. */
#include "app/verb.h"

#include "base/attributes.h"

#define VERB(name, group) extern const struct verb verb_##name;
#include "app/verbs.def"
#undef VERB

const struct verb_row verb_rows[] = {
#define VERB(name, group) {&verb_##name, group},
#include "app/verbs.def"
#undef VERB
};
const size_t verb_row_count = ARRAY_LENGTH(verb_rows);
