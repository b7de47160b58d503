/* turnpike console: a link into the console, for whoever may work in the data directory. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#include "admin/api.h"
#include "admin/sessions.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "base/ensure.h"
#include "codec/json.h"

#define PATIENCE_SECONDS 5L
#define ANSWER_MAX       65536u
#define LINK_MAX         1024u
#define PAGE_NAME        "console-link.html" /* in the data directory, mode 0600 */

extern char **environ;

struct console_options {
    const char *data, *role, *team;
    bool open, json;
};

/* ---- where the console is ---- */

static size_t take(char *bytes, size_t size, size_t count, void *owner)
{
    return buffer_append(owner, text_of(bytes, size * count)) ? size * count : 0;
}

/* The gateway alone knows where it listens: its configuration may be another file by now. */
static bool ask(const char *data, struct buffer *out)
{
    char socket[PATH_SIZE];
    CURL *curl = ensure_memory(curl_easy_init());

    if (!data_path(data, API_SOCKET, socket)) {
        curl_easy_cleanup(curl);
        return false;
    }
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    (void)curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/admin/v1/sign_in");
    (void)curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, PATIENCE_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        (void)verb_fail("no gateway answers on %s (%s): start it (`turnpike serve`), or name its "
                        "data directory (--data DIR)",
                        socket, curl_easy_strerror(code));
    return code == CURLE_OK;
}

/* False when it has printed why no browser gets there. */
static bool find_console(const char *data, char url[LINK_MAX])
{
    struct buffer out;
    struct text found = text_of(NULL, 0);
    bool built = false;

    buffer_open(&out, ANSWER_MAX);
    bool good = ask(data, &out);
    yyjson_doc *document = good ? yyjson_read(out.data, out.length, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(document);
    (void)json_get_text(root, "url", &found);
    (void)json_get_bool(root, "console", &built);
    if (good && !built)
        good = verb_fail("this gateway was built without its console (docs/console.md)") == VERB_OK;
    else if (good && text_empty(found))
        good = verb_fail("no browser reaches this gateway, whose admin API is on a socket alone: "
                         "write `admin: {address: \"127.0.0.1:8081\"}` into its configuration") ==
               VERB_OK;
    else if (good)
        (void)text_copy_to(found, url, LINK_MAX);
    yyjson_doc_free(document);
    buffer_close(&out);
    return good;
}

/* ---- into the browser ---- */

/* A link on a command line would be seen by everybody on this machine. So the browser opens a file
 * that is ours alone, which leads there. */
static bool write_page(const char *path, const char *link)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (file < 0 || fchmod(file, 0600) != 0) {
        (void)verb_fail("%s: %s", path, error_meaning(error_from_errno(errno)));
        if (file >= 0)
            close(file);
        return false;
    }
    int written = dprintf(file,
                          "<!doctype html><meta charset=\"utf-8\"><title>Turnpike</title>"
                          "<meta http-equiv=\"refresh\" content=\"0;url=%s\">\n",
                          link);
    return close(file) == 0 && written > 0;
}

static int open_browser(const char *data, const char *link)
{
    char name[PATH_SIZE], path[PATH_SIZE];
    char *const arguments[] = {(char *)(uintptr_t) "xdg-open", path, NULL};
    pid_t child;
    int status = 1;

    if (!data_path(data, PAGE_NAME, name) || !write_page(name, link))
        return VERB_FAILED;
    if (!realpath(name, path))
        return verb_fail("%s: %s", name, error_meaning(error_from_errno(errno)));
    int failed = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ);
    if (failed || waitpid(child, &status, 0) != child || status != 0)
        return verb_fail("no browser could be opened here (xdg-open); the link is above");
    return VERB_OK;
}

/* ---- the verb ---- */

static int show(const struct console_options *options, const char *data, const char *url,
                struct text code)
{
    char link[LINK_MAX + 128];

    (void)snprintf(link, sizeof link, "%s/console/#code=%.*s", url, TEXT_ARG(code));
    if (options->json)
        printf("{\"url\":\"%s\",\"expires_in\":%llu}\n", link,
               (unsigned long long)(SESSIONS_CODE_LIFETIME / NANOSECONDS_PER_SECOND));
    else
        printf("%s\n", link);
    if (isatty(STDOUT_FILENO) && !options->json)
        fprintf(stderr, "Good once, within five minutes.\n");
    fflush(stdout);
    int exit_code = options->open ? open_browser(data, link) : VERB_OK;
    secret_wipe(link, sizeof link);
    return exit_code;
}

static int console_run(const struct verb_call *call)
{
    const struct console_options *options = call->options;
    struct admin_session session;
    struct secret *code = NULL;
    char url[LINK_MAX];
    int exit_code = VERB_FAILED;

    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false) && find_console(session.data, url)) {
        if (sessions_make_code(&session.operations,
                               text_from(options->role ? options->role : "owner"),
                               text_from(options->team), &code))
            exit_code = show(options, session.data, url, secret_expose(code));
        else
            exit_code = admin_session_fail(&session);
    }
    secret_free(code);
    admin_session_end(&session);
    return exit_code;
}

static const struct option console_options[] = {
    ADMIN_DATA_ROW(struct console_options),
    ADMIN_TEXT_ROW(struct console_options, "role", role, "ROLE",
                   "owner, operator, finance or team_lead [owner]"),
    ADMIN_TEXT_ROW(struct console_options, "team", team, "TEAM", "the team of a team_lead"),
    OPTION_FLAG_ROW("open", struct console_options, open, "open it in this machine's browser, too"),
    ADMIN_JSON_ROW(struct console_options),
    OPTION_END,
};

const struct verb verb_console = {
    .name = "console",
    .summary = "Print a link that signs in to the console, once",
    .options = console_options,
    .options_size = sizeof(struct console_options),
    .description =
        "The link is good once, within five minutes; the session that it begins ends after twelve\n"
        "hours, or one without use. Who may make one is who may work in the data directory. What "
        "is\n"
        "done with it stands in the audit under the user who made it.\n"
        "\n"
        "On another machine, forward the port first: ssh -L 8081:127.0.0.1:8081 HOST.",
    .examples = "turnpike console\n"
                "turnpike console --open\n"
                "turnpike console --role finance  # to look around without being able to change\n"
                "turnpike console --role team_lead --team payments",
    .run = console_run,
};
