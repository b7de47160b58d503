/* turnpike rollback: a configuration that was in force comes back.
 *
 * The version's bytes are put in the place of the file; a running server sees that, as it sees
 * every change, and keeps what came into force as the newest version: so a rollback can be rolled
 * back. docs/decisions/0047-rollback.md says why objects of the store are not part of it. */
#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/output.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"
#include "config/document.h"
#include "config/load.h"
#include "control/config_versions.h"
#include "store/audit.h"

#define TEXT_MAX       (DOCUMENT_BYTES_MAXIMUM + 131072u)
#define WORDS_MAX      1048576u
#define CONFIG_MODE    0640u /* of a file that was deleted meanwhile */
#define FILE_DEFAULT   "./turnpike.yaml"
#define LOCK_FILE      "lock" /* held while a server runs: ledger/ledger.c */
#define RELOAD_SECONDS 10u /* a server looks once a second, and waits for a look without change */
#define LOOK_PAUSE     100000u /* microseconds */

struct rollback_options {
    const char *data, *config, *to;
    bool list, dry_run, json;
};

struct rolling {
    const struct verb_call *call;
    const struct rollback_options *options;
    const char *data;
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    size_t count;
    uint64_t wanted_number; /* --to */
    uint64_t target;
    char path[CONFIG_VERSIONS_PATH];
    struct buffer wanted, present;
};

/* ------------------------------------------------------------------ the list */

static int print_json(const struct rolling *rolling)
{
    struct buffer out;
    struct json_writer json;
    buffer_open(&out, WORDS_MAX);
    json_open(&json, &out);
    json_begin_array(&json);
    for (size_t i = 0; i < rolling->count; i++) {
        char time[CLOCK_RFC3339_SIZE];
        json_begin_object(&json);
        json_member_unsigned(&json, "version", rolling->versions[i].number);
        json_member_text(&json, "since",
                         text_of(time, clock_format_rfc3339(rolling->versions[i].kept_at, time)));
        json_member_unsigned(&json, "bytes", rolling->versions[i].size);
        json_member_bool(&json, "newest", i == 0);
        json_end_object(&json);
    }
    json_end_array(&json);
    ensure(json_done(&json));
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
    return VERB_OK;
}

static int print_list(const struct rolling *rolling)
{
    static const struct output_column columns[] = {
        {"VERSION", true, false}, {"SINCE (UTC)", false, false},
        {"AGE", false, false},    {"BYTES", true, false},
        {"", false, false},
    };
    if (rolling->options->json)
        return print_json(rolling);
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    for (size_t i = 0; i < rolling->count; i++) {
        const struct config_version *version = &rolling->versions[i];
        char digits[NUMBER_DIGITS_MAX], time[CLOCK_RFC3339_SIZE], age[OUTPUT_AGE_SIZE];
        output_table_cell(table, STYLE_BOLD,
                          text_of(digits, number_format_unsigned(version->number, digits)));
        (void)clock_format_rfc3339(version->kept_at, time);
        time[10] = ' ';
        output_table_cell(table, STYLE_PLAIN, text_of(time, 19));
        output_table_cell(table, STYLE_DIM,
                          text_from(output_age(version->kept_at, clock_wall(), age)));
        output_table_cell(table, STYLE_PLAIN,
                          text_of(digits, number_format_unsigned(version->size, digits)));
        output_table_cell(table, STYLE_GOOD, i == 0 ? TEXT("newest") : TEXT(""));
    }
    output_table_print(table);
    return VERB_OK;
}

/* ------------------------------------------------------------------ which one, and where */

static bool read_versions(struct rolling *rolling)
{
    enum error error = config_versions_list(rolling->data, rolling->versions, &rolling->count);
    if (error)
        (void)verb_fail("%s/" CONFIG_VERSIONS_DIRECTORY ": %s", rolling->data,
                        error_meaning(error));
    else if (rolling->count == 0)
        (void)verb_fail("%s keeps no configuration: `turnpike serve` with a file keeps each that "
                        "comes into force",
                        rolling->data);
    return !error && rolling->count > 0;
}

static bool server_runs(const struct rolling *rolling)
{
    char path[PATH_SIZE];
    if (!data_path(rolling->data, LOCK_FILE, path))
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool runs = flock(file, LOCK_SH | LOCK_NB) != 0;
    close(file);
    return runs;
}

/* The absolute path, also of a file that is not there in a folder that is. */
static bool find_absolute(const char *path, char out[CONFIG_VERSIONS_PATH])
{
    char folder[CONFIG_VERSIONS_PATH], absolute[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    struct text above = slash == NULL ? TEXT("./") : text_of(path, (size_t)(slash + 1 - path));
    if (realpath(path, absolute) != NULL)
        return text_copy_to(text_from(absolute), out, CONFIG_VERSIONS_PATH);
    if (!text_copy_to(above, folder, sizeof folder) || realpath(folder, absolute) == NULL)
        return false;
    int length = snprintf(out, CONFIG_VERSIONS_PATH, "%s/%s", absolute, name);
    return length > 0 && (size_t)length < CONFIG_VERSIONS_PATH;
}

/* A server that runs takes a version from the file that it reads, and from no other. */
static bool is_read_by_server(const struct rolling *rolling)
{
    const char *config = rolling->options->config;
    char read_by_it[CONFIG_VERSIONS_PATH], wanted[CONFIG_VERSIONS_PATH];
    if (config == NULL || !server_runs(rolling) ||
        !config_versions_path(rolling->data, read_by_it) ||
        (find_absolute(config, wanted) && strcmp(wanted, read_by_it) == 0))
        return true;
    return verb_fail("the server on %s does not read %s: its configuration is %s. Leave --config "
                     "out, or stop the server first",
                     rolling->data, config, read_by_it) == VERB_OK;
}

/* What the file says now may never have come into force: then the newest version is the last that
 * was. */
static int choose_last(struct rolling *rolling)
{
    uint64_t newest = rolling->versions[0].number;
    struct buffer words;
    buffer_open(&words, TEXT_MAX);
    enum error error = config_versions_read(rolling->data, newest, &words);
    bool in_force = text_equal(buffer_text(&words), buffer_text(&rolling->present));
    buffer_close(&words);
    if (error)
        return verb_fail("version %llu cannot be read: %s", (unsigned long long)newest,
                         error_meaning(error));
    if (in_force && rolling->count < 2)
        return verb_fail("there is no version before %llu, the newest", (unsigned long long)newest);
    rolling->target = rolling->versions[in_force ? 1 : 0].number;
    return VERB_OK;
}

static int choose(struct rolling *rolling)
{
    const char *to = rolling->options->to;
    if (to == NULL)
        return choose_last(rolling);
    for (size_t i = 0; i < rolling->count; i++) {
        if (rolling->versions[i].number == rolling->wanted_number)
            rolling->target = rolling->wanted_number;
    }
    if (rolling->target == 0)
        return verb_fail("there is no version %s; kept are %llu to %llu (--list)", to,
                         (unsigned long long)rolling->versions[rolling->count - 1].number,
                         (unsigned long long)rolling->versions[0].number);
    return VERB_OK;
}

static bool read_present(struct rolling *rolling)
{
    const struct rollback_options *options = rolling->options;
    if (options->config != NULL) {
        if (!text_copy_to(text_from(options->config), rolling->path, sizeof rolling->path))
            return verb_fail("--config: that path is too long") == VERB_OK;
    } else if (!config_versions_path(rolling->data, rolling->path)) {
        (void)text_copy_to(TEXT(FILE_DEFAULT), rolling->path, sizeof rolling->path);
    }
    struct config_problems problems;
    config_problems_open(&problems);
    enum error error = config_read_file(rolling->path, &rolling->present, &problems);
    config_problems_close(&problems);
    if (error && error != ERROR_NOT_FOUND)
        return verb_fail("%s: %s", rolling->path, error_meaning(error)) == VERB_OK;
    return true;
}

static bool read_wanted(struct rolling *rolling)
{
    enum error error = config_versions_read(rolling->data, rolling->target, &rolling->wanted);
    return !error ||
           verb_fail("version %llu cannot be read: %s", (unsigned long long)rolling->target,
                     error_meaning(error)) == VERB_OK;
}

/* ------------------------------------------------------------------ what it changes */

static struct config *load(const struct rolling *rolling, const struct buffer *yaml)
{
    struct config *config = NULL;
    struct config_problems problems;
    config_problems_open(&problems);
    if (config_load_text(text_from(rolling->path), buffer_text(yaml), &config, &problems) !=
        ERROR_OK)
        config = NULL;
    config_problems_close(&problems);
    return config;
}

/* Loading needs the secrets that the file refers to, which a shell may not have. */
static void print_difference(const struct rolling *rolling)
{
    struct config *now = load(rolling, &rolling->present), *then = load(rolling, &rolling->wanted);
    struct buffer words;
    buffer_open(&words, WORDS_MAX);
    if (now != NULL && then != NULL)
        config_describe_difference(now, then, &words);
    if (now == NULL || then == NULL)
        printf("What changes cannot be told here: %s does not load (`turnpike check` says why; "
               "secrets may be known to the server only).\n",
               then == NULL ? "that version" : rolling->path);
    else if (words.length == 0)
        printf("Nothing but words: both files say the same.\n");
    struct text rest = buffer_text(&words);
    while (rest.length > 0) {
        output_print(stdout, text_split(&rest, '\n'));
        printf("\n");
    }
    buffer_close(&words);
    config_release(now);
    config_release(then);
}

/* ------------------------------------------------------------------ doing it */

/* A server that took it keeps it as the newest version. */
static uint64_t wait_for_server(struct rolling *rolling)
{
    uint64_t end = clock_monotonic() + RELOAD_SECONDS * NANOSECONDS_PER_SECOND;
    while (clock_monotonic() < end) {
        struct buffer newest;
        buffer_open(&newest, TEXT_MAX);
        bool taken =
            config_versions_list(rolling->data, rolling->versions, &rolling->count) == ERROR_OK &&
            rolling->count > 0 &&
            config_versions_read(rolling->data, rolling->versions[0].number, &newest) == ERROR_OK &&
            text_equal(buffer_text(&newest), buffer_text(&rolling->wanted));
        buffer_close(&newest);
        if (taken)
            return rolling->versions[0].number;
        (void)usleep(LOOK_PAUSE);
    }
    return 0;
}

/* Who did it; a store that cannot be opened does not hold a rollback up. */
static void audit(const struct rolling *rolling, uint64_t before)
{
    struct admin_session session;
    char was[64], is[64], id[NUMBER_DIGITS_MAX];
    int was_length = snprintf(was, sizeof was, "{\"version\":%llu}", (unsigned long long)before);
    int is_length =
        snprintf(is, sizeof is, "{\"version\":%llu}", (unsigned long long)rolling->target);
    admin_session_begin(&session, rolling->call->verb, rolling->data);
    admin_session_try_open(&session);
    struct audit_entry entry = {
        .time = clock_wall(),
        .who = text_from(session.who),
        .via = TEXT("cli"),
        .action = TEXT("rollback"),
        .object_kind = TEXT("configuration"),
        .object_id = text_of(id, number_format_unsigned(rolling->target, id)),
        .before = text_of(was, (size_t)was_length),
        .after = text_of(is, (size_t)is_length),
    };
    if (session.store == NULL || audit_append(session.store, &entry) != ERROR_OK)
        (void)verb_fail("the audit does not know of it: the store cannot be written");
    admin_session_end(&session);
}

/* A file that the server does not take would keep it from its next start. */
static int give_up(const struct rolling *rolling)
{
    bool restored = rolling->present.length > 0 &&
                    config_versions_replace_file(rolling->path, buffer_text(&rolling->present),
                                                 CONFIG_MODE) == ERROR_OK;
    return verb_fail(
        "the server has not taken version %llu within %u seconds: its log says why. %s "
        "%s",
        (unsigned long long)rolling->target, RELOAD_SECONDS, rolling->path,
        restored ? "is as it was before" : "has that version all the same");
}

static int put_back(struct rolling *rolling)
{
    uint64_t newest = rolling->versions[0].number;
    bool runs = server_runs(rolling);
    enum error error =
        config_versions_replace_file(rolling->path, buffer_text(&rolling->wanted), CONFIG_MODE);
    if (error == ERROR_ARGUMENT)
        return verb_fail("%s is a link or no plain file: something else manages it. The version is "
                         "%s/" CONFIG_VERSIONS_DIRECTORY "/%08llu.yaml",
                         rolling->path, rolling->data, (unsigned long long)rolling->target);
    if (error == ERROR_UNSUPPORTED)
        return verb_fail("%s is as it was: this user cannot keep its owner and group. Run this as "
                         "its owner. The version is %s/" CONFIG_VERSIONS_DIRECTORY "/%08llu.yaml",
                         rolling->path, rolling->data, (unsigned long long)rolling->target);
    if (error)
        return verb_fail("%s: %s", rolling->path, error_meaning(error));
    audit(rolling, newest);
    if (!runs) {
        printf("%s is version %llu again; no server runs on %s.\n", rolling->path,
               (unsigned long long)rolling->target, rolling->data);
        return VERB_OK;
    }
    uint64_t taken = wait_for_server(rolling);
    if (taken == 0)
        return give_up(rolling);
    printf("Version %llu is in force again, as version %llu.\n",
           (unsigned long long)rolling->target, (unsigned long long)taken);
    return VERB_OK;
}

static int roll_back(struct rolling *rolling)
{
    if (!is_read_by_server(rolling) || !read_present(rolling))
        return VERB_FAILED;
    int code = choose(rolling);
    if (code != VERB_OK)
        return code;
    if (!read_wanted(rolling))
        return VERB_FAILED;
    if (text_equal(buffer_text(&rolling->wanted), buffer_text(&rolling->present))) {
        printf("%s is version %llu already.\n", rolling->path, (unsigned long long)rolling->target);
        return VERB_OK;
    }
    print_difference(rolling);
    if (rolling->options->dry_run) {
        printf("Nothing was changed: %s would become version %llu.\n", rolling->path,
               (unsigned long long)rolling->target);
        return VERB_OK;
    }
    fflush(stdout);
    return put_back(rolling);
}

static int rollback_run(const struct verb_call *call)
{
    const struct rollback_options *options = call->options;
    struct rolling *rolling = ensure_memory(calloc(1, sizeof *rolling));
    int code = VERB_FAILED;
    rolling->call = call;
    rolling->options = options;
    rolling->data = options->data ? options->data : DATA_DEFAULT;
    buffer_open(&rolling->wanted, TEXT_MAX);
    buffer_open(&rolling->present, TEXT_MAX);
    if (options->list && (options->to || options->dry_run))
        code = verb_misused(call->verb, "--list only looks: leave out --to and --dry-run");
    else if (options->to && !number_parse_unsigned(text_from(options->to), &rolling->wanted_number))
        code =
            verb_misused(call->verb, "--to wants a version, as --list shows them: %s", options->to);
    else if (data_directory_enter(rolling->data, false) && read_versions(rolling))
        code = options->list ? print_list(rolling) : roll_back(rolling);
    buffer_close(&rolling->wanted);
    buffer_close(&rolling->present);
    free(rolling);
    return code;
}

static const struct option rollback_option_rows[] = {
    OPTION_FLAG_ROW("list", struct rollback_options, list, "show the versions that are kept"),
    OPTION_TEXT_ROW("to", struct rollback_options, to, "VERSION",
                    "the version to return to [the one before the newest, or the newest where the "
                    "file was changed since]",
                    OPTION_ANY),
    OPTION_FLAG_ROW("dry-run", struct rollback_options, dry_run,
                    "show what would change, and stop"),
    OPTION_TEXT_ROW("config", struct rollback_options, config, "FILE",
                    "the file to put it into [the one that was in force]", OPTION_FILE),
    ADMIN_DATA_ROW(struct rollback_options),
    OPTION_FLAG_ROW("json", struct rollback_options, json, "the list as JSON"),
    OPTION_WIDE_ROW,
    OPTION_END,
};

const struct verb verb_rollback = {
    .name = "rollback",
    .summary = "Return to a configuration that was in force",
    .options = rollback_option_rows,
    .options_size = sizeof(struct rollback_options),
    .description =
        "The last configuration files that came into force are kept in the data directory, without "
        "secrets, to which they only refer. Puts one of them in the place of the file, and waits "
        "until a running server has taken it; without one, the next start does. What it changes is "
        "said first. Teams, keys, budgets and limits are not part of it: `turnpike audit` tells "
        "what they were.",
    .examples = "turnpike rollback --list\n"
                "turnpike rollback --dry-run  # what the version before would change\n"
                "turnpike rollback\n"
                "turnpike rollback --to 12",
    .run = rollback_run,
};
