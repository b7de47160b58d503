/* members: walks the members of a JSON object that a scan has found already, for the small
 * objects inside an answer of which several members are wanted (usage). Much cheaper than another
 * scan.
 *
 * Texts are slices of the object. Nothing here is checked that a scan checks: of a text that is no
 * object the walk gives nonsense or nothing, but never reads outside of it. Keys are as written;
 * one that is spelled with escapes is none that we look for. By value, nothing to close. */
#ifndef OPENAI_MEMBERS_H
#define OPENAI_MEMBERS_H

#include "openai/scan.h"

struct members {
    const char *at;
    const char *end;
};

struct member {
    struct text key; /* without its quotes */
    enum scan_kind kind;
    struct text raw; /* the value as written */
};

void members_open(struct members *members, struct text object);
/* False at the end. */
must_check bool members_next(struct members *members, struct member *member);

#endif
