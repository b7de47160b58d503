/* endpoints: every path of the API that the gateway takes, from tables/endpoints.def.
 * Constant, any thread. */
#ifndef TABLES_ENDPOINTS_H
#define TABLES_ENDPOINTS_H

#include "base/text.h"

enum endpoint_method { ENDPOINT_GET, ENDPOINT_POST, ENDPOINT_DELETE, ENDPOINT_METHOD_COUNT };

/* How much the gateway understands of it. */
enum endpoint_kind {
    ENDPOINT_CHAT,
    ENDPOINT_RESPONSES,
    ENDPOINT_COMPLETIONS,
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_MODELS_LIST, /* answered by the gateway */
    ENDPOINT_MODELS_GET,  /* answered by the gateway */
    ENDPOINT_TOKEN,       /* answered by the gateway: a key for a token or certificate */
    ENDPOINT_WHOAMI,      /* answered by the gateway, whatever limits and budgets have left */
    ENDPOINT_ECHO,        /* as the one before */
    ENDPOINT_PASS         /* identity, limits and record, but no understanding of the content */
};

enum endpoint_body {
    ENDPOINT_BODY_NONE,
    ENDPOINT_BODY_JSON, /* a JSON object; none at all is fine where routing needs nothing of it */
    ENDPOINT_BODY_MULTIPART, /* streamed through */
    ENDPOINT_BODY_JSON_OR_MULTIPART,
    ENDPOINT_BODY_JSON_OR_URLENCODED, /* a small JSON object or form, of parameters; may be none */
    ENDPOINT_BODY_ANY,                /* streamed through, never looked at */
    ENDPOINT_BODY_HASHED              /* anything: of it the length and a hash are kept */
};

/* What decides which provider the call goes to. */
enum endpoint_routing {
    ENDPOINT_BY_MODEL,      /* the body's `model`; without one a reference in the body */
    ENDPOINT_BY_FORM_MODEL, /* the form's (or JSON body's) `model` */
    ENDPOINT_BY_OBJECT,     /* the id in the path: the provider that made it */
    ENDPOINT_BY_REFERENCE,  /* an id in the body (envelope.reference); else the body's model; else
                               default */
    ENDPOINT_BY_DEFAULT,    /* the default provider for stored objects */
    ENDPOINT_LOCAL          /* not sent on */
};

/* Whether the call makes something stored, whose id (the answer's `id`) must find its provider
 * again. */
enum endpoint_makes {
    ENDPOINT_MAKES_NOTHING,
    ENDPOINT_MAKES_OBJECT,
    ENDPOINT_MAKES_IF_STORED,      /* when the body says store: true (chat) */
    ENDPOINT_MAKES_UNLESS_DECLINED /* unless the body says store: false (responses) */
};

/* How what it costs is known. */
enum endpoint_bills {
    ENDPOINT_BILLS_NOTHING,
    ENDPOINT_BILLS_REPORTED, /* the usage in its answer; without one nothing */
    ENDPOINT_BILLS_TOKENS,   /* the usage in its answer; without one an estimate */
    ENDPOINT_BILLS_IMAGES,   /* the usage in its answer, else the images it made */
    ENDPOINT_BILLS_AUDIO,    /* the usage in its answer: tokens or seconds */
    ENDPOINT_BILLS_SPEECH,   /* the characters of the body's `input` */
    ENDPOINT_BILLS_LATER     /* work that the provider does, and bills, after its answer */
};

enum endpoint_stream { ENDPOINT_WHOLE, ENDPOINT_MAY_STREAM };

struct endpoint {
    enum endpoint_method method;
    struct text pattern; /* "/responses/{id}/cancel", behind /v1 */
    enum endpoint_kind kind;
    enum endpoint_body body;
    enum endpoint_routing routing;
    enum endpoint_stream stream; /* text/event-stream when asked for */
    enum endpoint_makes makes;
    enum endpoint_bills bills;
};

extern const struct endpoint endpoints[];
extern const unsigned endpoint_count;

#endif
