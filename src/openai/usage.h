/* usage: the usage objects of all OpenAI endpoints as one set of counts. Pure, any thread.
 *
 * Subsets stay subsets, as OpenAI counts them: cached_input and cache_write are part of input,
 * reasoning part of output. -1 is "not said"; it is never mixed up with 0. */
#ifndef OPENAI_USAGE_H
#define OPENAI_USAGE_H

#include <stdint.h>

#include "base/text.h"

enum usage_source {
    USAGE_NONE,     /* nothing is known */
    USAGE_REPORTED, /* the provider said so */
    USAGE_ESTIMATED /* made from the bytes that were seen */
};

struct usage {
    enum usage_source source;
    bool suspicious; /* a count was negative, fractional, above 2^53 or no number: left at -1 */
    bool more;       /* the object has other counters of cached tokens, which are not here */
    int64_t input;
    int64_t cached_input;
    int64_t cache_write;
    int64_t output;
    int64_t reasoning;
    int64_t audio_input;
    int64_t audio_output;
    int64_t image_input;
    int64_t image_output;
    int64_t total;
    int64_t milliseconds; /* audio billed by its duration */
};

void usage_clear(struct usage *usage); /* source NONE, every count -1 */
/* From a raw usage object of chat, completions, embeddings, responses, images or audio. Leaves NONE
 * when it is no JSON object or says nothing known. */
void usage_read(struct usage *usage, struct text raw);
/* From bytes of text seen, four to a token, rounded up; a negative count leaves that side
 * unknown. */
void usage_estimate(struct usage *usage, int64_t input_bytes, int64_t output_bytes);

#endif
