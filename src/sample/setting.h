/* setting: the configuration that the sample data was made under, and a demo gateway serves with.
 *
 * Its providers are called and priced as the real ones, and answered by the built-in demo model: it
 * works offline, and a call costs what it would. Main thread. */
#ifndef SAMPLE_SETTING_H
#define SAMPLE_SETTING_H

#include "base/buffer.h"
#include "config/snapshot.h"
#include "meter/price_book.h"

#define SETTING_PROBLEM_SIZE 1024u
#define SETTING_YAML_MAX     16384u

struct setting {
    struct config *config;
    struct price_book *book;
};

/* Appends the file as it is to be written, with callers and administrators at these addresses
 * ("127.0.0.1:8080"). False when it does not fit. */
must_check bool setting_write(struct text callers, struct text administrators, struct buffer *yaml);
/* Reads such a file and makes its prices; false with `problem`. Close it either way. */
must_check bool setting_open(struct setting *setting, struct text yaml,
                             char problem[SETTING_PROBLEM_SIZE]);
void setting_close(struct setting *setting);

#endif
