/* traceparent: the W3C Trace Context header (section 3.2), read strictly. Pure, any thread. */
#ifndef CODEC_TRACEPARENT_H
#define CODEC_TRACEPARENT_H

#include "base/text.h"

/* True for "00-TRACE-PARENT-FLAGS" in lower-case hex with neither id all zeros; longer values of
 * later versions as far as version 00 reaches. `trace_id` (may be NULL) gets a slice of `value`. */
must_check bool traceparent_parse(struct text value, struct text *trace_id);

#endif
