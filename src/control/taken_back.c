#include "control/taken_back.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/instant.h"
#include "control/config_versions.h"

#define FILE_MODE  0600
#define PATH_SIZE  4096u
#define LINE_BYTES 256u /* a moment, a word and two names */
#define FILE_MAX   (TAKEN_BACK_MAX * LINE_BYTES)
#define ARENA_SIZE ((size_t)4 * FILE_MAX)

/* The thread of alerts adds, the main thread forgets. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool make_path(const char *data, char path[PATH_SIZE])
{
    int length = snprintf(path, PATH_SIZE, "%s/" TAKEN_BACK_FILE, data);
    return length > 0 && (size_t)length < PATH_SIZE;
}

static enum error read_bytes(const char *data, struct buffer *out)
{
    char path[PATH_SIZE];
    if (!make_path(data, path))
        return ERROR_ARGUMENT;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? ERROR_OK : error_from_errno(errno);
    char *space = buffer_reserve(out, FILE_MAX);
    ssize_t got = space ? read(file, space, FILE_MAX) : -1;
    enum error error = got >= 0 ? ERROR_OK : space ? error_from_errno(errno) : ERROR_MEMORY;
    out->length += got > 0 ? (size_t)got : 0;
    close(file);
    return error;
}

/* "2026-11-30T12:00:00Z public deny 0.0.0.0/0" */
static bool read_line(struct text line, struct config_taken_back *rule)
{
    int64_t seconds = 0;
    struct text moment = text_split(&line, ' ');
    rule->listener = text_split(&line, ' ');
    struct text action = text_split(&line, ' ');
    rule->network = line;
    rule->denies = text_equal(action, TEXT("deny"));
    if (!instant_parse(moment, &seconds) || seconds <= 0)
        return false;
    rule->at = (uint64_t)seconds * NANOSECONDS_PER_SECOND;
    return !text_empty(rule->listener) && !text_empty(rule->network) &&
           (rule->denies || text_equal(action, TEXT("allow")));
}

static enum error read_rules(const char *data, struct arena *arena, struct config_taken_back **out,
                             size_t *count)
{
    struct buffer bytes;
    *count = 0;
    *out = arena_take(arena, TAKEN_BACK_MAX * sizeof(**out));
    if (*out == NULL)
        return ERROR_MEMORY;
    buffer_open(&bytes, FILE_MAX);
    enum error error = read_bytes(data, &bytes);
    struct text rest = arena_copy(arena, buffer_text(&bytes));
    if (!error && rest.data == NULL)
        error = ERROR_MEMORY;
    while (!error && rest.length > 0 && *count < TAKEN_BACK_MAX) {
        struct text line = text_split(&rest, '\n');
        /* A line that somebody else wrote is none of these. */
        *count += read_line(line, &(*out)[*count]);
    }
    buffer_close(&bytes);
    return error;
}

static enum error write_rules(const char *data, const struct config_taken_back *rules, size_t count)
{
    char path[PATH_SIZE];
    struct buffer out;
    buffer_open(&out, FILE_MAX);
    for (size_t i = 0; i < count; i++) {
        char moment[INSTANT_SIZE];
        (void)instant_format((int64_t)(rules[i].at / NANOSECONDS_PER_SECOND), moment);
        buffer_append_format(&out, "%s %.*s %s %.*s\n", moment, TEXT_ARG(rules[i].listener),
                             rules[i].denies ? "deny" : "allow", TEXT_ARG(rules[i].network));
    }
    enum error error = make_path(data, path)
                           ? config_versions_replace_file(path, buffer_text(&out), FILE_MODE)
                           : ERROR_ARGUMENT;
    buffer_close(&out);
    return error;
}

enum error taken_back_read(const char *data, struct arena *arena,
                           const struct config_taken_back **out, size_t *count)
{
    struct config_taken_back *rules;
    pthread_mutex_lock(&lock);
    enum error error = read_rules(data, arena, &rules, count);
    pthread_mutex_unlock(&lock);
    *out = rules;
    return error;
}

static bool is_there(const struct config_taken_back *rules, size_t count,
                     const struct config_taken_back *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].denies == wanted->denies && text_equal(rules[i].listener, wanted->listener) &&
            text_equal(rules[i].network, wanted->network))
            return true;
    return false;
}

enum error taken_back_add(const char *data, const struct config_taken_back *rules, size_t count)
{
    struct arena arena;
    struct config_taken_back *all;
    size_t all_count;
    arena_open(&arena, NULL, ARENA_SIZE);
    pthread_mutex_lock(&lock);
    enum error error = read_rules(data, &arena, &all, &all_count);
    for (size_t i = 0; !error && i < count; i++) {
        if (is_there(all, all_count, &rules[i]))
            continue;
        if (all_count == TAKEN_BACK_MAX)
            error = ERROR_LIMIT;
        else
            all[all_count++] = rules[i];
    }
    if (!error)
        error = write_rules(data, all, all_count);
    pthread_mutex_unlock(&lock);
    arena_close(&arena);
    return error;
}

/* Whether the file still has the rule, and enforces it. */
static bool is_enforced(const struct config *config, const struct config_taken_back *wanted)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        for (size_t j = 0; j < listener->written_rule_count; j++) {
            const struct config_network_rule *rule = &listener->written_rules[j];
            if (text_equal(listener->name, wanted->listener) && rule->denies == wanted->denies &&
                text_equal(rule->network, wanted->network) &&
                (!rule->observed || rule->taken_back_at > 0))
                return true;
        }
    }
    return false;
}

enum error taken_back_prune(const char *data, const struct config *config)
{
    struct arena arena;
    struct config_taken_back *rules;
    size_t count, kept = 0;
    arena_open(&arena, NULL, ARENA_SIZE);
    pthread_mutex_lock(&lock);
    enum error error = read_rules(data, &arena, &rules, &count);
    for (size_t i = 0; !error && i < count; i++)
        if (is_enforced(config, &rules[i]))
            rules[kept++] = rules[i];
    if (!error && kept < count)
        error = write_rules(data, rules, kept);
    pthread_mutex_unlock(&lock);
    arena_close(&arena);
    return error;
}
