#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/load.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_example)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
