#include "config/build.h"

#include <sched.h>

#include "tables/config.h"

#define SERVERS_TEXT_MAXIMUM 1024u

void *build_array(struct settings_reader *reader, size_t count, size_t size)
{
    void *array = arena_take_zeroed(&reader->memory->arena, count * size);
    if (!array)
        report_error(reader->report, (struct report_place){0}, "out of memory");
    return array;
}

static unsigned count_cores(void)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0)
        return 1;
    int count = CPU_COUNT(&cores);
    return count > 0 ? (unsigned)count : 1;
}

static void build_certificates(struct settings_reader *reader,
                               const struct settings_listener *settings,
                               struct config_listener *listener)
{
    struct tls_certificate_files *files =
        build_array(reader, settings->certificate_count, sizeof(*files));
    if (!files)
        return;
    for (size_t i = 0; i < settings->certificate_count; i++) {
        files[i].certificate_path = settings->certificates[i].certificate.text.data;
        files[i].key_path = settings->certificates[i].key.text.data;
    }
    listener->tls_enabled = settings->certificate_count > 0;
    listener->tls.certificates = files;
    listener->tls.certificate_count = settings->certificate_count;
    listener->tls.client_authority_path = settings->client_authority.text.data;
    listener->tls.client_certificate_required =
        listener->client_certificate == CONFIG_CLIENT_CERTIFICATE_REQUIRED;
}

static void check_client_certificate(struct settings_reader *reader,
                                     const struct settings_listener *settings,
                                     const struct config_listener *listener)
{
    bool asked = listener->client_certificate != CONFIG_CLIENT_CERTIFICATE_NONE;
    const struct settings_value *choice = &settings->client_certificate;
    const struct settings_value *authority = &settings->client_authority;
    if (asked && !listener->tls_enabled)
        report_error(reader->report, settings_place(choice, NULL),
                     "client certificates need TLS: \"certificates\" is missing");
    else if (asked && !authority->node)
        report_error(reader->report, settings_place(choice, NULL),
                     "\"client_authority\" is missing: who signs these certificates?");
    else if (!asked && authority->node)
        report_error(reader->report, settings_place(authority, NULL),
                     "without \"client_certificate: optional\" or \"required\" it is not used");
}

static bool same_address(const struct address *a, const struct address *b)
{
    bool fixed_port = a->any.sa_family == AF_UNIX || address_port(a) != 0;
    return fixed_port && a->length > 0 && a->length == b->length &&
           memcmp(&a->any, &b->any, a->length) == 0;
}

/* `others` are those checked before. */
static void check_address(struct settings_reader *reader, const struct settings_listener *settings,
                          const struct config_listener *others, size_t other_count,
                          struct config_listener *listener)
{
    const struct settings_value *value = &settings->address;
    listener->address_text = value->text;
    if (text_empty(value->text))
        return;
    if (address_parse(value->text, &listener->address) != ERROR_OK) {
        listener->address = (struct address){0};
        report_error(reader->report, settings_place(value, &settings->entry),
                     "%s is not an address to listen on: \"127.0.0.1:8080\", \"[::1]:8080\", "
                     "\":8080\" or \"unix:/path\"; names are not resolved here",
                     report_quote(value->text));
        return;
    }
    for (size_t i = 0; i < other_count; i++)
        if (same_address(&others[i].address, &listener->address))
            report_error(reader->report, settings_place(value, &settings->entry),
                         "listener \"%.*s\" has this address already", TEXT_ARG(others[i].name));
}

static void build_listeners(struct settings_reader *reader, const struct settings *settings,
                            struct config *config)
{
    static const struct settings_listener standard = {.entry.name = TEXT_INIT("main"),
                                                      .address.text = TEXT_INIT("127.0.0.1:8080")};
    bool written = settings->listener_count > 0;
    const struct settings_listener *from = written ? settings->listeners : &standard;
    size_t count = written ? settings->listener_count : 1;
    struct config_listener *listeners = build_array(reader, count, sizeof(*listeners));
    if (!listeners)
        return;
    config->listeners = listeners;
    config->listener_count = count;
    size_t top = report_enter(reader->report, TEXT("listeners"));
    for (size_t i = 0; i < count; i++) {
        size_t mark = report_enter(reader->report, from[i].entry.name);
        listeners[i].name = arena_copy(&reader->memory->arena, from[i].entry.name);
        listeners[i].metrics = (enum config_metrics)from[i].metrics.choice;
        listeners[i].client_certificate =
            (enum config_client_certificate)from[i].client_certificate.choice;
        build_certificates(reader, &from[i], &listeners[i]);
        size_t key = report_enter(reader->report, TEXT("address"));
        check_address(reader, &from[i], listeners, i, &listeners[i]);
        report_leave(reader->report, key);
        check_client_certificate(reader, &from[i], &listeners[i]);
        build_forwarders(reader, config, &from[i], &listeners[i].forwarders);
        build_network_rules(reader, config, &from[i], &listeners[i]);
        build_identify(reader, settings, &from[i], &listeners[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, top);
}

/* After the listeners. Whoever reads an admin key on the way owns the gateway, so in clear it goes
 * within this machine only. */
static void build_admin(struct settings_reader *reader, const struct settings_admin *settings,
                        struct config *config)
{
    const struct settings_listener *from = &settings->door;
    struct config_listener *admin = &config->admin;
    size_t top = report_enter(reader->report, TEXT("admin"));

    admin->name = TEXT("admin");
    admin->metrics = CONFIG_METRICS_OFF;
    admin->client_certificate = (enum config_client_certificate)from->client_certificate.choice;
    build_certificates(reader, from, admin);
    size_t key = report_enter(reader->report, TEXT("address"));
    check_address(reader, from, config->listeners, config->listener_count, admin);
    if (admin->address.length > 0 && !address_is_loopback(&admin->address) && !admin->tls_enabled)
        report_error(reader->report, settings_place(&from->address, NULL),
                     "admin keys would travel in clear: give \"certificates\", or listen on "
                     "127.0.0.1, [::1] or a unix socket");
    report_leave(reader->report, key);
    check_client_certificate(reader, from, admin);
    build_console(reader, settings, config);
    build_sso(reader, &settings->sso, config);
    report_leave(reader->report, top);
}

/* "10.0.0.2", "10.0.0.2:53" or "[::1]:53". */
static bool is_server(struct text server)
{
    struct address address;
    return address_parse_host(server, 1, &address) == ERROR_OK ||
           (!text_starts_with(server, TEXT(":")) && !text_starts_with(server, TEXT("unix:")) &&
            address_parse(server, &address) == ERROR_OK);
}

static void build_dns(struct settings_reader *reader, const struct settings_dns *settings,
                      struct config *config)
{
    config->dns.timeout = settings->timeout;
    struct buffer servers;
    buffer_open(&servers, SERVERS_TEXT_MAXIMUM);
    size_t top = report_enter(reader->report, TEXT("dns"));
    size_t list = report_enter(reader->report, TEXT("servers"));
    for (size_t i = 0; i < settings->server_count; i++) {
        const struct settings_value *value = &settings->servers[i].value;
        size_t mark = report_enter_item(reader->report, i);
        if (!text_empty(value->text) && !is_server(value->text))
            report_error(reader->report, settings_place(value, NULL), "%s is not an IP address",
                         report_quote(value->text));
        report_leave(reader->report, mark);
        buffer_append_format(&servers, "%s%.*s", i > 0 ? "," : "", TEXT_ARG(value->text));
    }
    if (servers.failed && settings->server_count > 0)
        report_error(reader->report, settings->servers[0].entry.node->place,
                     "more name servers than anybody has");
    if (servers.length > 0)
        config->dns.servers = arena_copy(&reader->memory->arena, buffer_text(&servers)).data;
    report_leave(reader->report, list);
    report_leave(reader->report, top);
    buffer_close(&servers);
}

static void check_memory(struct settings_reader *reader, const struct document_node *root,
                         const struct config_limits *limits)
{
    const struct document_node *section = document_find(root, TEXT("limits"));
    if (!section || limits->exchange_memory >= limits->json_body)
        return;
    const struct document_node *node = document_find(section, TEXT("exchange_memory"));
    if (!node)
        node = document_find(section, TEXT("json_body"));
    size_t mark = report_enter(reader->report, TEXT("limits"));
    if (node) {
        report_enter(reader->report, node->key);
        report_error(reader->report, node->place,
                     "exchange_memory is smaller than json_body: such a body could not be held");
    }
    report_leave(reader->report, mark);
}

/* Bytes of what stands before a code: as much as a message has room for. */
#define DOCUMENTATION_MAXIMUM 512u

static void build_errors(struct settings_reader *reader, const struct settings_value *value,
                         struct config *config)
{
    struct text base = value->text;
    bool web = text_starts_with(base, TEXT("https://")) || text_starts_with(base, TEXT("http://"));
    size_t mark = report_enter(reader->report, TEXT("errors"));
    report_enter(reader->report, TEXT("documentation"));
    if (!text_empty(base) && (!web || text_find_char(base, ' ') >= 0))
        report_error(reader->report, settings_place(value, NULL),
                     "%s is no link: it begins with https:// or http://, has no spaces, and the "
                     "code is put behind it",
                     report_quote(base));
    else if (base.length > DOCUMENTATION_MAXIMUM)
        report_error(reader->report, settings_place(value, NULL), "it has over %u bytes",
                     DOCUMENTATION_MAXIMUM);
    report_leave(reader->report, mark);
    config->errors_documentation = base;
}

static void build_access_log(const struct settings_value *value, struct config *config)
{
    config->access_log = (enum config_access_log)value->choice;
    if (config->access_log == CONFIG_ACCESS_LOG_FILE)
        config->access_log_path = value->text;
}

void build_snapshot(struct settings_reader *reader, const struct settings *settings,
                    const struct document_node *root, struct config *config)
{
    config->workers =
        settings->workers == SETTINGS_UNSET ? count_cores() : (unsigned)settings->workers;
    config->limits = settings->limits;
    if (config->limits.requests_per_connection == SETTINGS_UNSET)
        config->limits.requests_per_connection = 0;
    config->timeouts = settings->timeouts;
    config->ledger = settings->ledger;
    config->alerts = settings->alerts;
    config->guard = (struct config_guard){.share = settings->guard.share,
                                          .calls = settings->guard.calls,
                                          .window = settings->guard.window,
                                          .keys = settings->guard.keys,
                                          .auto_revert = settings->guard.auto_revert.choice == 1};
    config->drain_timeout = settings->drain_timeout;
    build_errors(reader, &settings->errors.documentation, config);
    build_access_log(&settings->access_log, config);
    check_memory(reader, root, &config->limits);
    config->contact = settings->contact.text;
    build_networks(reader, settings, config);
    build_listeners(reader, settings, config);
    build_admin(reader, &settings->admin, config);
    build_issuers(reader, settings, config);
    build_dns(reader, &settings->dns, config);
    config->catalog_path = settings->prices.catalog.text;
    config->unpriced_models = (enum config_unpriced)settings->prices.unpriced_models.choice;
    config->abandoned_calls = (enum config_abandoned)settings->abandoned_calls.choice;
    build_webhooks(reader, settings, config);
    build_providers(reader, settings, config);
    build_models(reader, settings, config);
}
