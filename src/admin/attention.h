/* attention: what needs somebody's attention now, each with its next step: budgets near their end,
 * networks that bounce, broken targets, calls without a price, keys at risk, certificates, the
 * ledger.
 *
 * Computed when asked, from the store and what is in memory; nothing is kept. The kinds are rows of
 * tables/attention.def. One thread, which may wait for the store. */
#ifndef ADMIN_ATTENTION_H
#define ADMIN_ATTENTION_H

#include "admin/call.h"

enum attention_severity { ATTENTION_URGENT, ATTENTION_WARNING, ATTENTION_NOTICE };

enum attention_kind {
#define ATTENTION(name, kind, severity, when) ATTENTION_##name,
#include "tables/attention.def"
#undef ATTENTION
    ATTENTION_KIND_COUNT
};

struct attention_item {
    enum attention_kind kind;
    struct text subject_kind; /* budget, network, model, target, key, provider, listener, gateway */
    struct text subject;      /* its id or name */
    struct text team;         /* whose it is; empty: nobody's alone */
    uint64_t since;           /* wall; 0: not known */
    struct text text;         /* what it is, a sentence */
    struct text advice;       /* what to do */
    struct text page;         /* behind /console: where to look or act */
    struct text command;      /* the same at the command line */
};

#define ATTENTION_OF_A_KIND_MAX 20u /* shown; of the others the number */
#define ATTENTION_MAX           (ATTENTION_KIND_COUNT * ATTENTION_OF_A_KIND_MAX)

struct attention {
    struct admin_call *call;
    struct text team; /* only what is this team's; empty: everything */
    uint64_t now;     /* wall */
    struct attention_item items[ATTENTION_MAX];
    size_t count;
    size_t of_kind[ATTENTION_KIND_COUNT]; /* found, shown or not */
    bool no_memory;
};

const char *attention_kind_name(enum attention_kind kind);
enum attention_severity attention_severity_of(enum attention_kind kind);
const char *attention_severity_name(enum attention_severity severity);

/* Takes it in, unless there are enough of its kind. Texts are the arena's, or constant. */
void attention_add(struct attention *attention, const struct attention_item *item);
/* A text in the call's arena. */
struct text attention_say(struct attention *attention, const char *format, ...) format_like(2, 3);

/* A name as a segment of a path or a value of a query (RFC 3986 section 2.1), in the arena. */
struct text attention_encode(struct attention *attention, struct text name);

/* Each looks at its part and adds what it finds. attention_money.c: budgets, prices; */
must_handle enum error attention_look_at_budgets(struct attention *attention);
must_handle enum error attention_look_at_prices(struct attention *attention);
/* attention_callers.c: networks and keys; */
must_handle enum error attention_look_at_networks(struct attention *attention);
must_handle enum error attention_look_at_keys(struct attention *attention);
/* attention_gateway.c: the gateway's own: not for a team. */
void attention_look_at_gateway(struct attention *attention);

#endif
