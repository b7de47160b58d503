/* frame_pattern: what the frames of a stream have in common, so that one like those before need not
 * be walked again.
 *
 * Hundreds of frames of an answer differ in a string or two: what the model wrote, and padding. A
 * pattern is the bytes around these strings, taken from a frame that was walked. A frame that has
 * the same bytes around strings of its own would be walked in the same way, so all that the walk
 * found holds for it too: of the strings only their lengths are new.
 *
 * Lives in the exchange's arena, a few hundred bytes a stream. One thread at a time. */
#ifndef OPENAI_FRAME_PATTERN_H
#define OPENAI_FRAME_PATTERN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

#define FRAME_PATTERN_STRINGS   4u    /* that differ: more choices in one frame are rare */
#define FRAME_PATTERN_BYTES_MAX 2048u /* around them; real ones have some 300 */

/* Strings of a frame that may be others in the next: from behind the opening quote to the closing
 * one. In order. */
struct frame_strings {
    struct text strings[FRAME_PATTERN_STRINGS];
    bool counts[FRAME_PATTERN_STRINGS]; /* its bytes are content */
    size_t count;
    bool too_many; /* or one whose end is not what a value's is: no pattern is made */
};

struct frame_pattern {
    char *bytes; /* the pieces, one behind the other; NULL before the first frame */
    size_t capacity;
    /* A piece ends behind the opening quote of a string, and the next begins with its closing one;
     * the last ends the frame. */
    uint16_t lengths[FRAME_PATTERN_STRINGS + 1];
    bool counts[FRAME_PATTERN_STRINGS];
    uint8_t count; /* of strings; 0: there is no pattern */
};

/* Notes a string value of `data`; `counts` when its bytes are content. */
void frame_strings_add(struct frame_strings *strings, struct text data, struct text string,
                       bool counts);
/* Makes the frame the pattern. Where it cannot be one, there is none. */
void frame_pattern_learn(struct frame_pattern *pattern, struct arena *arena, struct text data,
                         const struct frame_strings *strings);
/* Whether the frame is like it; `content_bytes` is that of its strings then. */
bool frame_pattern_match(const struct frame_pattern *pattern, struct text data,
                         size_t *content_bytes);

#endif
