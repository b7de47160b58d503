/* stream: an answer of the admin API that goes on after its handler has returned: events as they
 * happen, a call to a model that is passed on.
 *
 * A handler that wants one calls call_go_on (admin/call.h) and returns true; `on_open` then comes
 * with the stream. From there on the stream is valid until stream_end, stream_break, a write that
 * said false, or until on_gone. The thread of the admin API. */
#ifndef ADMIN_STREAM_H
#define ADMIN_STREAM_H

#include <stdbool.h>

#include "base/text.h"
#include "net/loop.h"

struct stream;

struct stream_events {
    /* Nothing has been sent yet: the owner begins now or later, or ends with a problem. */
    void (*on_open)(void *owner, struct stream *stream);
    void (*on_drained)(void *owner); /* no longer congested */
    void (*on_gone)(void *owner);    /* the reader left, or the door closes */
};

struct loop *stream_loop(const struct stream *stream);
/* The head, and what there is of the body; further header lines in `lines`. False: the reader is
 * gone, and on_gone does not follow. */
must_check bool stream_begin(struct stream *stream, unsigned status, struct text content_type,
                             struct text lines, struct text first);
must_check bool stream_send(struct stream *stream, struct text bytes);
/* More is queued than the reader takes: wait for on_drained. */
bool stream_is_congested(const struct stream *stream);
/* The whole answer is given. After stream_begin, or after call_refuse on the call: the problem is
 * the answer then. */
void stream_end(struct stream *stream);
/* Cuts the connection, so that the reader sees a broken answer. */
void stream_break(struct stream *stream);

#endif
