/* family: what a provider family implements; only files of this room include it.
 *
 * The calls of provider.h check, count and dispatch; a family fills in these. The dialect-sharing
 * families use provider/dialect.h. A family is a constant; what it keeps of a call is in that
 * call's objects, on its worker's thread. */
#ifndef PROVIDER_FAMILY_H
#define PROVIDER_FAMILY_H

#include "provider/provider.h"

struct lister;
struct native;

struct provider {
    struct text name;
    const struct native *native; /* of a family with a dialect of its own; else NULL */
    const struct lister *lister; /* provider/listing.h; NULL: it does not tell what it has */
    enum error (*prepare)(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request);
    /* Makes an answer object that starts with a struct provider_answer. */
    enum error (*answer_open)(const struct provider_call *call,
                              const struct provider_request *request,
                              const struct provider_sink *sink, struct provider_answer **answer);
};

/* The behaviour of one kind of answer object. */
struct provider_answer_methods {
    enum error (*head)(struct provider_answer *answer, const struct http1_head *head,
                       struct buffer *lines, struct provider_answer_out *out);
    enum error (*bytes)(struct provider_answer *answer, struct text bytes);
    bool (*end)(struct provider_answer *answer, enum error error, struct text code,
                struct text message);
    void (*close)(struct provider_answer *answer); /* frees what it holds and itself */
};

struct provider_answer {
    const struct provider_answer_methods *methods;
    const struct provider_sink *sink;
    const struct provider_call *call;
    struct answer_facts *facts; /* the object's own */
    struct provider_outcome outcome;
    bool has_content;
};

#endif
