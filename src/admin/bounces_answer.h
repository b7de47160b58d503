/* bounces_answer: who is being turned away, for the command line and the admin API alike: rows of
 * store/bounces.h, filtered, added up and in order.
 *
 * Reads the whole of both tables, some thousand rows at most. A row's texts are its own. For any
 * thread that has a store. */
#ifndef ADMIN_BOUNCES_ANSWER_H
#define ADMIN_BOUNCES_ANSWER_H

#include "codec/json.h"
#include "identity/network.h"
#include "store/bounces.h"

enum bounces_by {
    BOUNCES_BY_GROUP, /* each for itself */
    BOUNCES_BY_NETWORK,
    BOUNCES_BY_REASON,
    BOUNCES_BY_LISTENER,
    BOUNCES_BY_KEY,
    BOUNCES_BY_TEAM,
    BOUNCES_BY_COUNT
};
extern const char *const bounces_by_words[BOUNCES_BY_COUNT]; /* "group", "network", … */
must_check bool bounces_by_parse(struct text word, enum bounces_by *out);

/* Zeroed: everything that is known. */
struct bounces_question {
    enum bounces_by by;
    uint64_t since;           /* wall; 0: as far back as is known. See bounce_times_start */
    uint64_t now;             /* wall */
    bool in_network;          /* `network` is what is wanted */
    struct network network;   /* groups whose network lies in it, or around it; of those that have a
                                 name the one that `around` says, and whose last source lies in it */
    struct text around;       /* the network of the configuration that has it; empty: none */
    struct text network_name; /* of that network of the configuration, or unix, unknown */
    struct text id, reason, listener, key_id, team; /* empty: any */
};

struct bounces_row {
    struct bounce_group group; /* of several: what they have in common, the rest is empty */
    char id[BOUNCE_ID_SIZE];   /* empty where several are added up */
    uint64_t calls;            /* since `since` */
    uint64_t error;            /* at most so many more may be in a row of a wider network */
    uint64_t groups;           /* how many were added up; of a wider network: how many had to go */
    uint64_t good_calls;       /* served to the row's network since `since` */
    uint64_t last_good_at;     /* the last call that was served to its network, ever; 0: none */
};

struct bounces_answer {
    struct bounces_row *rows; /* the most calls first, then by id or what they are added up by */
    size_t count;
    uint64_t calls; /* of all rows */
};

must_handle enum error bounces_answer_read(struct store *store,
                                           const struct bounces_question *question,
                                           struct bounces_answer *out);
void bounces_answer_free(struct bounces_answer *answer);
/* What the row is called in an answer by that: its id, network, … */
const char *bounces_row_word(const struct bounces_row *row, enum bounces_by by);

/* "10.0.0.0/8", one address, an IPv6 one, or else a name. Bits behind its length are left
 * out (see bounces_network_slipped). False when it can be neither. */
must_check bool bounces_read_network(struct text word, struct bounces_question *out);
/* Whether the word is a range with bits set behind its length, and which was probably meant. */
must_check bool bounces_network_slipped(struct text word, char meant[NETWORK_TEXT_SIZE]);
/* Whether calls can be turned away for that reason: a code of a refusal, of a connection that ended
 * before a call, or a kind of observed rule. If not, `nearest` is the one most like it; empty:
 * none.
 */
must_check bool bounces_knows_reason(struct text reason, struct text *nearest);

/* When an answer is empty, whether that is because of a word that names nothing: the member of the
 * question that does ("team"), or NULL. Networks and listeners are known by the calls that came. */
must_handle enum error bounces_find_unknown(struct store *store,
                                            const struct bounces_question *question,
                                            const char **member);

/* Of a connection that ended before there was a call: there is no request to look up. */
bool bounces_is_no_id(const struct identifier *id);

/* One object, as the shape Bounce of tables/admin_shapes.def says. */
void bounces_write_row(struct json_writer *json, const struct bounces_row *row);

/* What whoever runs the gateway can do about it. */
struct text bounces_fix(const struct bounce_group *group);

#endif
