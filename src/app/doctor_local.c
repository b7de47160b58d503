#include "app/doctor_local.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/paths.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "config/load.h"
#include "ledger/backlog.h"
#include "net/tls.h"

#define CONFIG_DEFAULT "./turnpike.yaml"
#define ARENA_MAX      (8u << 20)
#define PROBLEMS_SHOWN 5u
/* Calls that the importer should have taken long ago. */
#define BACKLOG_AGE (60 * NANOSECONDS_PER_SECOND)
/* Written and synced to see how fast the disk is: a journal syncs far less at a time. */
#define PROBE_BYTES        (4u << 20)
#define PROBE_SLOW_SECONDS 2
#define SPACE_LOW_PERCENT  5u
/* Checking a store reads all of it: some seconds for so much. */
#define STORE_CHECKED_MAX ((off_t)2 << 30)
#define PATIENCE          2000u
/* Each call in flight has two connections; the rest is files. */
#define DESCRIPTORS_OTHER 256u

/* ------------------------------------------------------------------ configuration */

static struct config *check_config(struct doctor *doctor)
{
    const char *path = doctor->options->config ? doctor->options->config : CONFIG_DEFAULT;
    struct doctor_report *report = &doctor->report;
    struct config_problems problems;
    struct config *config = NULL;
    config_problems_open(&problems);
    enum error error = config_load(path, &config, &problems);
    for (size_t i = 0; i < problems.count && i < PROBLEMS_SHOWN; i++) {
        const struct config_problem *problem = &problems.items[i];
        bool warning = problem->severity == CONFIG_WARNING;
        char line[16] = "";
        if (problem->line > 0) /* else it is about the file as a whole */
            (void)snprintf(line, sizeof line, ":%u", problem->line);
        doctor_say(report, warning ? DOCTOR_WARN : DOCTOR_FAIL, "config",
                   "`turnpike check FILE` shows all of it, with the lines", "%s%s: %.*s%s%.*s",
                   path, line, TEXT_ARG(problem->path), text_empty(problem->path) ? "" : ": ",
                   TEXT_ARG(problem->message));
    }
    if (error && problems.error_count == 0)
        doctor_say(report, DOCTOR_FAIL, "config", "--config FILE names the file", "%s: %s", path,
                   error_meaning(error));
    if (!error)
        doctor_say(report, DOCTOR_PASS, "config", NULL,
                   "%s: %zu %s, %zu %s, %zu %s; secrets of env: and file: are there", path,
                   config->listener_count, config->listener_count == 1 ? "listener" : "listeners",
                   config->provider_count, config->provider_count == 1 ? "provider" : "providers",
                   config->model_count, config->model_count == 1 ? "model" : "models");
    config_problems_close(&problems);
    return config;
}

/* ------------------------------------------------------------------ certificates */

enum doctor_result doctor_judge_expiry(int64_t not_after, char until[64], const char **fix)
{
    int64_t left = not_after - (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND);
    char moment[CLOCK_RFC3339_SIZE] = "";
    if (not_after > 0)
        (void)clock_format_rfc3339((uint64_t)not_after * NANOSECONDS_PER_SECOND, moment);
    (void)snprintf(until, 64, "good until %.10s (%lld days)", moment, (long long)(left / 86400));
    *fix = "renew it; a changed file is read without a restart";
    if (left <= 0)
        return DOCTOR_FAIL;
    if (left < 14 * 86400)
        return DOCTOR_WARN;
    *fix = NULL;
    return DOCTOR_PASS;
}

static void check_key_file(struct doctor *doctor, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && (status.st_mode & 0007) != 0)
        doctor_say(&doctor->report, DOCTOR_WARN, "certificate",
                   "chmod 0600, or 0640 with a group "
                   "of the gateway's own",
                   "%s: every user of this machine may read the key", path);
}

static void check_listener(struct doctor *doctor, const struct config_listener *listener)
{
    char reason[TLS_REASON_SIZE], until[64];
    struct tls_context *context = NULL;
    if (!listener->tls_enabled)
        return;
    if (tls_server_context_create(&listener->tls, NULL, &context, reason) != ERROR_OK)
        doctor_say(&doctor->report, DOCTOR_FAIL, "certificate", "the listener cannot start with it",
                   "listener %.*s: %s", TEXT_ARG(listener->name), reason);
    tls_context_release(context);
    for (size_t i = 0; context && i < listener->tls.certificate_count; i++) {
        const struct tls_certificate_files *files = &listener->tls.certificates[i];
        const char *fix;
        enum doctor_result result =
            doctor_judge_expiry(tls_certificate_end(files->certificate_path), until, &fix);
        doctor_say(&doctor->report, result, "certificate", fix, "listener %.*s: %s, %s",
                   TEXT_ARG(listener->name), files->certificate_path, until);
        check_key_file(doctor, files->key_path);
    }
}

/* ------------------------------------------------------------------ the data directory */

/* Whether what is in it can be looked at. */
static bool check_directory(struct doctor *doctor, const char *data)
{
    struct doctor_report *report = &doctor->report;
    struct stat status;
    bool there = stat(data, &status) == 0;
    bool is_directory = there && S_ISDIR(status.st_mode);
    if ((!there && errno == EACCES) || (is_directory && access(data, R_OK | W_OK | X_OK) != 0)) {
        doctor_say(report, DOCTOR_FAIL, "data",
                   "run this as the gateway's user; if it is, chown the directory to it",
                   "%s: this user may not read and write it; disk, store and journal are not "
                   "checked",
                   data);
        return false;
    }
    if (!is_directory) {
        doctor_say(report, DOCTOR_FAIL, "data", "--data DIR names the data directory of the server",
                   "%s: %s", data, there ? "it is not a directory" : strerror(errno));
        return false;
    }
    if ((status.st_mode & 0077) != 0)
        doctor_say(report, DOCTOR_WARN, "data",
                   "chmod 0700: it holds who may do what, and what "
                   "was done",
                   "%s: mode %04o, others than its owner may look into it", data,
                   (unsigned)status.st_mode & 07777);
    else
        doctor_say(report, DOCTOR_PASS, "data", NULL, "%s: writable, mode %04o", data,
                   (unsigned)status.st_mode & 07777);
    return true;
}

/* Nanoseconds to write and sync PROBE_BYTES in a file without a name; 0: it could not be done. */
static uint64_t measure_disk(const char *data)
{
    int file = open(data, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    char *bytes = calloc(1, PROBE_BYTES);
    uint64_t began = clock_monotonic(), took = 0;
    if (file >= 0 && bytes && write(file, bytes, PROBE_BYTES) == (ssize_t)PROBE_BYTES &&
        fdatasync(file) == 0)
        took = clock_monotonic() - began;
    free(bytes);
    if (file >= 0)
        (void)close(file);
    return took;
}

static void check_space(struct doctor *doctor, const struct statvfs *space, uint64_t needed)
{
    struct doctor_report *report = &doctor->report;
    uint64_t free_bytes = (uint64_t)space->f_bavail * space->f_frsize;
    unsigned percent = space->f_blocks ? (unsigned)(space->f_bavail * 100 / space->f_blocks) : 100;
    unsigned long long megabytes = free_bytes >> 20;
    if (space->f_files > 0 && space->f_favail == 0)
        doctor_say(report, DOCTOR_FAIL, "disk", "remove files: calls are refused for it",
                   "the file system has no room for another file");
    else if (free_bytes < needed)
        doctor_say(report, DOCTOR_FAIL, "disk", "make room: calls are refused when there is none",
                   "%llu MiB free; the journal may take %llu (ledger.journal_limit)", megabytes,
                   (unsigned long long)(needed >> 20));
    else
        doctor_say(report, percent < SPACE_LOW_PERCENT ? DOCTOR_WARN : DOCTOR_PASS, "disk",
                   percent < SPACE_LOW_PERCENT ? "make room before calls are refused for it" : NULL,
                   "%llu MiB free, %u %%", megabytes, percent);
}

static void check_disk(struct doctor *doctor, const char *data, const struct config *config)
{
    struct statvfs space;
    uint64_t took = measure_disk(data);
    bool slow = took > PROBE_SLOW_SECONDS * NANOSECONDS_PER_SECOND;
    if (statvfs(data, &space) == 0)
        check_space(doctor, &space, config ? config->ledger.journal_limit : 0);
    if (took == 0)
        doctor_say(&doctor->report, DOCTOR_WARN, "disk speed",
                   "look at the disk and its file system", "%u MiB could not be written and synced",
                   PROBE_BYTES >> 20);
    else
        doctor_say(&doctor->report, slow ? DOCTOR_WARN : DOCTOR_PASS, "disk speed",
                   slow ? "the ledger's import will lag: put the data directory on a local disk"
                        : NULL,
                   "%u MiB written and synced in %llu ms", PROBE_BYTES >> 20,
                   (unsigned long long)(took / NANOSECONDS_PER_MILLISECOND));
}

/* ------------------------------------------------------------------ the store */

static bool run_quick_check(struct store *store, char *out, size_t size)
{
    struct store_statement *statement = NULL;
    bool row = false;
    if (store_prepare(store, "PRAGMA quick_check(1)", &statement) != ERROR_OK ||
        store_step(statement, &row) != ERROR_OK || !row)
        (void)text_copy_to(text_from(store_problem(store)), out, size);
    else
        (void)text_copy_to(store_column_text(statement, 0), out, size);
    store_finish(statement);
    return text_equal(text_from(out), TEXT("ok"));
}

static void check_backlog(struct doctor *doctor, const char *data, struct store *store)
{
    uint64_t calls = 0;
    if (backlog_count(data, store, clock_wall() - BACKLOG_AGE, &calls) != ERROR_OK)
        doctor_say(&doctor->report, DOCTOR_WARN, "journal", "run this as the gateway's user",
                   "the journals cannot be read");
    else if (calls > 0)
        doctor_say(&doctor->report, DOCTOR_WARN, "journal",
                   "start the server: it takes them into the store. If one runs, its log says why "
                   "the store does not take them",
                   "%llu calls of more than a minute ago are not in the store yet",
                   (unsigned long long)calls);
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "journal", NULL, "all calls are in the store");
}

static void check_store(struct doctor *doctor, const char *data)
{
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE] = "", said[256] = "";
    struct store *store = NULL;
    struct stat status = {0};
    if (!data_path(data, STORE_FILE, path))
        return;
    if (access(path, R_OK) != 0 && errno == EACCES) {
        doctor_say(&doctor->report, DOCTOR_FAIL, "store",
                   "run this as the gateway's user; if it is, chown the file to it",
                   "%s: this user may not read it; it and the journal are not checked", path);
        return;
    }
    enum error error = store_open(path, STORE_READ, PATIENCE, &store, problem);
    if (error == ERROR_NOT_FOUND)
        doctor_say(&doctor->report, DOCTOR_WARN, "store",
                   "the first `turnpike serve`, or `turnpike "
                   "key create`, makes it",
                   "there is none yet in %s", data);
    if (error) {
        if (error != ERROR_NOT_FOUND)
            doctor_say(&doctor->report, DOCTOR_FAIL, "store",
                       "docs/operations.md says how to restore it", "%s",
                       problem[0] ? problem : error_meaning(error));
        return;
    }
    (void)stat(path, &status);
    if (status.st_size > STORE_CHECKED_MAX)
        doctor_say(&doctor->report, DOCTOR_PASS, "store", NULL,
                   "opens; too large to be read whole here (%lld MiB)",
                   (long long)(status.st_size >> 20));
    else if (run_quick_check(store, said, sizeof said))
        doctor_say(&doctor->report, DOCTOR_PASS, "store", NULL,
                   "opens, its pages are sound (%lld MiB)", (long long)(status.st_size >> 20));
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "store",
                   "docs/operations.md says how to restore it", "%s", said);
    check_backlog(doctor, data, store);
    store_close(store);
}

/* ------------------------------------------------------------------ limits */

/* The hard limit is what `turnpike serve` raises itself to. */
static void check_files(struct doctor *doctor, const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    uint64_t callers = config->limits.connections * config->workers;
    uint64_t wanted = 2 * callers + DESCRIPTORS_OTHER;
    unsigned long long may = (unsigned long long)limit.rlim_max;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
        doctor_say(&doctor->report, DOCTOR_WARN, "files",
                   "raise LimitNOFILE= of the service (or ulimit -Hn), or lower limits.connections",
                   "this user may open %llu files; %llu callers at a time, as limits.connections "
                   "has it, want %llu",
                   may, (unsigned long long)callers, (unsigned long long)wanted);
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "files", NULL,
                   "enough for limits.connections (%llu may be open)", may);
}

/* ------------------------------------------------------------------ the whole */

static void check_all(struct doctor *doctor, const char *data)
{
    struct config *config = check_config(doctor);
    if (config) {
        for (size_t i = 0; i < config->listener_count; i++)
            check_listener(doctor, &config->listeners[i]);
        check_listener(doctor, &config->admin);
        check_files(doctor, config);
    }
    if (check_directory(doctor, data)) {
        check_disk(doctor, data, config);
        check_store(doctor, data);
    }
    if (config)
        doctor_check_providers(doctor, config);
    if (config)
        doctor_check_issuers(doctor, config, data);
    config_release(config);
}

int doctor_local_run(struct doctor *doctor)
{
    const char *data = doctor->options->data ? doctor->options->data : DATA_DEFAULT;
    arena_open(&doctor->arena, NULL, ARENA_MAX);
    doctor_call_open(&doctor->call);
    doctor_report_open(&doctor->report, TEXT("this host"), doctor->options->json,
                       doctor->options->strict);
    check_all(doctor, data);
    int exit_code = doctor_report_finish(&doctor->report);
    doctor_report_close(&doctor->report);
    doctor_call_close(&doctor->call);
    arena_close(&doctor->arena);
    return exit_code;
}
