#include "config/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/value.h"

static const struct text environment_prefix = TEXT_INIT("env:");
static const struct text file_prefix = TEXT_INIT("file:");

bool reference_is(struct text value)
{
    return text_starts_with(value, environment_prefix) || text_starts_with(value, file_prefix);
}

static bool is_variable_name(struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.length > 0 && name.length <= DOCUMENT_KEY_MAXIMUM;
}

/* $NAME and ${NAME}, as shells and other gateways write it; else empty. */
static struct text shell_variable(struct text value)
{
    if (value.length > 3 && text_starts_with(value, TEXT("${")) && text_ends_with(value, TEXT("}")))
        value = text_of(value.data + 2, value.length - 3);
    else if (text_starts_with(value, TEXT("$")))
        value = text_from_index(value, 1);
    else if (report_may_be_secret(value) || !getenv(value.data))
        value = (struct text){0};
    return is_variable_name(value) ? value : (struct text){0};
}

static void refuse_literal(struct settings_reader *reader, struct report_place place,
                           struct text value)
{
    struct text name = shell_variable(value);
    if (!text_empty(name))
        report_error(reader->report, place, "expected a reference to a secret; write \"env:%.*s\"",
                     TEXT_ARG(name));
    else
        report_error(reader->report, place,
                     "a secret must not stand in the configuration, where backups and logs would "
                     "carry it; write \"env:NAME\" or \"file:/path\"");
}

static struct secret *keep(struct settings_reader *reader, struct report_place place,
                           struct text bytes, const char *where)
{
    while (bytes.length > 0 &&
           (bytes.data[bytes.length - 1] == '\n' || bytes.data[bytes.length - 1] == '\r'))
        bytes.length--;
    if (bytes.length == 0) {
        report_error(reader->report, place, "%s is empty", where);
        return NULL;
    }
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        if (byte >= ' ' && byte < 0x7f)
            continue;
        report_error(reader->report, place,
                     byte < 0x80 ? "%s holds a control character, which no key has"
                                 : "%s holds a character outside ASCII, which no key has",
                     where);
        return NULL;
    }
    struct secret *secret = config_memory_secret(reader->memory, bytes);
    if (!secret)
        report_error(reader->report, place, "out of memory");
    return secret;
}

static struct secret *read_variable(struct settings_reader *reader, struct report_place place,
                                    struct text name)
{
    if (!is_variable_name(name)) {
        report_error(reader->report, place,
                     "what stands behind \"env:\" is not the name of an environment variable");
        return NULL;
    }
    char where[DOCUMENT_KEY_MAXIMUM + 32];
    snprintf(where, sizeof(where), "environment variable %.*s", TEXT_ARG(name));
    char variable[DOCUMENT_KEY_MAXIMUM + 1];
    text_copy_to(name, variable, sizeof(variable));
    const char *value = getenv(variable);
    if (!value) {
        report_error(reader->report, place, "%s is not set", where);
        return NULL;
    }
    return keep(reader, place, text_from(value), where);
}

/* Reads all of a small file; false with errno when it cannot. */
static bool read_file(const char *path, char *bytes, size_t *length, struct stat *status)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return false;
    bool good = fstat(file, status) == 0;
    if (good && S_ISDIR(status->st_mode)) {
        errno = EISDIR;
        good = false;
    }
    *length = 0;
    while (good && *length <= REFERENCE_SECRET_MAXIMUM) {
        ssize_t got = read(file, bytes + *length, REFERENCE_SECRET_MAXIMUM + 1 - *length);
        if (got <= 0) {
            good = got == 0;
            break;
        }
        *length += (size_t)got;
    }
    int number = errno;
    close(file);
    errno = number;
    return good;
}

static struct secret *read_secret_file(struct settings_reader *reader, struct report_place place,
                                       struct text path)
{
    struct text full = value_resolve_path(reader, path);
    if (text_empty(path) || !full.data) {
        report_error(reader->report, place, "a path is missing behind \"file:\"");
        return NULL;
    }
    config_memory_note_file(reader->memory, full.data);
    char bytes[REFERENCE_SECRET_MAXIMUM + 1];
    size_t length = 0;
    struct stat status;
    struct secret *secret = NULL;
    const char *shown = report_quote(full);
    if (!read_file(full.data, bytes, &length, &status)) {
        report_error(reader->report, place, "file %s cannot be read: %s", shown, strerror(errno));
    } else if (length > REFERENCE_SECRET_MAXIMUM) {
        report_error(reader->report, place, "file %s is larger than 16 KiB: not a secret", shown);
    } else {
        char where[256];
        snprintf(where, sizeof(where), "file %s", shown);
        secret = keep(reader, place, text_of(bytes, length), where);
        if (secret && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH))
            report_warning(reader->report, place,
                           "file %s can be read by every user of this machine; chmod o-r", shown);
    }
    secret_wipe(bytes, sizeof(bytes));
    return secret;
}

struct secret *reference_read(struct settings_reader *reader, struct report_place place,
                              struct text value)
{
    if (text_starts_with(value, environment_prefix))
        return read_variable(reader, place, text_from_index(value, environment_prefix.length));
    if (text_starts_with(value, file_prefix))
        return read_secret_file(reader, place, text_from_index(value, file_prefix.length));
    refuse_literal(reader, place, value);
    return NULL;
}
