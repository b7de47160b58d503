/* anthropic: the Messages dialect, for whoever serves Claude: Anthropic itself, Microsoft Foundry
 * and others behind `type: anthropic`, and the hosts that carry the same bodies inside an API of
 * their own (Vertex rawPredict, Bedrock InvokeModel).
 *
 * A host is a table row of what it does otherwise; body and events are the same:
 *
 *     static const struct anthropic_host vertex = {.body_version =
 *                                                      TEXT_INIT("vertex-2023-10-16"), …};
 *     write_chat:  writes its own target and credential, then
 *                  return anthropic_write_body(ask, &vertex);
 *     read_chat, count_usage, read_error: anthropic_read_message, anthropic_count_usage,
 *                  anthropic_read_error as they are
 *     read_frame:  anthropic_read_frame of a server-sent event; anthropic_read_event of an event
 *                  that came in other wrapping ({"bytes": …} of Bedrock, decoded)
 *
 * and in its struct native: understood ANTHROPIC_UNDERSTOOD, usage_dialect and seal_origin
 * "anthropic".
 *
 * Memory: the exchange's arena. One thread at a time. Source: Anthropic API reference, Messages. */
#ifndef PROVIDER_ANTHROPIC_H
#define PROVIDER_ANTHROPIC_H

#include "provider/native.h"

/* What a host does otherwise than Anthropic's own, which is all zero. */
struct anthropic_host {
    /* Written as `anthropic_version` into a body that has neither `model` nor `stream`, because the
     * URL tells both. Empty: model and stream are in the body, the version in a header. */
    struct text body_version;
    bool stream_in_body;  /* of streams `stream` all the same, as Vertex has it */
    bool betas_in_body;   /* `anthropic_beta` in the body instead of the header */
    bool base64_only;     /* no images and documents by URL or file id */
    bool no_system_turns; /* no message of role system behind the first */
    bool no_schema;       /* no output_config.format: a forced tool takes its place */
    bool no_server_tools; /* no web_search and the like */
    bool no_service_tier;
    bool no_auto_cache; /* no cache_control beside `messages` */
};

/* For struct native. */
#define ANTHROPIC_UNDERSTOOD                                                                   \
    (PARAMETER_BIT(PARAMETER_TEMPERATURE) | PARAMETER_BIT(PARAMETER_TOP_P) |                   \
     PARAMETER_BIT(PARAMETER_TOP_K) | PARAMETER_BIT(PARAMETER_STOP) |                          \
     PARAMETER_BIT(PARAMETER_TOOLS) | PARAMETER_BIT(PARAMETER_TOOL_CHOICE) |                   \
     PARAMETER_BIT(PARAMETER_PARALLEL_TOOL_CALLS) | PARAMETER_BIT(PARAMETER_RESPONSE_FORMAT) | \
     PARAMETER_BIT(PARAMETER_REASONING) | PARAMETER_BIT(PARAMETER_SERVICE_TIER) |              \
     PARAMETER_BIT(PARAMETER_METADATA) | PARAMETER_BIT(PARAMETER_USER) |                       \
     PARAMETER_BIT(PARAMETER_SAFETY_IDENTIFIER) | PARAMETER_BIT(PARAMETER_PROMPT_CACHE_KEY) |  \
     PARAMETER_BIT(PARAMETER_PROMPT_CACHE_RETENTION) | PARAMETER_BIT(PARAMETER_INCLUDE))

/* The whole body. Sets *ask->expects_stream where the answer can be so long that it must be
 * streamed, and ask->state, which the readers need; writes the anthropic-beta header where
 * something asked for needs it. Errors as write_chat of struct native. */
must_handle enum error anthropic_write_body(struct native_ask *ask,
                                            const struct anthropic_host *host);

/* Members of that body which the endpoint that counts tokens takes, ended by NULL. */
extern const char *const anthropic_counted[];

/* A whole answer: read_chat of struct native. Also ERROR_REFUSED: an error in its place. */
must_handle enum error anthropic_read_message(struct native_answer *answer, yyjson_val *root);
/* One event of a stream; it says of which type it is. Errors as read_frame. */
must_handle enum error anthropic_read_event(struct native_answer *answer, yyjson_val *root);
/* The same of a server-sent event: read_frame of struct native. */
must_handle enum error anthropic_read_frame(struct native_answer *answer,
                                            const struct native_frame *frame);
void anthropic_count_usage(struct native_answer *answer);
void anthropic_read_error(struct native_answer *answer, yyjson_val *root,
                          struct native_error *error);

#endif
