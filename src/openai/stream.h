/* stream: what the gateway needs to know of an answer that streams, one frame at a time.
 *
 * The tap is given each complete SSE frame (name and data) before it is relayed and says what it
 * is. Frames are passed on byte-exact; only those that can matter are parsed. What it keeps lives
 * in the exchange's arena. Never fails: what cannot be read stays unknown. One thread at a time.
 * Sources: OpenAI API reference, streaming events of chat, completions, responses, images, audio.
 */
#ifndef OPENAI_STREAM_H
#define OPENAI_STREAM_H

#include "base/buffer.h"
#include "openai/answer.h"
#include "openai/frame_pattern.h"

enum stream_dialect {
    STREAM_CHAT,        /* chat.completion.chunk, [DONE] */
    STREAM_COMPLETIONS, /* text_completion, [DONE] */
    STREAM_RESPONSES,   /* response.* events with sequence numbers */
    STREAM_MEDIA        /* images and audio: TYPE.delta … TYPE.done or .completed with usage */
};

/* What one frame is. */
struct stream_marks {
    bool usage;      /* bears usage */
    bool usage_only; /* the extra chunk of include_usage: empty choices and usage, nothing else */
    bool content;    /* bears something that the model wrote */
    bool finish;     /* says why the model stopped */
    bool error;      /* the upstream reports a failure */
    bool terminal;   /* after it nothing that counts can come: [DONE], response.completed, error */
};

struct stream_tap {
    struct answer_facts facts; /* facts.json is not used; usage is the last that was reported */
    bool terminal_seen;
    bool error_seen;
    bool content_seen;
    uint64_t frames;

    /* the rest belongs to stream.c */
    enum stream_dialect dialect;
    bool identity_known;
    struct frame_pattern pattern; /* of frames that bear content and nothing else */
    int64_t sequence;             /* the last sequence_number, -1 before the first */
    int64_t created;              /* created or created_at, -1 unknown */
    struct arena *arena;
    size_t usage_capacity; /* of the place of facts.usage_raw */
};

void stream_tap_open(struct stream_tap *tap, enum stream_dialect dialect, struct arena *arena);
/* `name` is the frame's event field (empty without one), `data` its data lines joined by '\n';
 * a frame without data (a comment) need not be given. */
struct stream_marks stream_tap_frame(struct stream_tap *tap, struct text name, struct text data);

/* The stream ended without usage: estimates it from what was relayed, flagged as such.
 * `input_bytes` of the request's text, -1 when unknown. Leaves reported usage alone. */
void stream_tap_estimate(struct stream_tap *tap, int64_t input_bytes);

/* Writes what the caller gets when the upstream died in mid-stream, in the form in which the
 * official SDKs raise an error (and in which no [DONE] follows). All of it, or `out` is failed. */
bool stream_write_broken(const struct stream_tap *tap, struct text code, struct text message,
                         struct buffer *out);

#endif
