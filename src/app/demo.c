/* turnpike demo: a gateway that has been in use for months, in seconds, to look around in: sample
 * data in a directory of its own, then a gateway over it that calls are made to.
 *
 *   (nothing there) ── seed ──▶ DIR: the store, demo.yaml, demo.keys ── serve ──▶ a gateway, and a
 *                                                                       process that calls it */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/console.h"
#include "admin/sessions.h"
#include "app/admin_session.h"
#include "app/demo_traffic.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/number.h"
#include "config/document.h"
#include "config/load.h"
#include "sample/seed.h"

#define DEMO_DATA     "./demo-data"
#define DEMO_LISTEN   "127.0.0.1:8080"
#define DEMO_ADMIN    "127.0.0.1:8081"
#define CONFIG_FILE   "demo.yaml"
#define KEYS_FILE     "demo.keys"
#define LOCK_FILE     "lock" /* held by whoever works on the directory alone */
#define KEYS_FILE_MAX 16384u
#define ADMINISTRATOR "(administrator)" /* in place of a key's name */
#define SELF          "/proc/self/exe"
#define START_SECONDS 30u /* to wait for the gateway, before nothing is called */

struct demo_options {
    const char *data, *days, *random, *listen, *admin;
    bool seed;
};

struct demo {
    const struct verb *verb;
    const struct demo_options *options;
    const char *data;
    struct text listen, admin;
    uint64_t days, random;
    struct secret *keys[CAST_KEYS];
    struct secret *admin_key;
};

/* ------------------------------------------------------------------ files of the directory */

static bool write_file(const struct demo *demo, const char *name, struct text content)
{
    char path[PATH_SIZE];
    if (!data_path(demo->data, name, path))
        return false;
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = file >= 0 && write(file, content.data, content.length) == (ssize_t)content.length;
    if (!good)
        (void)verb_fail("%s cannot be written: %s", path, error_meaning(error_from_errno(errno)));
    if (file >= 0)
        close(file);
    return good;
}

static bool write_config(const struct demo *demo, struct buffer *yaml)
{
    return setting_write(demo->listen, demo->admin, yaml) &&
           write_file(demo, CONFIG_FILE, buffer_text(yaml));
}

/* "NAME KEY" a line. They open a throw-away store on this machine and nothing else. */
static bool write_keys(const struct demo *demo, const struct past *past)
{
    struct buffer lines;
    buffer_open(&lines, KEYS_FILE_MAX);
    buffer_append_format(&lines, ADMINISTRATOR " %.*s\n", TEXT_ARG(secret_expose(past->admin_key)));
    for (size_t i = 0; i < CAST_KEYS; i++)
        buffer_append_format(&lines, "%.*s %.*s\n", TEXT_ARG(cast_keys[i].name),
                             TEXT_ARG(secret_expose(past->keys[i].secret)));
    bool good = !lines.failed && write_file(demo, KEYS_FILE, buffer_text(&lines));
    secret_wipe(lines.data, lines.length);
    buffer_close(&lines);
    return good;
}

static void take_key(struct demo *demo, struct text line)
{
    struct text name = text_split(&line, ' ');
    const struct cast_key *row = cast_find_key(name);
    if (text_equal(name, TEXT(ADMINISTRATOR)))
        demo->admin_key = secret_make(line);
    else if (row && demo->keys[row - cast_keys] == NULL)
        demo->keys[row - cast_keys] = secret_make(line);
}

static bool read_keys(struct demo *demo)
{
    char path[PATH_SIZE];
    if (!data_path(demo->data, KEYS_FILE, path))
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return verb_fail("%s cannot be read: %s", path, error_meaning(error_from_errno(errno))) ==
               VERB_OK;
    char line[256];
    while (fgets(line, sizeof line, file))
        take_key(demo, text_of(line, strcspn(line, "\n")));
    secret_wipe(line, sizeof line);
    fclose(file);
    return true;
}

static bool file_is_there(const struct demo *demo, const char *name)
{
    char path[PATH_SIZE];
    return data_path(demo->data, name, path) && access(path, F_OK) == 0;
}

/* ------------------------------------------------------------------ filling it */

/* No gateway may start on the directory, or run on it, meanwhile. -1: said why not. */
static int lock_directory(const struct demo *demo)
{
    char path[PATH_SIZE];
    if (!data_path(demo->data, LOCK_FILE, path))
        return -1;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
        return file;
    (void)verb_fail(file < 0 ? "%s cannot be opened"
                             : "a gateway runs on %s: stop it first, or "
                               "name another directory with --data",
                    file < 0 ? path : demo->data);
    if (file >= 0)
        close(file);
    return -1;
}

static void show_progress(void *owner, uint64_t done, uint64_t total)
{
    progress_show(owner, done / (3600 * NANOSECONDS_PER_SECOND),
                  total / (3600 * NANOSECONDS_PER_SECOND));
}

static void print_seeded(const struct demo *demo, const struct seed_result *result, uint64_t began)
{
    char cost[MONEY_TEXT_SIZE];
    (void)money_format_people(result->cost, cost);
    printf("%s: %llu days with %llu calls for %s by %d keys of %d teams, in %.1f s\n", demo->data,
           (unsigned long long)demo->days, (unsigned long long)result->calls, cost, CAST_KEYS,
           CAST_TEAMS, (double)(clock_monotonic() - began) / (double)NANOSECONDS_PER_SECOND);
}

static bool fill(struct demo *demo, struct admin_session *session, const struct setting *setting)
{
    struct progress progress;
    struct seed_result result = {0};
    uint64_t began = clock_monotonic();
    const struct seed_order order = {
        .operations = &session->operations,
        .setting = setting,
        .now = clock_wall(),
        .days = (unsigned)demo->days,
        .random = demo->random,
        .progress = show_progress,
        .owner = &progress,
    };
    progress_begin(&progress, "Seeding", true);
    bool good = seed_run(&order, &result);
    progress_end(&progress);
    if (!good)
        (void)verb_fail("%s: %s", demo->data, result.problem);
    good = good && write_keys(demo, &result.past);
    if (good)
        print_seeded(demo, &result, began);
    past_close(&result.past);
    return good;
}

static bool check_empty(const struct demo *demo, struct admin_session *session)
{
    char found[SEED_PROBLEM_SIZE];
    return seed_is_empty(session->store, found) ||
           verb_fail("%s is in use (there is something in %s): sample data goes into a directory "
                     "of its own; name one that is empty or not there with --data",
                     demo->data, found) == VERB_OK;
}

static bool seed_session(struct demo *demo, struct admin_session *session)
{
    struct setting setting = {0};
    struct buffer yaml;
    char problem[SETTING_PROBLEM_SIZE] = "";
    if (!admin_session_open(session, true))
        return false;
    int lock = lock_directory(demo);
    if (lock < 0)
        return false;
    buffer_open(&yaml, SETTING_YAML_MAX);
    bool good = check_empty(demo, session) && write_config(demo, &yaml);
    if (good && !setting_open(&setting, buffer_text(&yaml), problem))
        good = verb_fail("%s", problem) == VERB_OK;
    good = good && fill(demo, session, &setting);
    setting_close(&setting);
    buffer_close(&yaml);
    close(lock);
    return good;
}

static bool seed(struct demo *demo)
{
    struct admin_session session;
    admin_session_begin(&session, demo->verb, demo->data);
    bool good = seed_session(demo, &session);
    admin_session_end(&session);
    return good;
}

/* ------------------------------------------------------------------ serving it */

/* As `turnpike console` prints it. */
static void print_console(const struct demo *demo)
{
    struct admin_session session;
    struct secret *code = NULL;
    admin_session_begin(&session, demo->verb, demo->data);
    bool made = admin_session_open(&session, false) &&
                (sessions_make_code(&session.operations, TEXT("owner"), text_of(NULL, 0), &code) ||
                 admin_session_fail(&session) == VERB_OK);
    if (made)
        printf("Console    http://%.*s/console/#code=%.*s\n"
               "           (good once, within five minutes; `turnpike console --data %s` prints "
               "another)\n",
               TEXT_ARG(demo->admin), TEXT_ARG(secret_expose(code)), demo->data);
    secret_free(code);
    admin_session_end(&session);
}

static void print_welcome(const struct demo *demo)
{
    printf("\n");
    if (console_is_built())
        print_console(demo);
    printf("Admin API  http://%.*s\n"
           "Admin key  %.*s\n"
           "Base URL   http://%.*s/v1   (keys are in %s/" KEYS_FILE ")\n\n"
           "Stop with Ctrl-C; then `rm -r %s` leaves nothing behind.\n\n",
           TEXT_ARG(demo->admin), TEXT_ARG(secret_expose(demo->admin_key)), TEXT_ARG(demo->listen),
           demo->data, demo->data);
    fflush(stdout);
}

/* In a child of the gateway's process, which ends when the gateway does. */
static void make_traffic(const struct demo *demo, pid_t gateway)
{
    struct demo_traffic traffic = {.address = demo->listen};
    for (size_t i = 0; i < CAST_KEYS; i++)
        traffic.keys[i] = demo->keys[i];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != gateway || !demo_traffic_wait(&traffic, START_SECONDS))
        _exit(VERB_FAILED);
    print_welcome(demo);
    demo_traffic_run(&traffic);
}

/* The gateway is this process, as `turnpike serve` makes it. */
static int serve(const struct demo *demo)
{
    char config[PATH_SIZE];
    pid_t gateway = getpid();
    if (!data_path(demo->data, CONFIG_FILE, config))
        return VERB_FAILED;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        return verb_fail("a process for the calls cannot be made: %s",
                         error_meaning(error_from_errno(errno)));
    if (child == 0)
        make_traffic(demo, gateway);
    const char *const arguments[] = {"turnpike", "serve",    "--config", config,
                                     "--data",   demo->data, NULL};
    execv(SELF, (char *const *)arguments);
    return verb_fail(SELF " cannot be started: %s", error_meaning(error_from_errno(errno)));
}

static int serve_seeded(struct demo *demo)
{
    struct buffer yaml;
    buffer_open(&yaml, SETTING_YAML_MAX);
    bool good = write_config(demo, &yaml) && read_keys(demo);
    buffer_close(&yaml);
    if (good && demo->admin_key == NULL)
        return verb_fail("%s/" KEYS_FILE " names no administrator's key: seed another directory",
                         demo->data);
    return good ? serve(demo) : VERB_FAILED;
}

/* ------------------------------------------------------------------ the verb */

static int read_options(const struct verb_call *call, struct demo *demo)
{
    const struct demo_options *options = call->options;
    *demo = (struct demo){
        .verb = call->verb,
        .options = options,
        .data = options->data ? options->data : DEMO_DATA,
        .listen = text_from(options->listen ? options->listen : DEMO_LISTEN),
        .admin = text_from(options->admin ? options->admin : DEMO_ADMIN),
        .days = SEED_DAYS_DEFAULT,
        .random = 1,
    };
    if (options->days && (!number_parse_unsigned(text_from(options->days), &demo->days) ||
                          demo->days < 1 || demo->days > SEED_DAYS_MAX))
        return verb_misused(call->verb, "--days: %s is no number from 1 to %u", options->days,
                            SEED_DAYS_MAX);
    if (options->random && !number_parse_unsigned(text_from(options->random), &demo->random))
        return verb_misused(call->verb, "--random: %s is no whole number", options->random);
    return VERB_OK;
}

static int demo_run(const struct verb_call *call)
{
    struct demo demo;
    int code = read_options(call, &demo);
    if (code != VERB_OK)
        return code;
    bool ready = !demo.options->seed && file_is_there(&demo, KEYS_FILE);
    if (!ready && !seed(&demo))
        return VERB_FAILED;
    if (!demo.options->seed)
        code = serve_seeded(&demo);
    for (size_t i = 0; i < CAST_KEYS; i++)
        secret_free(demo.keys[i]);
    secret_free(demo.admin_key);
    return code;
}

static const struct option demo_option_rows[] = {
    OPTION_FLAG_ROW("seed", struct demo_options, seed, "only fill the directory"),
    OPTION_TEXT_ROW("data", struct demo_options, data, "DIR",
                    "a directory for it that is empty or not there, or that a demo has filled "
                    "[" DEMO_DATA "]",
                    OPTION_DIRECTORY),
    OPTION_TEXT_ROW("days", struct demo_options, days, "NUMBER",
                    "how far back the sample data goes [90]", OPTION_ANY),
    OPTION_TEXT_ROW("random", struct demo_options, random, "NUMBER",
                    "other calls for each number, the same for the same [1]", OPTION_ANY),
    OPTION_TEXT_ROW("listen", struct demo_options, listen, "ADDRESS",
                    "where callers connect [" DEMO_LISTEN "]", OPTION_ANY),
    OPTION_TEXT_ROW("admin", struct demo_options, admin, "ADDRESS",
                    "where administrators connect [" DEMO_ADMIN "]", OPTION_ANY),
    OPTION_END,
};

const struct verb verb_demo = {
    .name = "demo",
    .summary = "Run a gateway that looks as if it had been in use for months",
    .options = demo_option_rows,
    .options_size = sizeof(struct demo_options),
    .description =
        "Fills a throw-away directory with believable traffic, and serves it: six teams with "
        "budgets, 40 keys, 12 models of five providers at their real prices, errors, an outage "
        "that was survived, a cluster that is refused since it has moved, a key that leaked. All "
        "names are invented. What is asked is answered by the built-in demo model, offline, and a "
        "few calls are made all the time so that there is something to see.\n"
        "\n"
        "The calls become records, sums and bounces as those of any gateway do, so every page and "
        "verb shows them: point `turnpike usage`, `bounces` or `audit` at the same --data. A "
        "directory that has anything else in it is refused.",
    .examples = "turnpike demo  # fill ./demo-data, serve it, print how to look at it\n"
                "turnpike demo --seed --data /tmp/demo --days 30  # only fill it\n"
                "turnpike usage --data ./demo-data --by team --since 30d",
    .run = demo_run,
};
