/* The environment and servers on this machine, made into a configuration that loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "app/local_server.h"
#include "app/quick_start.h"
#include "base/clock.h"
#include "config/load.h"

static int clear_environment(void **state)
{
    static const char *const names[] = {"OPENAI_API_KEY",
                                        "OPENAI_BASE_URL",
                                        "ANTHROPIC_API_KEY",
                                        "GEMINI_API_KEY",
                                        "OLLAMA_HOST",
                                        "AZURE_OPENAI_API_KEY",
                                        "AZURE_OPENAI_ENDPOINT",
                                        "HTTPS_PROXY",
                                        "https_proxy",
                                        "HTTP_PROXY",
                                        "http_proxy"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        unsetenv(names[i]);
    setenv("OLLAMA_HOST", "127.0.0.1:1", 1); /* whatever runs on this machine stays out of it */
    return 0;
}

static struct config *start(struct buffer *found)
{
    struct buffer yaml;
    struct buffer lines;
    struct config *config = NULL;
    struct config_problems problems;
    buffer_open(&yaml, 1048576);
    buffer_open(&lines, 1048576);
    buffer_open(found, 65536);
    config_problems_open(&problems);
    assert_true(quick_start_config(TEXT("127.0.0.1:8080"), TEXT("127.0.0.1:8081"), &yaml, found));
    enum error error =
        config_load_text(TEXT("quick start"), buffer_text(&yaml), &config, &problems);
    config_problems_write(&problems, false, &lines);
    if (error != ERROR_OK)
        fail_msg("%.*s%.*s", TEXT_ARG(buffer_text(&yaml)), TEXT_ARG(buffer_text(&lines)));
    config_problems_close(&problems);
    buffer_close(&yaml);
    buffer_close(&lines);
    return config;
}

static const char *provider_of(const struct config *config, const char *model)
{
    const struct config_model *found = config_find_model(config, text_from(model));
    return found ? found->targets[0].provider->name.data : "none";
}

static void test_nothing(void **state)
{
    struct buffer found;
    struct config *config = start(&found);
    assert_string_equal(provider_of(config, "demo"), "demo");
    assert_string_equal(config->listeners[0].address_text.data, "127.0.0.1:8080");
    config_release(config);
    buffer_close(&found);
}

static void test_all_clouds(void **state)
{
    struct buffer found;
    setenv("OPENAI_API_KEY", "sk-o", 1);
    setenv("ANTHROPIC_API_KEY", "sk-a", 1);
    setenv("GEMINI_API_KEY", "g", 1);
    setenv("AZURE_OPENAI_API_KEY", "z", 1);
    setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/", 1);
    struct config *config = start(&found);
    assert_string_equal(provider_of(config, "gpt-4o"), "openai");
    assert_string_equal(provider_of(config, "o3-mini"), "openai");
    assert_string_equal(provider_of(config, "claude-x"), "anthropic");
    assert_string_equal(provider_of(config, "gemini-x"), "gemini");
    assert_string_equal(provider_of(config, "other"), "openai");
    const struct config_provider *azure = config_find_provider(config, TEXT("azure"));
    assert_string_equal(azure->endpoint.text.data, "https://mine.openai.azure.com/openai/v1");
    assert_string_equal(azure->type.data, "azure");
    assert_true(text_find(buffer_text(&found), TEXT("OpenAI (OPENAI_API_KEY)")) >= 0);
    assert_true(text_find(buffer_text(&found), TEXT("sk-o")) < 0);
    config_release(config);
    buffer_close(&found);
}

/* The key that an SDK in the same shell would use for us must not send us to ourselves. */
static void test_own_address(void **state)
{
    struct buffer found;
    setenv("OPENAI_API_KEY", "sk-o", 1);
    setenv("OPENAI_BASE_URL", "http://localhost:8080/v1", 1);
    struct config *config = start(&found);
    assert_string_equal(config->providers[0].endpoint.text.data, "https://api.openai.com/v1");
    config_release(config);
    buffer_close(&found);
    setenv("OPENAI_BASE_URL", "http://localhost:9/v1/", 1);
    unsetenv("OPENAI_API_KEY");
    config = start(&found);
    assert_string_equal(config->providers[0].endpoint.text.data, "http://localhost:9/v1");
    assert_null(config->providers[0].api_key);
    config_release(config);
    buffer_close(&found);
}

struct fake {
    int listener;
    const char *answer;
    pthread_t thread;
};

static void *serve_once(void *argument)
{
    struct fake *fake = argument;
    char request[1024];
    int peer = accept(fake->listener, NULL, NULL);
    if (peer < 0)
        return NULL;
    ssize_t got = read(peer, request, sizeof(request));
    if (got > 0 && fake->answer)
        got = write(peer, fake->answer, strlen(fake->answer));
    if (!fake->answer)
        usleep(200000);
    close(peer);
    return NULL;
}

static uint16_t fake_start(struct fake *fake, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->answer = answer;
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fake->listener, 1), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve_once, fake), 0);
    return ntohs(address.sin_port);
}

static void fake_stop(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    close(fake->listener);
}

static void test_local_server(void **state)
{
    struct fake fake;
    struct buffer found;
    char host[64];
    uint16_t port = fake_start(
        &fake, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
               "{\"object\":\"list\",\"data\":[{\"id\":\"llama3.2:latest\"},{\"id\":\"bad name\"},"
               "{\"id\":\"demo\"},{\"id\":\"a*\"},{\"id\":7},{\"id\":\"quote\\\"d\"}]}");
    snprintf(host, sizeof(host), "http://0.0.0.0:%u", (unsigned)port);
    setenv("OLLAMA_HOST", host, 1);
    struct config *config = start(&found);
    fake_stop(&fake);
    assert_string_equal(provider_of(config, "llama3.2:latest"), "ollama");
    assert_string_equal(provider_of(config, "quote\"d"), "ollama");
    assert_string_equal(provider_of(config, "demo"), "demo");
    assert_string_equal(provider_of(config, "anything"), "ollama");
    assert_true(text_find(buffer_text(&found), TEXT(", 2 models)")) >= 0);
    config_release(config);
    buffer_close(&found);
}

static void test_other_servers(void **state)
{
    static const struct {
        const char *answer;
        bool found;
    } cases[] = {
        {"HTTP/1.0 200 OK\r\n\r\n<html>a web server for files</html>", false},
        {"HTTP/1.0 404 Not Found\r\n\r\n{\"data\":[]}", false},
        {"HTTP/1.1 401 Unauthorized\r\n\r\n{}", true},
        {"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"Turnpike admin "
         "API\"\r\n\r\n{}",
         false},
        {"HTTP/1.0 200 OK\r\n\r\n{\"data\":[]}", true},
        {"SSH-2.0-OpenSSH\r\n", false},
        {"", false},
        {"HTTP/1.1", false},
        {NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct fake fake;
        struct local_server server = {.name = "x", .title = "X"};
        server.port = fake_start(&fake, cases[i].answer);
        uint64_t before = clock_monotonic();
        local_server_probe(&server, 1, 100);
        assert_true(clock_monotonic() - before < 190 * NANOSECONDS_PER_MILLISECOND);
        assert_int_equal(server.found, cases[i].found);
        local_server_close(&server, 1);
        fake_stop(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing, clear_environment),
        cmocka_unit_test_setup(test_all_clouds, clear_environment),
        cmocka_unit_test_setup(test_own_address, clear_environment),
        cmocka_unit_test_setup(test_local_server, clear_environment),
        cmocka_unit_test_setup(test_other_servers, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
