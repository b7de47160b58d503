/* turnpike check FILE: says everything that is wrong with a configuration, without starting
 * anything. */
#include <unistd.h>

#include "app/admin_options.h"
#include "app/admin_session.h"
#include "codec/json.h"
#include "config/load.h"
#include "control/issuer_check.h"
#include "control/price_list.h"
#include "net/tls.h"

#define UNREADABLE 2 /* exit code: there was nothing to check */

#define STORE_PATIENCE    1000u    /* milliseconds, for a writer to be done */
#define RULE_PROBLEM_SIZE 512u     /* a name, and whose rule it is */
#define OUTPUT_MAXIMUM    1048576u /* bytes; 50 problems with their lines are a fraction */

struct check_options {
    const char *data;
    bool json;
};

static const struct option check_option_rows[] = {
    ADMIN_DATA_ROW(struct check_options),
    OPTION_FLAG_ROW("json", struct check_options, json, "print the problems as JSON"),
    OPTION_END,
};

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void summarize(const struct config *config, const struct config_problems *problems,
                      struct buffer *out)
{
    buffer_append(out, problems->source);
    if (problems->error_count + problems->warning_count > 0)
        buffer_append_format(out, ": %zu problem%s", problems->error_count,
                             plural(problems->error_count));
    else
        buffer_append(out, TEXT(": good"));
    if (problems->warning_count > 0)
        buffer_append_format(out, ", %zu warning%s", problems->warning_count,
                             plural(problems->warning_count));
    if (config)
        buffer_append_format(out, " (%zu listener%s, %zu provider%s, %zu model%s)",
                             config->listener_count, plural(config->listener_count),
                             config->provider_count, plural(config->provider_count),
                             config->model_count, plural(config->model_count));
    buffer_append_char(out, '\n');
}

/* Certificates and authorities are read too, as `serve` would: a key that does not fit is found
 * here and not at night. */
static void check_trust(const struct config *config, struct config_problems *problems)
{
    char reason[TLS_REASON_SIZE];

    for (size_t i = 0; i < config->listener_count; i++) {
        struct tls_context *context = NULL;
        if (!config->listeners[i].tls_enabled)
            continue;
        if (tls_server_context_create(&config->listeners[i].tls, NULL, &context, reason) !=
            ERROR_OK)
            config_problem_add(problems, &(struct config_problem){.path = config->listeners[i].name,
                                                                  .message = text_from(reason)});
        tls_context_release(context);
    }
    for (size_t i = 0; i < config->provider_count; i++) {
        struct tls_context *context = NULL;
        if (!config->providers[i].endpoint.tls)
            continue;
        if (tls_client_context_create(&config->providers[i].tls, &context, reason) != ERROR_OK)
            config_problem_add(problems, &(struct config_problem){.path = config->providers[i].name,
                                                                  .message = text_from(reason)});
        tls_context_release(context);
    }
}

static void add_problem(struct config_problems *problems, enum config_severity severity,
                        struct text issuer, const char *member, const char *message)
{
    char memory[256];
    struct buffer path = {.data = memory, .capacity = sizeof memory, .maximum = sizeof memory};

    buffer_append_format(&path, "issuers.%.*s.%s", TEXT_ARG(text_first(issuer, 200)), member);
    config_problem_add(problems, &(struct config_problem){.severity = severity,
                                                          .path = buffer_text(&path),
                                                          .message = text_from(message)});
}

/* Files of issuers, as the gateway would read them. Nobody is asked by a network: that is
 * `turnpike doctor`. */
static void check_issuers(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        const struct config_issuer *issuer = &config->issuers[i];
        char problem[ISSUER_CHECK_PROBLEM_SIZE] = "";
        const char *member;
        uint64_t count;
        if (issuer_check_files(issuer, &member, problem) != ERROR_OK)
            add_problem(problems, CONFIG_ERROR, issuer->terms.name, member, problem);
        if (text_empty(issuer->jwks_file))
            continue;
        enum error error = issuer_check_keys(issuer, &count, problem);
        if (error || problem[0])
            add_problem(problems, error ? CONFIG_ERROR : CONFIG_WARNING, issuer->terms.name,
                        "jwks_file", problem);
    }
}

/* Own prices by the units of the price list, and a list of one's own whole. */
static void check_prices(const struct config *config, struct config_problems *problems)
{
    char reason[PRICE_LIST_PROBLEM_SIZE];
    struct price_book *book = NULL;

    if (price_list_make(config, &book, reason) != ERROR_OK)
        config_problem_add(problems, &(struct config_problem){.path = TEXT("prices"),
                                                              .message = text_from(reason)});
    price_book_release(book);
}

/* A rule of a team or key whose network this configuration does not have. */
static void take_rule(void *context, struct text json)
{
    struct config_problems *problems = context;
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    struct text id = {0}, problem = {0}, team = {0}, key = {0};
    char path[256], words[RULE_PROBLEM_SIZE];

    (void)json_get_text(root, "id", &id);
    (void)json_get_text(root, "team", &team);
    (void)json_get_text(root, "key", &key);
    if (json_get_text(root, "problem", &problem)) {
        bool of_team = !text_empty(team);
        (void)snprintf(path, sizeof path, "network rule %.*s", TEXT_ARG(text_first(id, 64)));
        (void)snprintf(words, sizeof words, "of %s %.*s: %.*s", of_team ? "team" : "key",
                       TEXT_ARG(text_first(of_team ? team : key, 128)), TEXT_ARG(problem));
        config_problem_add(problems, &(struct config_problem){.severity = CONFIG_WARNING,
                                                              .path = text_from(path),
                                                              .message = text_from(words)});
    }
    yyjson_doc_free(document);
}

/* Rules in the store name networks of the configuration. False: a directory was named and its store
 * cannot be read; that is said. */
static bool check_rules(const struct verb_call *call, const struct config *config,
                        struct config_problems *problems)
{
    const struct check_options *options = call->options;
    const struct operations_filter all = {0};
    struct admin_session session;
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE] = "";
    const char *why = problem;

    admin_session_begin(&session, call->verb, options->data);
    bool there = data_path(session.data, STORE_FILE, path) && access(path, R_OK) == 0;
    bool good =
        there && store_open(path, STORE_READ, STORE_PATIENCE, &session.store, problem) == ERROR_OK;
    if (good) {
        session.operations.store = session.store;
        session.operations.config = config;
        good = operations_list(&session.operations, OBJECT_NETWORK_RULE, &all, take_rule, problems);
        if (!good)
            why = session.operations.problem.message;
    } else if (!there)
        why = "it has no store that can be read (" STORE_FILE ")";
    bool skipped = !there && !options->data;
    if (!good && !skipped)
        (void)verb_fail("the rules in %s cannot be looked at: %s", session.data, why);
    admin_session_end(&session);
    return good || skipped;
}

static int check_run(const struct verb_call *call)
{
    const struct check_options *options = call->options;
    struct config *config = NULL;
    struct config_problems problems;
    struct buffer out;
    bool unreadable = false;
    config_problems_open(&problems);
    buffer_open(&out, OUTPUT_MAXIMUM);
    enum error error = config_load(call->operands[0], &config, &problems);
    if (config)
        check_trust(config, &problems);
    if (config)
        check_issuers(config, &problems);
    if (config)
        check_prices(config, &problems);
    if (config && !check_rules(call, config, &problems))
        unreadable = true;
    if (error == ERROR_OK && problems.error_count > 0)
        error = ERROR_SYNTAX;
    if (options->json) {
        config_problems_write_json(&problems, &out);
    } else {
        config_problems_write(&problems, isatty(STDOUT_FILENO), &out);
        summarize(config, &problems, &out);
    }
    fwrite(out.data, 1, out.length, stdout);
    config_release(config);
    config_problems_close(&problems);
    buffer_close(&out);
    if (error == ERROR_OK)
        return unreadable ? UNREADABLE : VERB_OK;
    return error == ERROR_SYNTAX ? VERB_FAILED : UNREADABLE;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "Check a configuration file",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = check_option_rows,
    .options_size = sizeof(struct check_options),
    .description = "Reads FILE as `turnpike serve --config FILE` would, with the environment "
                   "variables and files\n"
                   "that its secrets refer to, and prints every problem with its line and column. "
                   "Exits with 0\n"
                   "when the file is good (there may be warnings), 1 when it is not, 2 when it "
                   "cannot be read.\n"
                   "Where there is a store in the data directory, rules in it about networks that "
                   "FILE does not\n"
                   "have are warned of.",
    .examples = "turnpike check turnpike.yaml\n"
                "turnpike check --data /var/lib/turnpike turnpike.yaml\n"
                "turnpike check --json turnpike.yaml  # for programs",
    .run = check_run,
};
