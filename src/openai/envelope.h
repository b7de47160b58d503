/* envelope: what the gateway needs to know of a JSON request body, found without decoding it.
 *
 * Fed with the body as it arrives, split anywhere. What it keeps lives in the exchange's arena.
 * Edits are splices on the raw body: everything else stays byte-exact. One thread at a time.
 * Fields: OpenAI API reference, chat/completions, responses, batches. */
#ifndef OPENAI_ENVELOPE_H
#define OPENAI_ENVELOPE_H

#include "openai/scan.h"
#include "openai/splice.h"

enum envelope_field {
    ENVELOPE_MODEL,
    ENVELOPE_STREAM,
    ENVELOPE_STREAM_OPTIONS,
    ENVELOPE_MAX_TOKENS,
    ENVELOPE_MAX_COMPLETION_TOKENS,
    ENVELOPE_MAX_OUTPUT_TOKENS,
    ENVELOPE_N,
    ENVELOPE_USER,
    ENVELOPE_METADATA,
    ENVELOPE_PREVIOUS_RESPONSE_ID,
    ENVELOPE_CONVERSATION,
    ENVELOPE_INPUT_FILE_ID,
    ENVELOPE_FILE_ID,
    ENVELOPE_FILE_IDS,
    ENVELOPE_TRAINING_FILE,
    ENVELOPE_BACKGROUND,
    ENVELOPE_STORE,
    ENVELOPE_SERVICE_TIER,
    ENVELOPE_FIELD_COUNT
};

struct envelope {
    /* After envelope_finish said ERROR_OK. Texts are decoded and live in the arena; empty with
     * data NULL when absent or null. Numbers are -1 when absent, null or not a whole number. */
    struct text model;
    bool stream;
    bool include_usage; /* stream_options.include_usage is true */
    bool background;
    bool store_stated; /* `store` is a boolean in the body; its default differs by endpoint */
    bool store;
    int64_t max_output; /* the largest of the three limits */
    int64_t n;
    struct text user;
    struct text metadata; /* raw JSON object */
    struct text service_tier;
    /* An id of something stored at a provider, which decides where the call goes: the first present
     * of previous_response_id, conversation (also {"id":…}), input_file_id, file_id,
     * file_ids (the first of them), training_file. */
    struct text reference;
    uint64_t body_length;

    /* After an error: what is wrong, for people ("\"stream\" must be true or false, at line 1,
     * column 14"), in the arena; and the member's name, or empty. */
    struct text reason;
    struct text param;

    struct arena *arena;            /* envelope.c's own, as what follows but for the values */
    struct scan_value usage_option; /* stream_options.include_usage; its offset is in the body */
    bool options_empty;             /* stream_options is {} */
    struct scan scan;
    struct scan_value values[ENVELOPE_FIELD_COUNT];
};

void envelope_open(struct envelope *envelope, struct arena *arena);
/* ERROR_SYNTAX, ERROR_UNSUPPORTED: a 400 with `reason`; ERROR_MEMORY. Errors are final. */
must_handle enum error envelope_feed(struct envelope *envelope, struct text bytes);
must_handle enum error envelope_finish(struct envelope *envelope);
/* The raw value as written; empty when absent or longer than is kept (4 KiB; metadata 16 KiB). */
struct text envelope_raw(const struct envelope *envelope, enum envelope_field field);
/* "max_tokens". */
struct text envelope_field_name(enum envelope_field field);

/* Adds the splice that names another model, JSON-escaped; the body must have one. `model` must be
 * UTF-8. ERROR_MEMORY; ERROR_ARGUMENT when the body names no model or `model` is not UTF-8. */
must_handle enum error envelope_set_model(const struct envelope *envelope, struct text model,
                                          struct splices *splices);
/* Adds the splice that makes stream_options.include_usage true, whatever stands there now; none
 * when it is true already. For chat and completions only: the responses API refuses the option. */
void envelope_ask_usage(const struct envelope *envelope, struct splices *splices);

#endif
