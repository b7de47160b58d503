/* note: what the process says about itself to its operator (stderr), one line each. Any thread.
 *
 * Not the access log (that is made from the ledger) and never on the path of a call. Lines are
 * "time level area: message", at most 2047 bytes, control characters made spaces; each is one
 * write. A repeated note is the caller's to hold back. */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

#include "base/attributes.h"

enum note_level { NOTE_ERROR, NOTE_WARNING, NOTE_INFO, NOTE_DEBUG };

/* Where lines go; the default writes them to stderr. `line` is NUL-terminated, without newline.
 * NULL restores the default. Set at start, before threads. */
typedef void (*note_sink)(enum note_level level, const char *line);
void note_set_sink(note_sink sink);
/* Notes above this level are dropped. Default NOTE_INFO. Set at start, before threads. */
void note_set_level(enum note_level level);

void note_write(enum note_level level, const char *area, const char *format, ...) format_like(3, 4);

#define note_error(area, ...)   note_write(NOTE_ERROR, area, __VA_ARGS__)
#define note_warning(area, ...) note_write(NOTE_WARNING, area, __VA_ARGS__)
#define note_info(area, ...)    note_write(NOTE_INFO, area, __VA_ARGS__)
#define note_debug(area, ...)   note_write(NOTE_DEBUG, area, __VA_ARGS__)

#endif
