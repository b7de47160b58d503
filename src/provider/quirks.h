/* quirks: what servers of OpenAI's dialect do differently (tables/quirks.def), and the edits of a
 * request that it takes. Constants and pure functions, any thread.
 *
 * Where nothing differs nothing is touched: body and frames stay byte-exact. */
#ifndef PROVIDER_QUIRKS_H
#define PROVIDER_QUIRKS_H

#include "provider/provider.h"

enum {
    QUIRK_NO_RESPONSES = 1u << 0,      /* /responses is made of their chat */
    QUIRK_NO_EMBEDDINGS = 1u << 1,     /* there is no /embeddings */
    QUIRK_MAX_TOKENS = 1u << 2,        /* max_completion_tokens is called max_tokens */
    QUIRK_NO_DEVELOPER = 1u << 3,      /* the role developer is called system */
    QUIRK_NO_STREAM_OPTIONS = 1u << 4, /* refused; usage comes unasked */
    QUIRK_REASONING = 1u << 5,         /* answers say `reasoning` for reasoning_content */
    QUIRK_KEEPS_REASONING = 1u << 6,   /* wants reasoning_content of earlier turns back */
    QUIRK_SHORT_IDS = 1u << 7,         /* ids of tool calls have nine letters and digits */
    QUIRK_TRANSLATED = 1u << 8         /* answers differ too much to pass as they are */
};

struct quirks {
    struct text name;
    struct text host; /* the end of the base URL's host; empty: it does not tell */
    uint16_t port;    /* 0: it does not tell */
    unsigned flags;
    struct text dropped; /* members of a request, with spaces between them */
    struct text seed;    /* empty: seed */
};

/* By the configuration's name; NULL when there is none. */
const struct quirks *quirks_find(struct text name);
/* By the base URL; NULL when it tells nothing. */
const struct quirks *quirks_guess(struct text host, uint16_t port);

static inline bool quirks_have(const struct quirks *quirks, unsigned flag)
{
    return quirks != NULL && (quirks->flags & flag) != 0;
}

/* Whether the member is one that the server refuses. */
bool quirks_drop(const struct quirks *quirks, struct text member);

/* After dialect_prepare: where the body must be changed for the server, or the call drops members,
 * request->body becomes the changed one. ERROR_MEMORY. */
must_handle enum error quirks_edit(const struct provider_call *call,
                                   struct provider_request *request);

#endif
