/* preview_print: what a preview found, for people and for programs. Main thread. */
#ifndef APP_PREVIEW_PRINT_H
#define APP_PREVIEW_PRINT_H

#include "preview/tally.h"

struct preview_facts {
    uint64_t since, until; /* wall nanoseconds */
    uint64_t records;      /* read, the ones before `since` among them */
    uint64_t begins;       /* of those: windows of limits reach back */
    const char *condition; /* --fail-on; NULL: none */
    bool failed;           /* it holds */
};

/* The tally is sorted. On stdout. */
void preview_print_text(const struct tally *tally, const struct preview_facts *facts);
void preview_print_json(const struct tally *tally, const struct preview_facts *facts);

#endif
