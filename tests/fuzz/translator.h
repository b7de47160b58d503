/* A family's translator under fuzzed input, both directions: how the fuzz targets of the families
 * share one harness. A target names the families that it tries, and is otherwise this call.
 *
 * An input is a byte of choices, a caller's request, a zero byte, a provider's answer. What must
 * hold of any of them:
 * - a request is refused with a reason, or what is sent is JSON (and of the same bytes each time);
 * - an answer cut anywhere gives the caller the same bytes, and the ledger the same facts;
 * - a caller who gets an answer gets JSON, or a stream of events that hold JSON, whose end is one;
 * - nothing hangs, leaks or reads where it should not: what the sanitizers see. */
#ifndef TESTS_FUZZ_TRANSLATOR_H
#define TESTS_FUZZ_TRANSLATOR_H

#include "base/text.h"

/* The bits of the first byte. */
enum translator_choice {
    TRANSLATOR_OTHER = 1,       /* the second family instead of the first */
    TRANSLATOR_STREAM = 2,      /* the answer comes as a stream */
    TRANSLATOR_EMBEDDINGS = 4,  /* /v1/embeddings */
    TRANSLATOR_RESPONSES = 8,   /* /v1/responses; neither: /v1/chat/completions */
    TRANSLATOR_ERROR = 16,      /* the answer has the status 429 */
    TRANSLATOR_THIRD = 32,      /* the third family, with OTHER the fourth */
    TRANSLATOR_RESET = 64,      /* the connection breaks where the answer ends */
    TRANSLATOR_RAW_FRAMES = 128 /* AWS: the answer's bytes are frames; else its lines become some */
};

struct translator_family {
    const char *name;   /* as the configuration says it */
    const char *model;  /* what the target calls the model; "": as the caller does */
    const char *quirks; /* of servers that speak OpenAI's dialect; "": none */
};

/* `count`: 1 to 4; a choice of one that is not there is of the first. */
void translator_try(const struct translator_family *families, size_t count, struct text input);

#endif
