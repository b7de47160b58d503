/* The example file has every key of the table, and loads; the reference page is the table's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <yyjson.h>

#include "config/document.h"
#include "config/load.h"
#include "config/schema.h"
#include "tables/config.h"

#define FILE_MAXIMUM 1048576u

static const char example_path[] = SOURCE_ROOT "/packaging/turnpike.example.yaml";
static const char reference_path[] = SOURCE_ROOT "/docs/reference/config.md";

static void read_whole(const char *path, struct buffer *out)
{
    buffer_open(out, FILE_MAXIMUM);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read", path);
    char *space = buffer_reserve(out, FILE_MAXIMUM);
    out->length = fread(space, 1, FILE_MAXIMUM, file);
    fclose(file);
}

static void mark_keys(const struct document_node *node, size_t key, bool *seen)
{
    bool list = node->kind == DOCUMENT_SEQUENCE;
    const struct document_node *child = node->first;
    for (; child; child = child->next) {
        bool map = key != CONFIG_TOP && config_keys[key].type == CONFIG_TYPE_MAP;
        struct text name = list ? TEXT("[]") : map ? TEXT("*") : child->key;
        size_t child_key = config_key_find(key, name);
        assert_true(child_key != CONFIG_NO_KEY);
        seen[child_key] = true;
        mark_keys(child, child_key, seen);
    }
}

static void test_every_key(void **state)
{
    struct buffer yaml;
    struct config_problems problems;
    struct report report;
    struct arena arena;
    bool seen[512] = {false};
    read_whole(example_path, &yaml);
    config_problems_open(&problems);
    report_open(&report, &problems, buffer_text(&yaml));
    arena_open(&arena, NULL, 1u << 24);
    const struct document_node *root = document_read(buffer_text(&yaml), &arena, &report);
    assert_non_null(root);
    mark_keys(root, CONFIG_TOP, seen);
    for (size_t key = 0; key < config_key_count; key++)
        if (!seen[key])
            fail_msg("packaging/turnpike.example.yaml does not show %.*s",
                     TEXT_ARG(config_keys[key].path));
    arena_close(&arena);
    report_close(&report);
    config_problems_close(&problems);
    buffer_close(&yaml);
}

static void test_example_loads(void **state)
{
    struct config *config = NULL;
    struct config_problems problems;
    struct buffer lines;
    setenv("OPENAI_API_KEY", "a", 1);
    setenv("INTERNAL_TOKEN", "b", 1);
    setenv("PROXY_PASSWORD", "c", 1);
    setenv("GEMINI_API_KEY", "k", 1);
    setenv("AZURE_OPENAI_API_KEY", "d", 1);
    setenv("ALERT_URL", "https://alerts.example/hook", 1);
    setenv("ALERT_SECRET", "e", 1);
    setenv("SSO_CLIENT_SECRET", "f", 1);
    buffer_open(&lines, 65536);
    config_problems_open(&problems);
    enum error error = config_load(example_path, &config, &problems);
    config_problems_write(&problems, true, &lines);
    if (error != ERROR_OK || lines.length > 0)
        fail_msg("%.*s", TEXT_ARG(buffer_text(&lines)));
    const struct config_provider *openai = config_find_provider(config, TEXT("openai"));
    assert_true(
        text_equal(secret_expose(openai->proxy->authorization), TEXT("Basic Z2F0ZXdheTpj")));
    assert_string_equal(openai->proxy->host.data, "proxy.example");
    assert_int_equal(openai->proxy->port, 3128);
    assert_int_equal(openai->header_count, 2);
    assert_true(text_equal(secret_expose(openai->headers[1].secret), TEXT("b")));
    assert_string_equal(openai->tls.authority_path, SOURCE_ROOT "/packaging/tls/company.pem");
    const struct config_provider *local = config_find_provider(config, TEXT("local"));
    assert_string_equal(local->endpoint.host.data, "unix:/run/vllm.sock");
    assert_string_equal(local->endpoint.path.data, "/v1");
    assert_null(local->proxy);
    assert_int_equal(config->listeners[1].client_certificate, CONFIG_CLIENT_CERTIFICATE_OPTIONAL);
    assert_int_equal(config->listeners[1].metrics, CONFIG_METRICS_OFF);
    assert_true(config->listeners[1].tls_enabled);
    assert_string_equal(config->dns.servers, "10.0.0.2,10.0.0.3:53");
    config_release(config);
    config_problems_close(&problems);
    buffer_close(&lines);
}

/* `turnpike schema --markdown > docs/reference/config.md` after a change of the table. */
static void test_reference(void **state)
{
    struct buffer written;
    struct buffer made;
    read_whole(reference_path, &written);
    buffer_open(&made, FILE_MAXIMUM);
    schema_write_markdown(&made);
    assert_false(made.failed);
    if (!text_equal(buffer_text(&written), buffer_text(&made)))
        fail_msg("%s is not what turnpike schema --markdown prints", reference_path);
    buffer_close(&made);
    buffer_close(&written);
}

static void test_schema(void **state)
{
    struct buffer json;
    buffer_open(&json, FILE_MAXIMUM);
    assert_true(schema_write_json(&json));
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    assert_non_null(document);
    yyjson_val *root = yyjson_doc_get_root(document);
    for (size_t key = 0; key < config_key_count; key++) {
        char pointer[512] = "";
        size_t length = 0;
        for (struct text rest = config_keys[key].path; rest.data;) {
            struct text part = text_split(&rest, '.');
            const char *format = text_equal(part, TEXT("*"))    ? "/additionalProperties"
                                 : text_equal(part, TEXT("[]")) ? "/items"
                                                                : "/properties/%.*s";
            length += (size_t)snprintf(pointer + length, sizeof(pointer) - length, format,
                                       TEXT_ARG(part));
        }
        if (!yyjson_ptr_get(root, pointer))
            fail_msg("the schema does not have %s", pointer);
    }
    yyjson_doc_free(document);
    buffer_close(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_example_loads),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
