/* apply_files: the files that say which objects there are to be, for `turnpike apply` and `turnpike
 * preview`. Main thread. */
#ifndef APP_APPLY_FILES_H
#define APP_APPLY_FILES_H

#include "admin/apply.h"
#include "app/options.h"

struct apply_files {
    struct apply_file files[APPLY_FILES_MAX];
    struct buffer texts[APPLY_FILES_MAX];
    size_t count;
};

/* Reads each file of the list (at most APPLY_FILES_MAX), "-" being standard input. False when it
 * has printed why one cannot be read. To be closed all the same. */
must_check bool apply_files_read(struct apply_files *files, const struct option_list *names);
/* Prints on stderr what is wrong in them; returns how many errors that were. */
size_t apply_files_print_problems(const struct apply_files *files);
/* Before they are looked at a second time. */
void apply_files_forget_problems(struct apply_files *files);
void apply_files_close(struct apply_files *files); /* zeroes are fine */

#endif
