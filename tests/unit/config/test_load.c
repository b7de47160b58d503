#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#include "config/load.h"
#include "identity/network.h"

static struct config *load(const char *yaml)
{
    struct config *config = NULL;
    struct config_problems problems;
    struct buffer lines;
    config_problems_open(&problems);
    buffer_open(&lines, 65536);
    enum error error = config_load_text(TEXT("t.yaml"), text_from(yaml), &config, &problems);
    config_problems_write(&problems, true, &lines);
    if (error != ERROR_OK)
        fail_msg("%.*s", TEXT_ARG(buffer_text(&lines)));
    buffer_close(&lines);
    config_problems_close(&problems);
    return config;
}

/* The file of the README, which stays valid. */
static void test_example(void **state)
{
    setenv("UPSTREAM_KEY", "sk-up\n", 1);
    struct config *config =
        load("workers: 1                       # default: one per core\n"
             "listeners:\n"
             "  main: {address: \"127.0.0.1:8080\"}\n"
             "providers:\n"
             "  up: {type: openai, base_url: \"http://127.0.0.1:9000/v1\", api_key: "
             "\"env:UPSTREAM_KEY\"}\n"
             "models:\n"
             "  fast: {targets: [{provider: up, model: gpt-4o-mini}]}\n"
             "  \"*\":  {targets: [{provider: up}]}      # any other name goes there as it is\n");
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->listener_count, 1);
    assert_int_equal(address_port(&config->listeners[0].address), 8080);
    const struct config_provider *up = &config->providers[0];
    assert_true(text_equal(up->name, TEXT("up")));
    assert_true(text_equal(up->type, TEXT("openai")));
    assert_true(text_equal(secret_expose(up->api_key), TEXT("sk-up")));
    assert_true(text_equal(up->endpoint.host, TEXT("127.0.0.1")));
    assert_int_equal(up->endpoint.port, 9000);
    assert_true(text_equal(up->endpoint.path, TEXT("/v1")));
    assert_true(text_equal(up->endpoint.host_header, TEXT("127.0.0.1:9000")));
    assert_int_equal(up->timeouts.first_byte, 600000000000u);
    const struct config_model *fast = config_find_model(config, TEXT("fast"));
    assert_true(text_equal(fast->targets[0].model, TEXT("gpt-4o-mini")));
    assert_ptr_equal(fast->targets[0].provider, up);
    const struct config_model *other = config_find_model(config, TEXT("gpt-9"));
    assert_true(other->pattern);
    assert_true(text_empty(other->targets[0].model));
    assert_ptr_equal(config->default_provider, up);
    config_release(config);
}

/* Loads what must be refused; the lines with excerpts go to `lines`, which the caller closes. */
static void refuse(struct text yaml, struct buffer *lines)
{
    struct config *config = NULL;
    struct config_problems problems;
    config_problems_open(&problems);
    buffer_open(lines, 1048576);
    assert_int_equal(config_load_text(TEXT("t.yaml"), yaml, &config, &problems), ERROR_SYNTAX);
    assert_null(config);
    config_problems_write(&problems, true, lines);
    assert_false(lines->failed);
    config_problems_close(&problems);
}

static bool says(const struct buffer *lines, const char *words)
{
    return text_find(buffer_text(lines), text_from(words)) >= 0;
}

static void test_excerpt(void **state)
{
    struct buffer lines;
    refuse(TEXT("workers: 1\nlimits: {haed: 1}\nproviders: {up: {}}\n"
                "models: {\"*\": {targets: [{provider: up}]}}\n"),
           &lines);
    assert_true(says(&lines, "t.yaml:2:10: limits.haed: unknown key; did you mean \"head\"?\n"
                             "    limits: {haed: 1}\n             ^\n"));
    buffer_close(&lines);
}

/* However a secret comes into the file, no message shows it. */
static void test_secrets_are_not_shown(void **state)
{
    static const char *const files[] = {
        "providers: {up: {api_key: hunter2, typ: x}}\n",
        "providers:\n  up:\n    api_key: hunter2\n    x: 1\n",
        "providers: {up: {password: hunter2}}\n",
        "providers: {up: {base_url: \"https://me:hunter2@example.com\"}}\n",
        "providers: {up: {proxy: \"http://me:hunter2@example.com\"}}\n",
        "providers: {up: {headers: {authorization: hunter2}, typ: x}}\n",
        "providers: {up: {api_key: [hunter2]}}\n",
        "providers: {up: {api_key: >\n  hunter2\n  }}\n",
        "sk-hunter2: 1\n",
        "workers: sk-hunter2\n",
        "access_log: [sk-hunter2]\n",
        "models: {\"*\": {targets: [{provider: sk-hunter2}]}}\n",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        struct buffer lines;
        refuse(text_from(files[i]), &lines);
        if (says(&lines, "hunter2"))
            fail_msg("%s%.*s", files[i], TEXT_ARG(buffer_text(&lines)));
        buffer_close(&lines);
    }
}

static void test_two_documents(void **state)
{
    struct buffer lines;
    refuse(TEXT("workers: 1\n---\nworkers: 2\n"), &lines);
    assert_true(says(&lines, "t.yaml:2:1: a second document (---) begins here"));
    buffer_close(&lines);
}

static const char *target_of(const struct config *config, const char *name)
{
    const struct config_model *model = config_find_model(config, text_from(name));
    return model ? model->name.data : "none";
}

static void test_precedence(void **state)
{
    struct config *config = load("providers: {up: {}}\n"
                                 "models:\n"
                                 "  \"gpt-*\": {targets: [{provider: up}]}\n"
                                 "  \"gpt-4*\": {targets: [{provider: up}]}\n"
                                 "  \"gpt-4*-mini\": {targets: [{provider: up}]}\n"
                                 "  \"*-mini\": {targets: [{provider: up}]}\n"
                                 "  gpt-4o: {aliases: [gpt-latest], targets: [{provider: up}]}\n");
    assert_string_equal(target_of(config, "gpt-4o"), "gpt-4o");
    assert_string_equal(target_of(config, "gpt-latest"), "gpt-4o");
    assert_string_equal(target_of(config, "gpt-4.1"), "gpt-4*");
    assert_string_equal(target_of(config, "gpt-4o-mini"), "gpt-4*-mini");
    assert_string_equal(target_of(config, "gpt-5"), "gpt-*");
    assert_string_equal(target_of(config, "o4-mini"), "*-mini");
    assert_string_equal(target_of(config, "claude"), "none");
    assert_string_equal(target_of(config, ""), "none");
    /* A call by the alias is a call of the model. */
    assert_string_equal(config_find_model(config, TEXT("gpt-latest"))->targets[0].model.data,
                        "gpt-4o");
    assert_true(text_equal(config_nearest_model(config, TEXT("gpt-4")), TEXT("gpt-4o")));
    assert_true(text_empty(config_nearest_model(config, TEXT("claude-sonnet"))));
    config_release(config);
}

static void test_defaults(void **state)
{
    struct config *config = load("providers: {up: {timeouts: {idle: 1m}}, other: {}}\n"
                                 "models: {a: {targets: [{provider: other}]}}\n"
                                 "defaults: {timeouts: {connect: 1s, idle: 2m}}\n"
                                 "limits:\n");
    const struct config_provider *up = &config->providers[0];
    assert_int_equal(up->timeouts.connect, 1 * NANOSECONDS_PER_SECOND);
    assert_int_equal(up->timeouts.idle, 60 * NANOSECONDS_PER_SECOND);
    assert_int_equal(up->timeouts.tls, 5 * NANOSECONDS_PER_SECOND);
    assert_int_equal(config->providers[1].timeouts.idle, 120 * NANOSECONDS_PER_SECOND);
    assert_int_equal(up->limits.connections, 4096);
    assert_string_equal(up->endpoint.host_header.data, "api.openai.com");
    assert_true(up->endpoint.tls);
    assert_ptr_equal(config->default_provider, up);
    assert_true(config->workers >= 1);
    assert_int_equal(config->listeners[0].metrics, CONFIG_METRICS_LOCAL);
    assert_int_equal(config->limits.head, 65536);
    assert_int_equal(config->limits.upload, 1u << 30);
    assert_int_equal(config->limits.requests_per_connection, 0);
    assert_int_equal(config->limits.exchange_memory, 192u << 20);
    assert_int_equal(config->timeouts.keep_alive, 75 * NANOSECONDS_PER_SECOND);
    assert_int_equal(config->ledger.segment_size, 16u << 20);
    assert_int_equal(config->access_log, CONFIG_ACCESS_LOG_STDOUT);
    assert_int_equal(config->drain_timeout, 30 * NANOSECONDS_PER_SECOND);
    assert_null(config->dns.servers);
    config_release(config);
}

/* Without a word about routing nothing is different from a version that had none. */
static void test_routing_defaults(void **state)
{
    struct config *config = load("providers: {up: {}, other: {}}\n"
                                 "models: {a: {targets: [{provider: up}, {provider: other}]}}\n");
    const struct route_model_rules *rules = &config->models[0].rules;
    assert_true(rules->plain);
    assert_int_equal(rules->strategy, ROUTE_PRIORITY);
    assert_int_equal(rules->retry.attempts, 0);
    assert_int_equal(rules->retry.budget, ROUTE_WHOLE);
    assert_int_equal(rules->retry.on,
                     route_bit(ROUTE_FAILED_CONNECT) | route_bit(ROUTE_FAILED_TIMEOUT));
    assert_false(route_breaker_is_used(&rules->breaker));
    assert_int_equal(rules->hedge.after, 0);
    assert_int_equal(rules->timeouts.total, 0);
    assert_int_equal(config->models[0].targets[1].rules.weight, 1);
    assert_int_equal(config->models[0].targets[1].rules.when.tokens_maximum, UINT64_MAX);
    config_release(config);
}

static void test_routing(void **state)
{
    struct config *config = load(
        "providers: {up: {health: {path: /models}}, other: {}}\n"
        "models:\n"
        "  a: {strategy: cheapest, targets: [{provider: up, mirror: true}, {provider: other,\n"
        "      canary: 0.5%, weight: 0, priority: 2, lacks: [tools, choices], drop: [seed],\n"
        "      when: {tags: {env: prod}, team: [x, y], tokens: \"<8000\", needs: [vision]}}],\n"
        "      hedge: {after: learned}, retry: {on: [content_filter]}}\n"
        "  b: {targets: [{provider: up, when: {tokens: \"8-9\"}}, {provider: up, when: {tokens: "
        "\">8\"}}],\n"
        "      breaker: {failures: 3}, timeouts: {first_token: 2s}}\n"
        "defaults: {retry: {attempts: 4}}\n");
    const struct config_model *a = &config->models[0];
    const struct config_target *target = &a->targets[1];
    assert_false(a->rules.plain);
    assert_int_equal(a->rules.strategy, ROUTE_CHEAPEST);
    assert_int_equal(a->rules.retry.attempts, 4);
    assert_int_equal(a->rules.retry.on, route_bit(ROUTE_FAILED_CONTENT_FILTER));
    assert_int_equal(a->rules.retry.budget, ROUTE_WHOLE / 5);
    assert_true(a->rules.hedge.after == ROUTE_LEARNED);
    assert_int_equal(a->rules.breaker.failures, 5);
    assert_int_equal(a->rules.breaker.ratio, ROUTE_WHOLE / 2);
    assert_int_equal(a->targets[0].rules.mirror, ROUTE_WHOLE);
    assert_int_equal(target->rules.canary, 5000);
    assert_int_equal(target->rules.weight, 0);
    assert_int_equal(target->rules.priority, 2);
    assert_int_equal(target->rules.lacks,
                     route_bit(ROUTE_NEED_TOOLS) | route_bit(ROUTE_NEED_CHOICES));
    assert_true(text_equal(target->drop[0], TEXT("seed")));
    assert_true(text_equal(target->rules.when.tags[0].value, TEXT("prod")));
    assert_int_equal(target->rules.when.team_count, 2);
    assert_int_equal(target->rules.when.tokens_maximum, 7999);
    assert_int_equal(target->rules.when.needs, route_bit(ROUTE_NEED_VISION));
    assert_ptr_equal(config->default_provider, &config->providers[0]);
    const struct config_model *b = &config->models[1];
    assert_int_equal(b->rules.breaker.failures, 3);
    assert_int_equal(b->rules.breaker.ratio, 0); /* who names one way to open means that one */
    assert_int_equal(b->rules.breaker.minimum_calls, 20);
    assert_int_equal(b->rules.timeouts.first_token, 2 * NANOSECONDS_PER_SECOND);
    assert_int_equal(b->targets[0].rules.when.tokens_minimum, 8);
    assert_int_equal(b->targets[0].rules.when.tokens_maximum, 9);
    assert_int_equal(b->targets[1].rules.when.tokens_minimum, 9);
    assert_int_equal(config->providers[0].health.failures, 3);
    config_release(config);
}

static const struct config_proxy *proxy_for(const char *url, struct config **config)
{
    char yaml[512];
    snprintf(yaml, sizeof(yaml),
             "providers: {up: {base_url: \"%s\"}}\nmodels: {a: {targets: [{provider: up}]}}\n",
             url);
    *config = load(yaml);
    return (*config)->providers[0].proxy;
}

static void test_environment_proxy(void **state)
{
    static const struct {
        const char *except, *url;
        bool proxied;
    } cases[] = {
        {"", "https://example.com/v1", true},
        {"example.com", "https://example.com/v1", false},
        {"example.com", "https://api.example.com/v1", false},
        {".example.com", "https://api.example.com/v1", false},
        {"*.example.com", "https://api.example.com/v1", false},
        {"example.com", "https://badexample.com/v1", true},
        {"example.com:8443", "https://example.com/v1", true},
        {"example.com:443", "https://example.com/v1", false},
        {"other, EXAMPLE.com", "https://example.com/v1", false},
        {"*", "https://example.com/v1", false},
        {"10.0.0.0/8", "https://10.1.2.3/v1", false},
        {"10.0.0.0/8", "https://11.1.2.3/v1", true},
        {"10.1.2.3", "https://10.1.2.3/v1", false},
        {"10.0.0.0/33", "https://10.1.2.3/v1", true},
        {"fd00::/8", "https://[fd00::1]/v1", false},
        {"fd00::/8", "https://[fe00::1]/v1", true},
        {"", "https://127.0.0.1/v1", false},
        {"", "https://localhost/v1", false},
        {"", "http+unix:/run/x.sock:/v1", false},
        {"", "http://example.com/v1", false},
    };
    setenv("HTTPS_PROXY", "http://us%65r:p%40ss@proxy.local:3128/", 1);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct config *config = NULL;
        setenv("NO_PROXY", cases[i].except, 1);
        const struct config_proxy *proxy = proxy_for(cases[i].url, &config);
        if ((proxy != NULL) != cases[i].proxied)
            fail_msg("NO_PROXY=%s %s", cases[i].except, cases[i].url);
        if (proxy) {
            assert_string_equal(proxy->text.data, "http://proxy.local:3128");
            assert_true(
                text_equal(secret_expose(proxy->authorization), TEXT("Basic dXNlcjpwQHNz")));
        }
        config_release(config);
    }
    unsetenv("NO_PROXY");
    setenv("HTTPS_PROXY", "socks5://hunter2@x", 1);
    struct buffer lines;
    refuse(TEXT("providers: {up: {}}\nmodels: {a: {targets: [{provider: up}]}}\n"), &lines);
    assert_true(says(&lines, "the environment's HTTPS_PROXY cannot be used"));
    assert_false(says(&lines, "hunter2"));
    buffer_close(&lines);
    unsetenv("HTTPS_PROXY");
}

static void test_secret_file(void **state)
{
    char path[] = "/tmp/turnpike-test-XXXXXX";
    char yaml[512];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "sk-file\r\n\n", 10), 10);
    snprintf(yaml, sizeof(yaml),
             "providers: {up: {api_key: \"file:%s\"}}\nmodels: {a: {targets: [{provider: up}]}}\n",
             path);
    struct config *config = load(yaml);
    assert_true(text_equal(secret_expose(config->providers[0].api_key), TEXT("sk-file")));
    config_release(config);
    assert_int_equal(fchmod(file, 0644), 0);
    struct config_problems problems;
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("t"), text_from(yaml), &config, &problems), ERROR_OK);
    assert_int_equal(problems.warning_count, 1);
    assert_true(text_find(problems.items[0].message, TEXT("chmod o-r")) >= 0);
    config_problems_close(&problems);
    config_release(config);
    close(file);
    unlink(path);
}

static void test_file(void **state)
{
    struct config *config = NULL;
    struct config_problems problems;
    config_problems_open(&problems);
    assert_int_equal(config_load("/nonexistent/turnpike.yaml", &config, &problems),
                     ERROR_NOT_FOUND);
    assert_null(config);
    assert_int_equal(problems.error_count, 1);
    config_problems_close(&problems);
    config_problems_open(&problems);
    assert_int_not_equal(config_load("/", &config, &problems), ERROR_OK);
    config_problems_close(&problems);
}

static void test_difference(void **state)
{
    struct config *old =
        load("workers: 1\nproviders: {a: {}, b: {}}\n"
             "models: {m: {targets: [{provider: a}]}, gone: {targets: [{provider: a}]}}\n");
    struct config *new =
        load("workers: 2\nlimits: {head: 32KiB}\ntimeouts: {head: 2m}\naccess_log: off\n"
             "listeners: {main: {address: \"127.0.0.1:8081\"}}\ncontact: me\n"
             "networks: {office: {ranges: [\"10.1.0.0/16\"]}}\n"
             "providers: {a: {timeouts: {idle: 1s}, project: p}, c: {}}\n"
             "models: {m: {targets: [{provider: c}]}, fresh: {targets: [{provider: a}]}}\n");
    struct buffer lines;
    buffer_open(&lines, 65536);
    config_describe_difference(old, old, &lines);
    assert_int_equal(lines.length, 0);
    config_describe_difference(old, new, &lines);
    static const char expected[] = "workers: 1 is now 2, from the next start on\n"
                                   "network office added\n"
                                   "listener main: address changed\n"
                                   "provider c added\n"
                                   "provider b removed\n"
                                   "provider a: project, timeouts changed\n"
                                   "model fresh added\n"
                                   "model gone removed\n"
                                   "model m: targets changed\n"
                                   "limits.head: 64KiB is now 32KiB\n"
                                   "timeouts.head: 30s is now 2m\n"
                                   "access_log changed\n"
                                   "contact changed\n";
    if (!text_equal(buffer_text(&lines), text_from(expected)))
        fail_msg("%.*s", TEXT_ARG(buffer_text(&lines)));
    assert_true(new->generation > old->generation);
    buffer_close(&lines);
    config_release(old);
    config_release(new);
}

/* ---- networks ---- */

static const char *network_of_text(const struct config *config, const char *address)
{
    struct network network;
    assert_int_equal(network_parse(text_from(address), &network), ERROR_OK);
    const struct config_network *found = config_network_of(config, &network);
    return found ? found->name.data : "none";
}

static void test_networks(void **state)
{
    struct config *config =
        load("contact: \"#gateway\"\n"
             "networks:\n"
             "  office: {ranges: [\"10.1.0.0/16\", \"2001:db8:1::/48\"], contact: it}\n"
             "  floor: {ranges: [\"10.1.2.0/24\"]}\n"
             "  desk: {ranges: [\"10.1.2.3\"]}\n"
             "listeners:\n"
             "  main:\n"
             "    address: \":8080\"\n"
             "    forwarders: {header: forwarded, networks: [office, \"10.9.0.0/16\", unix]}\n"
             "providers: {a: {}}\nmodels: {m: {targets: [{provider: a}]}}\n");
    assert_string_equal(config->contact.data, "#gateway");
    assert_string_equal(config->networks[0].contact.data, "it");
    assert_int_equal(config->networks[1].contact.length, 0);
    assert_string_equal(network_of_text(config, "10.1.9.9"), "office");
    assert_string_equal(network_of_text(config, "10.1.2.9"), "floor");
    assert_string_equal(network_of_text(config, "10.1.2.3"), "desk");
    assert_string_equal(network_of_text(config, "::ffff:10.1.2.3"), "desk");
    assert_string_equal(network_of_text(config, "2001:db8:1::7"), "office");
    assert_string_equal(network_of_text(config, "2001:db8:2::7"), "none");
    assert_string_equal(network_of_text(config, "10.2.0.1"), "none");
    assert_int_equal(config->listeners[0].forwarders.network_count, 3);
    assert_true(config->listeners[0].forwarders.local);
    config_release(config);
    config = load("providers: {a: {}}\nmodels: {m: {targets: [{provider: a}]}}\n");
    assert_string_equal(network_of_text(config, "10.2.0.1"), "none");
    config_release(config);
}

static void *hold_and_release(void *argument)
{
    for (int i = 0; i < 20000; i++)
        config_release(config_hold(argument));
    config_release(argument);
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    struct config *config = load("providers: {a: {}}\nmodels: {m: {targets: [{provider: a}]}}\n");
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, config_hold(config)),
                         0);
    config_release(config);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        pthread_join(threads[i], NULL);
}

static void test_ten_thousand_models(void **state)
{
    struct buffer yaml;
    buffer_open(&yaml, 1u << 23);
    buffer_append(&yaml, TEXT("providers: {up: {}}\nmodels:\n"));
    for (unsigned i = 0; i < 10000; i++)
        buffer_append_format(&yaml,
                             "  model-%u: {aliases: [alias-%u], targets: [{provider: up, model: "
                             "m%u}, {provider: up}]}\n",
                             i, i, i);
    buffer_append_char(&yaml, 0);
    uint64_t start = clock_monotonic();
    struct config *config = load(yaml.data);
    uint64_t loaded = clock_monotonic();
    for (unsigned i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "alias-%u", i);
        assert_int_equal(config_find_model(config, text_from(name))->index, i);
    }
    uint64_t found = clock_monotonic();
    print_message("10,000 models: loaded in %.1f ms, found in %.0f ns each\n",
                  (double)(loaded - start) / 1e6, (double)(found - loaded) / 1e4);
    assert_true(loaded - start < 10 * NANOSECONDS_PER_SECOND);
    config_release(config);
    buffer_close(&yaml);
}

static void repeat(struct buffer *out, const char *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append(out, text_from(words));
}

/* Files that somebody made to hurt: each ends soon, with one clear refusal. */
static void test_hostile(void **state)
{
    static const struct {
        const char *before, *repeated;
        size_t count;
        const char *says;
    } cases[] = {
        {"", "[", 1000000, "nested more than 16 deep"},
        {"", "{a: ", 500000, "nested more than 16 deep"},
        {"", "- ", 500000, "nested more than 16 deep"},
        {"", "? ", 500000, "must be a word"},
        {"workers: ", "a", 4000000, "longer than 8192 bytes"},
        {"workers: \"", "\\n", 2000000, "not valid YAML"},
        {"", "a", 4000000, ""},
        {"dns: {servers: [", "a,", 2000000, "too many values"},
        {"dns:\n  servers:\n", "  - a\n", 1000000, "too many values"},
        {"", "x: 1\n", 200000, "and "},
        {"a: &a [x, x]\nb: ", "[*a, *a]\n", 10, "anchors (&) are not supported"},
        {"", "\t", 100000, ""},
        {"", "#", 8000000, "\"providers\" is missing"},
        {"", "\n", 8000000, "\"providers\" is missing"},
        {"", "a", 9000000, "larger than 8 MiB"},
        {"", "\x01", 100, "not text in UTF-8"},
        {"a: ", "\xff", 100, "not text in UTF-8"},
        {"", "%", 100000, ""},
        {"", "!", 100000, ""},
        {"", "\"", 1000001, ""},
        {"", "'", 1000001, ""},
        {"", "|\n", 1000000, ""},
        {"", ": ", 1000000, ""},
        {"", "---\n", 1000000, "a second document"},
        {"models: {\"", "*", 200, "`**` in a pattern"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct buffer yaml;
        struct buffer lines;
        buffer_open(&yaml, 1u << 24);
        buffer_append(&yaml, text_from(cases[i].before));
        repeat(&yaml, cases[i].repeated, cases[i].count);
        if (cases[i].repeated[0] == '*')
            buffer_append(&yaml, TEXT("\": {targets: [{provider: x}]}}"));
        uint64_t start = clock_monotonic();
        refuse(buffer_text(&yaml), &lines);
        uint64_t took = (clock_monotonic() - start) / NANOSECONDS_PER_MILLISECOND;
        if (!says(&lines, cases[i].says) || took > 30000) /* quadratic: minutes */
            fail_msg("case %zu, %u ms: %.*s", i, (unsigned)took,
                     TEXT_ARG(text_first(buffer_text(&lines), 2000)));
        if (took > 200)
            print_message("case %zu took %u ms\n", i, (unsigned)took);
        buffer_close(&lines);
        buffer_close(&yaml);
    }
}

static void test_binary(void **state)
{
    struct buffer lines;
    refuse(text_of("workers: 1\0\0\0", 13), &lines);
    assert_true(says(&lines, "t.yaml:1:11: not text in UTF-8"));
    buffer_close(&lines);
    refuse(text_of("\xff\xfe w\0o\0", 8), &lines);
    buffer_close(&lines);
}

/* What would otherwise be known only when the first alert cannot be sent. */
static void test_webhooks(void **state)
{
    struct buffer lines;

    setenv("BAD_URL", "hooks.example.com/the-secret-path", 1);
    setenv("BAD_SECRET", "whsec_not-base64-at-all", 1);
    refuse(TEXT("providers: {up: {type: demo}}\nmodels: {a: {targets: [{provider: up}]}}\n"
                "webhooks:\n  one: {url: \"ftp://x\"}\n  two: {url: \"env:BAD_URL\"}\n"
                "  three: {url: \"https://x\", secret: \"env:BAD_SECRET\"}\n"),
           &lines);
    assert_true(says(&lines, "webhooks.one: a URL"));
    assert_true(says(&lines, "webhooks.two: a URL"));
    assert_true(says(&lines, "webhooks.three: the secret"));
    assert_true(says(&lines, "base64 is to follow"));
    assert_false(says(&lines, "the-secret-path"));
    assert_false(says(&lines, "at-all"));
    buffer_close(&lines);
    unsetenv("BAD_URL");
    unsetenv("BAD_SECRET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_excerpt),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_two_documents),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_routing_defaults),
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_environment_proxy),
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_ten_thousand_models),
        cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
