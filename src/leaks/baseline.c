#include "leaks/baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json.h"

static bool read_file(const char *path, struct buffer *out, char problem[BASELINE_PROBLEM_SIZE])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : 1;
    while (got > 0) {
        char *space = buffer_reserve(out, 65536);
        errno = EFBIG;
        got = space ? read(file, space, 65536) : -1;
        out->length += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        (void)snprintf(problem, BASELINE_PROBLEM_SIZE, "the baseline %.200s: %s", path,
                       strerror(errno));
    if (file >= 0)
        (void)close(file);
    return got == 0;
}

static int compare(const void *left, const void *right)
{
    return text_compare(*(const struct text *)left, *(const struct text *)right);
}

/* The fingerprints in order; false when it is no report. */
static bool take_fingerprints(yyjson_val *root, struct text **out, size_t *count)
{
    yyjson_val *findings, *finding;
    size_t index, all;
    if (json_get_array(root, "findings", &findings) != JSON_PRESENT)
        return false;
    *out = calloc(yyjson_arr_size(findings) + 1, sizeof **out);
    if (*out == NULL)
        return false;
    yyjson_arr_foreach(findings, index, all, finding)
    {
        if (json_get_text(finding, "fingerprint", &(*out)[*count]) != JSON_PRESENT)
            return false;
        (*count)++;
    }
    qsort(*out, *count, sizeof **out, compare);
    return true;
}

static void mark(struct leaks *leaks, const struct text *known, size_t count)
{
    for (size_t i = 0; i < leaks->count; i++) {
        struct text fingerprint = text_from(leaks->rows[i].fingerprint);
        leaks->rows[i].in_baseline =
            bsearch(&fingerprint, known, count, sizeof *known, compare) != NULL;
    }
}

bool baseline_apply(struct leaks *leaks, const char *path, char problem[BASELINE_PROBLEM_SIZE])
{
    struct buffer file;
    struct text *known = NULL;
    yyjson_doc *document = NULL;
    size_t count = 0;
    buffer_open(&file, BASELINE_BYTES_MAX);
    bool good = read_file(path, &file, problem);
    if (good) {
        good = json_parse(buffer_text(&file), &document) == ERROR_OK &&
               take_fingerprints(yyjson_doc_get_root(document), &known, &count);
        if (!good)
            (void)snprintf(problem, BASELINE_PROBLEM_SIZE,
                           "the baseline %.200s is no report of `turnpike scan --format json`",
                           path);
    }
    if (good)
        mark(leaks, known, count);
    free(known);
    yyjson_doc_free(document);
    buffer_close(&file);
    return good;
}
