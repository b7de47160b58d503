/* prompt: what a JSON body asks of a model beyond text, and how its prompt begins.
 *
 * For routing alone: a target that can do it, and the one that has seen this beginning before and
 * keeps it in its prompt cache. The body is one that a scan has accepted (openai/envelope.h); it is
 * walked once more, and only for models whose targets ask. Chat, completions, responses; of other
 * bodies nothing is found. Pure, any thread. */
#ifndef OPENAI_PROMPT_H
#define OPENAI_PROMPT_H

#include "openai/members.h"

enum prompt_need {
    PROMPT_VISION,    /* image_url, input_image */
    PROMPT_AUDIO,     /* input_audio, or `modalities` with audio */
    PROMPT_FILES,     /* file, input_file */
    PROMPT_TOOLS,     /* `tools` or `functions`, not empty */
    PROMPT_STRUCTURE, /* `response_format` or `text.format` of type json_schema */
    PROMPT_REASONING, /* `reasoning_effort`, `reasoning` */
    PROMPT_LOGPROBS,  /* `logprobs`, `top_logprobs` */
    PROMPT_CHOICES,   /* `n` above 1 */
    PROMPT_NEED_COUNT
};

/* A bit for each enum prompt_need. */
unsigned prompt_needs(struct text body);
/* Of what stays the same from call to call of one conversation or application: `prompt_cache_key`
 * where it is given; else tools, instructions, the system's messages and the first other one, each
 * up to a limit. The same in every process. */
uint64_t prompt_beginning(struct text body);

#endif
