/* The configuration in force as pages want it, and the files of those that were.
 *
 * Neither secrets nor what refers to them (env:, file:) is told: that there is one, and how one of
 * several is called. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "base/number.h"
#include "config/document.h"
#include "config/load.h"
#include "control/config_versions.h"
#include "route/choose.h"
#include "store/audit.h"

#define FILE_MAX  (DOCUMENT_BYTES_MAXIMUM + 131072u)
#define FILE_MODE 0640u /* of a file that was deleted meanwhile */
#define NOTE_SIZE 64u

/* ---- the one in force ---- */

static void begin_list(struct json_writer *json, const char *name)
{
    json_key(json, text_from(name));
    json_begin_array(json);
}

/* Objects of one text, so that more can be said of each some day. */
static void write_word(struct json_writer *json, const char *name, struct text word)
{
    json_begin_object(json);
    json_member_text(json, name, word);
    json_end_object(json);
}

static void write_networks(struct admin_call *call, const struct config *config)
{
    struct json_writer *json = &call->json;

    begin_list(json, "networks");
    for (size_t i = 0; i < config->network_count; i++) {
        const struct config_network *network = &config->networks[i];
        json_begin_object(json);
        json_member_text(json, "name", network->name);
        begin_list(json, "ranges");
        for (size_t n = 0; n < network->range_count; n++) {
            char range[NETWORK_TEXT_SIZE];
            write_word(json, "range", text_of(range, network_format(&network->ranges[n], range)));
        }
        json_end_array(json);
        call_write_text(call, "contact", network->contact);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_listener(struct admin_call *call, const struct config_listener *listener)
{
    static const char *const certificates[] = {
        [CONFIG_CLIENT_CERTIFICATE_NONE] = "none",
        [CONFIG_CLIENT_CERTIFICATE_OPTIONAL] = "optional",
        [CONFIG_CLIENT_CERTIFICATE_REQUIRED] = "required",
    };
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "name", listener->name);
    json_member_text(json, "address", listener->address_text);
    json_member_bool(json, "tls", listener->tls_enabled);
    json_member_text(json, "client_certificate",
                     text_from(certificates[listener->client_certificate]));
    json_member_bool(json, "proxy_protocol", listener->forwarders.proxy_protocol);
    begin_list(json, "network_rules");
    for (size_t i = 0; i < listener->written_rule_count; i++) {
        const struct config_network_rule *rule = &listener->written_rules[i];
        json_begin_object(json);
        json_member_text(json, "effect", rule->denies ? TEXT("deny") : TEXT("allow"));
        json_member_text(json, "network", rule->network);
        json_member_text(json, "mode", rule->observed ? TEXT("observe") : TEXT("enforce"));
        call_write_moment(call, "taken_back_at", rule->taken_back_at);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_provider(struct admin_call *call, const struct config_provider *provider)
{
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "name", provider->name);
    json_member_text(json, "type", provider->type);
    call_write_text(call, "base_url", provider->endpoint.text);
    call_write_text(call, "proxy", provider->proxy ? provider->proxy->text : TEXT(""));
    json_member_bool(json, "has_api_key", provider->api_key != NULL);
    begin_list(json, "credentials");
    for (size_t i = 0; i < provider->credential_count; i++)
        write_word(json, "name", provider->credentials[i].name);
    json_end_array(json);
    json_end_object(json);
}

static void write_model(struct admin_call *call, const struct config_model *model)
{
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "name", model->name);
    begin_list(json, "aliases");
    for (size_t i = 0; i < model->alias_count; i++)
        write_word(json, "name", model->aliases[i]);
    json_end_array(json);
    json_member_text(json, "strategy", text_from(route_strategy_name(model->rules.strategy)));
    begin_list(json, "targets");
    for (size_t i = 0; i < model->target_count; i++) {
        const struct config_target *target = &model->targets[i];
        json_begin_object(json);
        json_member_text(json, "provider", target->provider->name);
        call_write_text(call, "target_model", target->model);
        json_member_unsigned(json, "weight", target->rules.weight);
        json_member_unsigned(json, "priority", target->rules.priority);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

bool handle_config(struct admin_call *call)
{
    const struct config *config = call->office->config;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_unsigned(json, "generation", config->generation);
    json_member_text(json, "source", config->source);
    write_networks(call, config);
    begin_list(json, "listeners");
    for (size_t i = 0; i < config->listener_count; i++)
        write_listener(call, &config->listeners[i]);
    json_end_array(json);
    begin_list(json, "providers");
    for (size_t i = 0; i < config->provider_count; i++)
        write_provider(call, &config->providers[i]);
    json_end_array(json);
    begin_list(json, "models");
    for (size_t i = 0; i < config->model_count; i++)
        write_model(call, &config->models[i]);
    json_end_array(json);
    json_end_object(json);
    return true;
}

/* ---- those that were ---- */

static bool read_versions(struct admin_call *call, struct config_version *versions, size_t *count)
{
    enum error error = config_versions_list(call->office->settings.data, versions, count);

    return error == ERROR_OK || call_refuse(call, ADMIN_PROBLEM_UNAVAILABLE, "",
                                            "the kept files (" CONFIG_VERSIONS_DIRECTORY
                                            " in the data directory) cannot be read: %s",
                                            error_meaning(error));
}

bool handle_config_versions(struct admin_call *call)
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    struct json_writer *json = &call->json;
    size_t count;

    if (!read_versions(call, versions, &count))
        return false;
    call_begin_page(call);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        json_member_unsigned(json, "number", versions[i].number);
        call_write_moment(call, "since", versions[i].kept_at);
        json_member_unsigned(json, "bytes", versions[i].size);
        json_member_bool(json, "newest", i == 0);
        json_end_object(json);
    }
    call_end_page(call, TEXT(""));
    return true;
}

/* ---- one comes back ---- */

struct restoring {
    struct admin_call *call;
    uint64_t number, newest;
    char path[CONFIG_VERSIONS_PATH];
    struct buffer wanted, present;
};

static bool choose(struct restoring *restoring)
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    struct admin_call *call = restoring->call;
    size_t count;
    bool found = false;

    if (!read_versions(call, versions, &count))
        return false;
    if (!number_parse_unsigned(call->id, &restoring->number))
        count = 0;
    for (size_t i = 0; i < count; i++)
        found |= versions[i].number == restoring->number;
    if (!found || !config_versions_path(call->office->settings.data, restoring->path))
        return call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "",
                           "there is no such version; GET /config/versions lists them");
    restoring->newest = versions[0].number;
    return true;
}

static bool read_files(struct restoring *restoring)
{
    struct admin_call *call = restoring->call;
    struct config_problems problems;
    enum error error =
        config_versions_read(call->office->settings.data, restoring->number, &restoring->wanted);

    if (error)
        return call_refuse(call, ADMIN_PROBLEM_UNAVAILABLE, "", "the version cannot be read: %s",
                           error_meaning(error));
    config_problems_open(&problems);
    error = config_read_file(restoring->path, &restoring->present, &problems);
    config_problems_close(&problems);
    return !error || error == ERROR_NOT_FOUND ||
           call_refuse(call, ADMIN_PROBLEM_UNAVAILABLE, "", "%s: %s", restoring->path,
                       error_meaning(error));
}

/* What does not load would not come into force, and would keep the server from its next start. */
static bool check_that_it_loads(struct restoring *restoring)
{
    struct config *config = NULL;
    struct config_problems problems;

    config_problems_open(&problems);
    enum error error = config_load_text(text_from(restoring->path), buffer_text(&restoring->wanted),
                                        &config, &problems);
    size_t first = 0;
    while (first < problems.count && problems.items[first].severity != CONFIG_ERROR)
        first++;
    if (error && first < problems.count)
        (void)call_refuse(restoring->call, ADMIN_PROBLEM_INVALID, "",
                          "that version cannot come into force now: line %u: %.*s: %.*s",
                          problems.items[first].line, TEXT_ARG(problems.items[first].path),
                          TEXT_ARG(problems.items[first].message));
    else if (error)
        (void)call_refuse(restoring->call, ADMIN_PROBLEM_INVALID, "",
                          "that version cannot come into force now: %s", error_meaning(error));
    config_problems_close(&problems);
    config_release(config);
    return !error;
}

static bool replace_file(struct restoring *restoring)
{
    struct admin_call *call = restoring->call;
    enum error error =
        config_versions_replace_file(restoring->path, buffer_text(&restoring->wanted), FILE_MODE);

    return !error ||
           call_refuse(call, ADMIN_PROBLEM_UNAVAILABLE, "", "%s is as it was: %s", restoring->path,
                       error == ERROR_ARGUMENT ? "it is a link or no plain file, and something "
                                                 "else manages it"
                       : error == ERROR_UNSUPPORTED
                           ? "the gateway's user cannot keep its owner and group"
                           : error_meaning(error));
}

static bool audit(struct restoring *restoring)
{
    struct operations *operations = &restoring->call->office->operations;
    char was[NOTE_SIZE], is[NOTE_SIZE], id[NUMBER_DIGITS_MAX];
    int was_length =
        snprintf(was, sizeof(was), "{\"version\":%llu}", (unsigned long long)restoring->newest);
    int is_length =
        snprintf(is, sizeof(is), "{\"version\":%llu}", (unsigned long long)restoring->number);
    struct audit_entry entry = {
        .time = clock_wall(),
        .who = operations->actor.who,
        .via = operations->actor.via,
        .action = TEXT("rollback"),
        .object_kind = TEXT("configuration"),
        .object_id = text_of(id, number_format_unsigned(restoring->number, id)),
        .before = text_of(was, (size_t)was_length),
        .after = text_of(is, (size_t)is_length),
    };

    return call_store_answer(restoring->call, audit_append(operations->store, &entry));
}

/* The audit knows of it if it is done, and only then. */
static bool put_back(struct restoring *restoring)
{
    struct admin_call *call = restoring->call;
    struct operations *operations = &call->office->operations;

    if (!operations_begin(operations))
        return call_refuse_operation(call);
    if (!audit(restoring) || !replace_file(restoring)) {
        operations_roll_back(operations);
        return false;
    }
    return operations_commit(operations) || call_refuse_operation(call);
}

bool handle_config_restore(struct admin_call *call)
{
    struct restoring restoring = {.call = call};
    struct json_writer *json = &call->json;

    buffer_open(&restoring.wanted, FILE_MAX);
    buffer_open(&restoring.present, FILE_MAX);
    bool good = choose(&restoring) && read_files(&restoring);
    bool changed =
        good && !text_equal(buffer_text(&restoring.wanted), buffer_text(&restoring.present));
    if (changed)
        good = check_that_it_loads(&restoring) && put_back(&restoring);
    buffer_close(&restoring.wanted);
    buffer_close(&restoring.present);
    if (!good)
        return false;
    json_begin_object(json);
    json_member_unsigned(json, "number", restoring.number);
    json_member_text(json, "file", text_from(restoring.path));
    json_member_bool(json, "changed", changed);
    json_end_object(json);
    return true;
}
