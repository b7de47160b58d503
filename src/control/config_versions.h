/* config_versions: the files of configurations that were in force, so that one can come back.
 *
 * DATA/configs/NUMBER.yaml, the newest CONFIG_VERSIONS_KEPT of them, byte for byte as they were
 * read, with mode 0600. Secrets are not in them: a configuration refers to those (env:, file:).
 * Beside them DATA/configs/path names the file that they were read from. The process that serves
 * writes, others read; nobody locks, since files come into being whole, by rename. Blocks on the
 * disk: main thread or a command. */
#ifndef CONTROL_CONFIG_VERSIONS_H
#define CONTROL_CONFIG_VERSIONS_H

#include <stdint.h>

#include "base/buffer.h"
#include "tables/error.h"

#define CONFIG_VERSIONS_DIRECTORY "configs" /* in the data directory */
/* A day's worth of an eager operator; each has as much as the file, mostly some KiB. */
#define CONFIG_VERSIONS_KEPT 20u
#define CONFIG_VERSIONS_PATH 4096u

struct config_version {
    uint64_t number;  /* from 1, rising */
    uint64_t kept_at; /* wall nanoseconds */
    uint64_t size;    /* bytes */
};

/* Keeps `yaml`, read from the file at `path`, as the newest version, unless that is the same
 * already, and removes the oldest ones. Sets `number`. Errors of the disk. */
must_handle enum error config_versions_keep(const char *data, const char *path, struct text yaml,
                                            uint64_t *number);
/* The newest first. None is no error. */
must_handle enum error config_versions_list(const char *data,
                                            struct config_version out[CONFIG_VERSIONS_KEPT],
                                            size_t *count);
/* Appends the version's file to `out`. ERROR_NOT_FOUND, errors of the disk. */
must_handle enum error config_versions_read(const char *data, uint64_t number, struct buffer *out);
/* The absolute path of the file that was in force; false when none was. */
must_check bool config_versions_path(const char *data, char out[CONFIG_VERSIONS_PATH]);

/* Puts `text` in the place of the file at `path` in one step; its owner, group and mode stay, a new
 * one is of this user and has `mode`. ERROR_ARGUMENT: it is a link, or no plain file.
 * ERROR_UNSUPPORTED: this user cannot give a file to its owner and group. Errors of the disk.
 * With an error the file is as it was. */
must_handle enum error config_versions_replace_file(const char *path, struct text text,
                                                    unsigned mode);

#endif
