/* console_files: the console's files as the build put them into the program (tools/embed_console.py
 * makes the table of web/). Constant: any thread may read it. */
#ifndef ADMIN_CONSOLE_FILES_H
#define ADMIN_CONSOLE_FILES_H

#include "base/text.h"

struct console_file {
    struct text path;          /* under /console/ */
    const char *type;          /* content type */
    const char *tag;           /* of the content: hexadecimal, for ETag */
    const unsigned char *data; /* gzip */
    size_t size;
    size_t plain_size; /* of the content itself */
    bool hashed;       /* its content's hash is in the name: it never changes */
};

/* By path; none when the program was built without the console. */
extern const struct console_file console_files[];
extern const size_t console_file_count;

#endif
