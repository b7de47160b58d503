/* secrets: the forms of keys that may be found where they do not belong, from tables/secrets.def.
 * Constant, any thread. */
#ifndef TABLES_SECRETS_H
#define TABLES_SECRETS_H

#include "base/text.h"

/* Bytes of the longest secret. */
#define SECRETS_LENGTH_MAX 320u

enum secret_kind {
#define SECRET(NAME, id, title, shown, length, alphabet, maximum, pattern) SECRET_##NAME,
#include "tables/secrets.def"
#undef SECRET
    SECRET_KIND_COUNT
};

enum secret_alphabet {
    SECRET_ALNUM,  /* 0-9 A-Z a-z */
    SECRET_WORD,   /* and _ */
    SECRET_URL,    /* and _ - */
    SECRET_BASE64, /* 0-9 A-Z a-z + /, without the padding */
};

struct secret_row {
    struct text id, title;
    size_t shown, length, maximum; /* bytes, as secrets.def tells */
    enum secret_alphabet alphabet;
    const char *pattern;
};

extern const struct secret_row secret_rows[SECRET_KIND_COUNT];

bool secret_alphabet_has(enum secret_alphabet alphabet, char c);
/* A key of a Turnpike: it has a checksum, and its gateway can say what became of it. */
bool secret_is_ours(enum secret_kind kind);

#endif
