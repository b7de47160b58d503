/* turnpike serve: runs the gateway in the foreground.
 *
 * The main thread waits for signals, for changes of the configuration's files and for the end:
 * SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends the drain at once. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/console.h"
#include "admin/sessions.h"
#include "app/admin_session.h"
#include "app/gateway.h"
#include "app/paths.h"
#include "app/quick_start.h"
#include "app/verb.h"
#include "app/watch.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "config/document.h"
#include "config/load.h"
#include "control/config_versions.h"
#include "control/taken_back.h"
#include "net/listener.h"

#define YAML_MAXIMUM            (DOCUMENT_BYTES_MAXIMUM + 131072u) /* a byte too many is told */
#define CONFIG_DEFAULT          "./turnpike.yaml"
#define QUICK_START_ADDRESS     "127.0.0.1:8080"
#define QUICK_START_KEY_DAYS    30
#define QUICK_START_ADMIN_PORT  8081u
#define QUICK_START_ADMIN_PORTS 10u /* more taken ones in a row are no accident */
#define OUTPUT_MAXIMUM          (1024u * 1024u)
/* One for each caller, one for each call to a provider, and the rest. */
#define DESCRIPTORS_WANTED 65536u
/* Fewer than that is worth a word: some 4,000 calls in flight. */
#define DESCRIPTORS_FEW 8192u

struct serve_options {
    const char *config;
    const char *data;
    bool quick_start;
    const char *listen;
};

static const struct option serve_option_rows[] = {
    OPTION_TEXT_ROW("config", struct serve_options, config, "FILE",
                    "configuration file [./turnpike.yaml; without one: quick start]", OPTION_FILE),
    OPTION_TEXT_ROW("data", struct serve_options, data, "DIR", "data directory [./data]",
                    OPTION_DIRECTORY),
    OPTION_FLAG_ROW("quick-start", struct serve_options, quick_start,
                    "configure from the environment, make a key, print how to call"),
    OPTION_TEXT_ROW("listen", struct serve_options, listen, "ADDRESS",
                    "with --quick-start: where to listen [127.0.0.1:8080]", OPTION_ANY),
    OPTION_END,
};

struct serve {
    const struct serve_options *options;
    const char *data;
    const char *config_path; /* NULL: quick start */
    struct loop *loop;
    struct gateway *gateway;
    struct watch *watch;
    struct loop_watch *signals;
    int signal_descriptor;
    bool ending;
    struct buffer yaml;            /* of the file as it was read last, */
    struct buffer in_force;        /* and as it is in force */
    char admin[ADDRESS_TEXT_SIZE]; /* of a quick start: where its console is; empty: nowhere */
};

/* What a quick start tells, once. */
struct welcome {
    struct secret *key;  /* for calls */
    struct secret *code; /* for the console; NULL: no browser gets there */
};

/* ---- the configuration ---- */

static void print_problems(const struct config_problems *problems)
{
    struct buffer out;

    buffer_open(&out, OUTPUT_MAXIMUM);
    config_problems_write(problems, isatty(STDERR_FILENO), &out);
    if (out.length > 0)
        fwrite(out.data, 1, out.length, stderr);
    buffer_close(&out);
}

/* The port behind that of the calls, or one of the next: llama.cpp likes 8081 too. None is no
 * reason to serve no calls. */
static void choose_admin_address(struct serve *serve, const char *listen)
{
    struct address calls, address;
    int descriptor;

    if (address_parse(text_from(listen), &calls) != ERROR_OK)
        return;
    unsigned first = address_port(&calls) ? address_port(&calls) + 1u : QUICK_START_ADMIN_PORT;
    for (unsigned port = first; port < first + QUICK_START_ADMIN_PORTS && port <= UINT16_MAX;
         port++) {
        (void)snprintf(serve->admin, sizeof(serve->admin), "127.0.0.1:%u", port);
        if (address_parse(text_from(serve->admin), &address) == ERROR_OK &&
            listener_bind_private(&address, 1, &descriptor) == ERROR_OK) {
            close(descriptor);
            return;
        }
    }
    serve->admin[0] = '\0';
    note_warning("serve", "there is no console: ports %u to %u of 127.0.0.1 are taken", first,
                 first + QUICK_START_ADMIN_PORTS - 1);
}

static enum error load_quick_start(const struct serve *serve, struct config **out,
                                   struct config_problems *problems)
{
    struct buffer yaml, found;
    const char *listen = serve->options->listen ? serve->options->listen : QUICK_START_ADDRESS;

    buffer_open(&yaml, OUTPUT_MAXIMUM);
    buffer_open(&found, OUTPUT_MAXIMUM);
    enum error error = ERROR_LIMIT;
    if (quick_start_config(text_from(listen), text_from(serve->admin), &yaml, &found))
        error = config_load_text(TEXT("quick start"), buffer_text(&yaml), out, problems);
    if (error == ERROR_OK)
        printf("%.*s", TEXT_ARG(buffer_text(&found)));
    buffer_close(&found);
    buffer_close(&yaml);
    return error;
}

/* Rules that the gateway has taken back are only observed. To enforce them because the disk does
 * not say which they are would cut off who is let in now. */
static enum error load_yaml(const struct serve *serve, struct text yaml, struct config **out,
                            struct config_problems *problems)
{
    const struct config_taken_back *taken_back;
    struct arena arena;
    size_t count;

    arena_open(&arena, NULL, OUTPUT_MAXIMUM);
    enum error error = taken_back_read(serve->data, &arena, &taken_back, &count);
    if (error)
        note_error("serve", "%s/" TAKEN_BACK_FILE " cannot be read: %s", serve->data,
                   error_meaning(error));
    else
        error = config_load_guarded(text_from(serve->config_path), yaml, taken_back, count, out,
                                    problems);
    arena_close(&arena);
    return error;
}

static enum error load_file(struct serve *serve, struct config **out,
                            struct config_problems *problems)
{
    buffer_clear(&serve->yaml);
    enum error error = config_read_file(serve->config_path, &serve->yaml, problems);
    return error ? error : load_yaml(serve, buffer_text(&serve->yaml), out, problems);
}

/* For `turnpike rollback`. A gateway that cannot keep it serves all the same. */
static void keep_version(const struct serve *serve)
{
    uint64_t number;

    if (!serve->config_path)
        return;
    enum error error =
        config_versions_keep(serve->data, serve->config_path, buffer_text(&serve->yaml), &number);
    if (error)
        note_warning("serve",
                     "the configuration in force is not kept in %s/" CONFIG_VERSIONS_DIRECTORY
                     ": %s; `turnpike rollback` will not find it",
                     serve->data, error_meaning(error));
}

static enum error load(struct serve *serve, struct config **out)
{
    struct config_problems problems;

    config_problems_open(&problems);
    enum error error = serve->config_path ? load_file(serve, out, &problems)
                                          : load_quick_start(serve, out, &problems);
    print_problems(&problems);
    config_problems_close(&problems);
    return error;
}

static void note_lines(const char *part, struct text rest)
{
    while (rest.length > 0) {
        struct text line = text_split(&rest, '\n');
        if (line.length > 0)
            note_info(part, "%.*s", TEXT_ARG(line));
    }
}

static void note_difference(const struct config *old, const struct config *new)
{
    struct buffer out;

    buffer_open(&out, OUTPUT_MAXIMUM);
    config_describe_difference(old, new, &out);
    if (out.length == 0)
        note_info(
            "reload",
            "nothing in the configuration has changed; certificates and secrets were read again");
    note_lines("reload", buffer_text(&out));
    buffer_close(&out);
}

static void note_taken_back(const struct config *config)
{
    struct buffer out;

    buffer_open(&out, OUTPUT_MAXIMUM);
    config_describe_taken_back(config, &out);
    note_lines("serve", buffer_text(&out));
    buffer_close(&out);
}

/* The configuration is in force: what is beside its file follows. */
static void follow(struct serve *serve, const struct config *config)
{
    keep_version(serve);
    buffer_clear(&serve->in_force);
    buffer_append(&serve->in_force, buffer_text(&serve->yaml));
    if (serve->config_path && taken_back_prune(serve->data, config) != ERROR_OK)
        note_warning("serve", "%s/" TAKEN_BACK_FILE " cannot be written", serve->data);
}

static void reload(struct serve *serve)
{
    struct config *config = NULL;
    char problem[GATEWAY_PROBLEM_SIZE] = "";

    if (serve->ending)
        return;
    /* What is written while this goes on is loaded next. */
    watch_note(serve->watch);
    if (load(serve, &config) != ERROR_OK) {
        gateway_tell_refused_reload(serve->gateway,
                                    TEXT("it has errors, which the log of the gateway has"));
        note_error("reload", "%s has errors: the configuration in force stays",
                   serve->config_path ? serve->config_path : "the quick start's configuration");
        return;
    }
    struct config *old = config_hold(gateway_config(serve->gateway));
    if (gateway_reload(serve->gateway, config, problem) != ERROR_OK) {
        note_error("reload", "%s: the configuration in force stays", problem);
    } else {
        note_difference(old, config);
        note_info("reload", "configuration %llu is in force",
                  (unsigned long long)config->generation);
        follow(serve, config);
        watch_set(serve->watch, serve->config_path, config);
    }
    config_release(old);
    config_release(config);
}

/* The gateway has made rules of listeners observed: what is in force is loaded anew, whatever the
 * file says by now. */
static void on_taken_back(void *owner)
{
    struct serve *serve = owner;
    struct config_problems problems;
    struct config *config = NULL;
    char problem[GATEWAY_PROBLEM_SIZE] = "it has errors now";

    if (serve->ending || !serve->config_path)
        return;
    config_problems_open(&problems);
    enum error error = load_yaml(serve, buffer_text(&serve->in_force), &config, &problems);
    if (!error) {
        struct config *old = config_hold(gateway_config(serve->gateway));
        error = gateway_reload(serve->gateway, config, problem);
        if (!error)
            note_difference(old, config);
        config_release(old);
    }
    if (error)
        note_error("guard",
                   "the configuration in force cannot be loaded anew, so that rules that "
                   "refuse who used to get through stay enforced: %s",
                   problem);
    print_problems(&problems);
    config_problems_close(&problems);
    config_release(config);
}

static void on_files_changed(void *owner)
{
    reload(owner);
}

/* ---- signals ---- */

static void end_serving(struct serve *serve, const char *signal_name)
{
    note_info("serve", serve->ending ? "%s again: ending now" : "%s: draining", signal_name);
    serve->ending = true;
    gateway_drain(serve->gateway);
}

static void on_signal(void *owner, unsigned events)
{
    struct serve *serve = owner;
    struct signalfd_siginfo info;

    (void)events;
    while (read(serve->signal_descriptor, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGHUP: reload(serve); break;
        case SIGTERM: end_serving(serve, "SIGTERM"); break;
        case SIGINT: end_serving(serve, "SIGINT"); break;
        default: break;
        }
    }
}

/* Before any thread is started, so that all of them have the signals blocked and only the main loop
 * reads them. */
static bool take_signals(struct serve *serve)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    serve->signal_descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return serve->signal_descriptor >= 0 &&
           loop_watch_open(serve->loop, serve->signal_descriptor, on_signal, serve,
                           &serve->signals) == ERROR_OK;
}

static void on_ended(void *owner)
{
    struct serve *serve = owner;

    loop_stop(serve->loop);
}

/* ---- the process ---- */

/* Provider keys are in this memory: no core dumps, no attaching by other processes of this user. */
static void protect_memory(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < DESCRIPTORS_FEW)
        note_warning("serve",
                     "only %llu files may be open: that many callers and calls to providers; raise "
                     "the limit (ulimit -n, LimitNOFILE=)",
                     (unsigned long long)limit.rlim_cur);
}

/* ---- the quick start's key ---- */

#define WORDS(number)    WORDS_OF(number)
#define WORDS_OF(number) #number

static void free_welcome(struct welcome *welcome)
{
    secret_free(welcome->key);
    secret_free(welcome->code);
}

/* As `turnpike key create` and `turnpike console` make them: they are in the audit, too. */
static bool prepare_welcome(const struct verb *verb, const struct serve *serve,
                            struct welcome *welcome)
{
    struct admin_session session;
    struct object_change wanted;
    struct operation_result result = {0};

    admin_session_begin(&session, verb, serve->data);
    object_open(&wanted, OBJECT_KEY);
    admin_say_text(&wanted, OBJECT_KEY_name, "quick-start");
    admin_say_text(&wanted, OBJECT_KEY_expires_at, WORDS(QUICK_START_KEY_DAYS) "d");
    bool made = admin_session_open(&session, true);
    if (made && (!operations_create(&session.operations, &wanted, &result) ||
                 (serve->admin[0] && !sessions_make_code(&session.operations, TEXT("owner"),
                                                         TEXT(""), &welcome->code)))) {
        (void)admin_session_fail(&session);
        made = false;
    }
    welcome->key = result.secret;
    admin_session_end(&session);
    return made;
}

static void print_console(const struct serve *serve, const struct secret *code)
{
    struct text code_text = secret_expose(code);

    printf("Console   http://%s/console/#code=%.*s\n"
           "          (good once, within five minutes; `turnpike console` prints another)\n",
           serve->admin, TEXT_ARG(code_text));
}

static void print_welcome(const struct serve *serve, const struct welcome *welcome)
{
    const struct config_listener *listener = &gateway_config(serve->gateway)->listeners[0];
    struct text key_text = secret_expose(welcome->key);

    printf("\nBase URL  http://%.*s/v1\n"
           "Key       %.*s   (shown once; valid for %d days)\n",
           TEXT_ARG(listener->address_text), TEXT_ARG(key_text), QUICK_START_KEY_DAYS);
    if (welcome->code && console_is_built())
        print_console(serve, welcome->code);
    printf("\nTry it:\n\n"
           "curl http://%.*s/v1/chat/completions \\\n"
           "  -H 'Authorization: Bearer %.*s' \\\n"
           "  -H 'Content-Type: application/json' \\\n"
           "  -d '{\"model\": \"demo\", \"messages\": [{\"role\": \"user\", \"content\": "
           "\"Hello!\"}]}'\n\n"
           "Stop with Ctrl-C. Every call appears below.\n\n",
           TEXT_ARG(listener->address_text), TEXT_ARG(key_text));
}

static void print_ready(const struct serve *serve)
{
    struct buffer addresses;

    buffer_open(&addresses, OUTPUT_MAXIMUM);
    gateway_describe_addresses(serve->gateway, &addresses);
    printf("turnpike %s listening on %.*s\n", TURNPIKE_VERSION, TEXT_ARG(buffer_text(&addresses)));
    buffer_close(&addresses);
}

/* ---- the verb ---- */

static int start_and_run(struct serve *serve, struct config *config, const struct welcome *welcome)
{
    char problem[GATEWAY_PROBLEM_SIZE] = "";
    const struct gateway_settings settings = {.loop = serve->loop,
                                              .config = config,
                                              .data = serve->data,
                                              .access_log_brief =
                                                  welcome->key && isatty(STDOUT_FILENO),
                                              .on_ended = on_ended,
                                              .on_taken_back = on_taken_back,
                                              .owner = serve};

    if (gateway_start(&settings, &serve->gateway, problem) != ERROR_OK)
        return verb_fail("%s", problem);
    serve->watch = ensure_memory(watch_create(serve->loop, on_files_changed, serve));
    watch_set(serve->watch, serve->config_path, config);
    loop_watch_set(serve->signals, LOOP_READABLE);
    follow(serve, config);
    note_taken_back(config);
    print_ready(serve);
    if (welcome->key)
        print_welcome(serve, welcome);
    fflush(stdout);
    loop_run(serve->loop);
    watch_destroy(serve->watch);
    gateway_free(serve->gateway);
    return VERB_OK;
}

static bool file_exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static int serve_run(const struct verb_call *call)
{
    const struct serve_options *options = call->options;
    struct serve serve = {.options = options, .data = options->data ? options->data : DATA_DEFAULT};
    struct config *config = NULL;
    struct welcome welcome = {0};
    int code = VERB_FAILED;

    if (options->quick_start && options->config)
        return verb_misused(call->verb,
                            "--quick-start makes its own configuration: leave out --config");
    serve.config_path = options->config;
    if (!options->config && !options->quick_start && file_exists(CONFIG_DEFAULT))
        serve.config_path = CONFIG_DEFAULT;
    buffer_open(&serve.yaml, YAML_MAXIMUM);
    buffer_open(&serve.in_force, YAML_MAXIMUM);
    if (!serve.config_path)
        choose_admin_address(&serve, options->listen ? options->listen : QUICK_START_ADDRESS);
    protect_memory();
    raise_descriptor_limit();
    serve.loop = ensure_memory(loop_create());
    if (!take_signals(&serve))
        code = verb_fail("signals cannot be taken: %s", error_meaning(error_from_errno(errno)));
    else if (load(&serve, &config) == ERROR_OK &&
             (!options->quick_start || prepare_welcome(call->verb, &serve, &welcome)))
        code = start_and_run(&serve, config, &welcome);
    free_welcome(&welcome);
    config_release(config);
    buffer_close(&serve.yaml);
    buffer_close(&serve.in_force);
    if (serve.signals)
        loop_watch_close(serve.signals);
    if (serve.signal_descriptor > 0)
        close(serve.signal_descriptor);
    loop_destroy(serve.loop);
    return code;
}

const struct verb verb_serve = {
    .name = "serve",
    .summary = "Run the gateway",
    .options = serve_option_rows,
    .options_size = sizeof(struct serve_options),
    .description =
        "Runs in the foreground and prints one line with its addresses once it accepts calls. The\n"
        "access log follows on stdout (see access_log in the configuration), notes go to "
        "stderr.\n\n"
        "SIGHUP, or a change of the file, reloads the configuration; a file with errors leaves the "
        "one\n"
        "in force. SIGTERM and SIGINT take no new calls, let open ones finish (drain_timeout), and "
        "end\n"
        "with exit code 0; a second one ends at once.",
    .examples = "turnpike serve --config turnpike.yaml --data /var/lib/turnpike\n"
                "turnpike serve --quick-start  # no file, no account: try it out\n",
    .run = serve_run,
};
