/* answer: what the gateway needs to know of an answer, read in passing while it is relayed.
 *
 * The tap of an answer that is one JSON object is fed with its bytes, split anywhere, and never
 * fails: what cannot be read stays unknown. What it keeps lives in the exchange's arena. One thread
 * at a time. Streams have a tap of their own (openai/stream.h) that fills the same facts. */
#ifndef OPENAI_ANSWER_H
#define OPENAI_ANSWER_H

#include "openai/scan.h"
#include "openai/usage.h"

#define ANSWER_RELATED_MAX 3u

struct answer_facts {
    /* Decoded; empty when not seen. */
    struct text id;
    struct text object;
    struct text model;
    struct text service_tier;
    struct text status; /* responses, batches, files: "completed", "queued" … */
    /* Ids of further stored objects that the answer names, which must find their provider too:
     * output_file_id and error_file_id of a batch, file.id of a completed upload. */
    struct text related[ANSWER_RELATED_MAX];
    size_t related_count;
    /* Raw JSON, at most 16 and 8 KiB. */
    struct text usage_raw;
    struct text error_raw;
    struct usage usage;
    struct text
        usage_dialect; /* of usage_raw, by meter/quantities.h; empty: as the price list says */
    bool json;         /* a complete JSON object was read */
    bool is_error;     /* `error` is there and not null */
    bool broken;       /* a stream without a proper end: the caller is told so in it */
    bool finished;     /* the model said that it was done (finish_reason, status, terminal event) */
    uint64_t content_bytes; /* of text the model wrote, as far as it was counted (streams) */
};

enum answer_field {
    ANSWER_ID,
    ANSWER_OBJECT,
    ANSWER_MODEL,
    ANSWER_SERVICE_TIER,
    ANSWER_STATUS,
    ANSWER_USAGE,
    ANSWER_ERROR,
    ANSWER_OUTPUT_FILE_ID,
    ANSWER_ERROR_FILE_ID,
    ANSWER_FILE,
    ANSWER_FIELD_COUNT
};

#define ANSWER_USAGE_MAX 16384u /* real ones have some 400 bytes */
#define ANSWER_ERROR_MAX 8192u  /* messages quote a prompt at times */

struct answer_tap {
    struct scan scan;
    struct scan_value values[ANSWER_FIELD_COUNT];
    struct arena *arena;
    bool broken; /* not an object, or not JSON: the rest is not looked at */
};

void answer_facts_clear(struct answer_facts *facts);
void answer_tap_open(struct answer_tap *tap, struct arena *arena);
void answer_tap_feed(struct answer_tap *tap, struct text bytes);
/* Fills `facts`, which the caller has cleared, with what was seen, also after a body that was cut.
 */
void answer_tap_finish(struct answer_tap *tap, struct answer_facts *facts);

#endif
