/* Golden conversations: what a caller asks, what the provider is sent, what it answers, what the
 * caller gets. A case is a folder tests/golden/providers/FAMILY/CASE:
 *
 *   request.json    what the caller sends to /v1/chat/completions, or to the path in endpoint.txt
 *   settings.txt    lines "name=value", each may be left out: model, output_limit, output_largest,
 * project and location (of Vertex AI),
 * quirks, api_version (of Azure), drop (names with commas), and end=reset where the answer breaks
 * off upstream.json   the body that the provider is sent, compared as JSON upstream.txt    the
 * target, then the header lines without the credential refused.txt     instead of both: the member
 * and the reason of a 400 answer.http the provider's answer: status, header lines, an empty line,
 * the body; or answer.hex      the same with the body in hexadecimal digits caller.http     what
 * the caller gets: status, header lines, an empty line, the body usage.json      the counts, as
 * openai/usage.h has them, and the usage as the provider wrote it
 *
 * Every answer is fed whole, cut in two at every byte, and byte by byte: all must give the same.
 * GOLDEN_WRITE=1 writes what is expected; read it before you keep it. GOLDEN_CASE=FAMILY/CASE runs
 * one. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/number.h"
#include "codec/json.h"
#include "provider/provider.h"

#define FILE_MAX    (4u << 20)
#define PATH_SIZE   1024u
#define DROPS_MAX   16u
#define HEADERS_MAX 24u
/* Of a longer answer only some bytes are cut at: each cut reads all of it again. */
#define CUTS_MAX 2000u
#define NOW      1767225600 /* 2026-01-01 */

struct golden {
    char path[PATH_SIZE];
    struct arena arena;
    struct arena *files; /* where what is read lies: of the case, or of one reading of its answer */
    struct secret *secret;
    struct provider_settings settings;
    struct endpoint_match match;
    struct http1_head head;
    struct envelope envelope;
    struct provider_call call;
    struct provider_request request;
    struct buffer lines;
    struct text drops[DROPS_MAX];
    enum error end;
    /* the provider's answer */
    struct http1_head answer_head;
    struct http1_header headers[HEADERS_MAX];
    struct text answer_body;
    /* what the caller gets */
    struct provider_answer_out out;
    struct buffer answer_lines;
    struct buffer relayed;
    struct buffer usage;
};

static bool writing;

/* ---- files ---- */

static struct text read_file(struct golden *golden, const char *name)
{
    struct text path = arena_format(&golden->arena, "%s/%s", golden->path, name);
    FILE *file = fopen(path.data, "rb");
    if (file == NULL)
        return (struct text){NULL, 0};
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t length = (size_t)ftell(file);
    assert_true(length < FILE_MAX);
    rewind(file);
    char *bytes = arena_take(golden->files, length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, length, file), length);
    fclose(file);
    return text_of(bytes, length);
}

static void write_file(struct golden *golden, const char *name, struct text text)
{
    struct text path = arena_format(&golden->arena, "%s/%s", golden->path, name);
    FILE *file = fopen(path.data, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.length, file), text.length);
    fclose(file);
}

static bool json_equal(struct text a, struct text b)
{
    yyjson_doc *one = yyjson_read(a.data, a.length, 0), *other = yyjson_read(b.data, b.length, 0);
    bool equal = one != NULL && other != NULL &&
                 yyjson_equals(yyjson_doc_get_root(one), yyjson_doc_get_root(other));
    yyjson_doc_free(one);
    yyjson_doc_free(other);
    return equal;
}

static struct text pretty(struct golden *golden, struct text json)
{
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    if (document == NULL)
        return json;
    size_t length;
    char *bytes = yyjson_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, &length);
    struct text copy = arena_format(&golden->arena, "%.*s\n", (int)length, bytes);
    free(bytes);
    yyjson_doc_free(document);
    return copy;
}

/* `json`: compared as such, and written with line breaks. */
static void expect_file(struct golden *golden, const char *name, struct text got, bool json)
{
    struct text expected = read_file(golden, name);
    bool equal = json ? json_equal(got, expected) : text_equal(got, expected);
    if (equal)
        return;
    if (writing) {
        write_file(golden, name, json ? pretty(golden, got) : got);
        return;
    }
    print_error("%s/%s: got\n%.*s\nexpected\n%.*s\n", golden->path, name, TEXT_ARG(got),
                TEXT_ARG(expected));
    fail();
}

/* ---- the request ---- */

static void take_drops(struct golden *golden, struct text value)
{
    while (value.data != NULL && golden->call.drop_count < DROPS_MAX)
        golden->drops[golden->call.drop_count++] = text_split(&value, ',');
    golden->call.drop = golden->drops;
}

static int64_t whole(struct text value)
{
    int64_t number;
    assert_true(number_parse_signed(value, &number));
    return number;
}

static void take_setting(struct golden *golden, struct text name, struct text value)
{
    if (text_equal(name, TEXT("model")))
        golden->call.model = value;
    else if (text_equal(name, TEXT("output_limit")))
        golden->call.output_limit = whole(value);
    else if (text_equal(name, TEXT("output_largest")))
        golden->call.output_largest = whole(value);
    else if (text_equal(name, TEXT("project")))
        golden->settings.cloud_project = value;
    else if (text_equal(name, TEXT("location")))
        golden->settings.cloud_location = value;
    else if (text_equal(name, TEXT("drop")))
        take_drops(golden, value);
    else if (text_equal(name, TEXT("quirks")))
        golden->settings.quirks = provider_find_quirks(value, TEXT(""), 0);
    else if (text_equal(name, TEXT("api_version")))
        golden->settings.api_version = value;
    else if (text_equal(name, TEXT("end")) && text_equal(value, TEXT("reset")))
        golden->end = ERROR_RESET;
    else
        fail_msg("%s/settings.txt: no setting %.*s", golden->path, TEXT_ARG(name));
}

static void read_settings(struct golden *golden)
{
    struct text rest = read_file(golden, "settings.txt");
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        if (text_empty(line))
            continue;
        struct text name = text_split(&line, '=');
        take_setting(golden, name, line);
    }
}

static void find_endpoint(struct golden *golden)
{
    struct text target = read_file(golden, "endpoint.txt");
    target = text_empty(target) ? TEXT("/v1/chat/completions") : text_split(&target, '\n');
    assert_int_equal(endpoint_find(HTTP1_POST, target, &golden->arena, &golden->match),
                     REFUSAL_NONE);
}

static void ask(struct golden *golden, const char *family)
{
    golden->settings = (struct provider_settings){
        .provider = provider_find(text_from(family)),
        .base_path = TEXT("/base"),
        .host = TEXT("upstream.example"),
        .credential = {.secret = golden->secret},
    };
    assert_non_null(golden->settings.provider);
    golden->head.method = HTTP1_POST;
    golden->call = (struct provider_call){
        .settings = &golden->settings,
        .credential = &golden->settings.credential,
        .match = &golden->match,
        .head = &golden->head,
        .envelope = &golden->envelope,
        .body = read_file(golden, "request.json"),
        .request_id = TEXT("0198f0c0-0000-7000-8000-00000000000a"),
        .now = NOW,
        .body_maximum = FILE_MAX,
        .arena = &golden->arena,
    };
    find_endpoint(golden);
    read_settings(golden);
    envelope_open(&golden->envelope, &golden->arena);
    assert_int_equal(envelope_feed(&golden->envelope, golden->call.body), ERROR_OK);
    assert_int_equal(envelope_finish(&golden->envelope), ERROR_OK);
}

/* Without the credential, whose family writes it as it likes. */
static struct text without_secret(struct golden *golden, struct text lines)
{
    struct buffer kept;
    buffer_open(&kept, FILE_MAX);
    while (!text_empty(lines)) {
        struct text line = text_split(&lines, '\n');
        if (text_find(line, TEXT("sk-golden")) >= 0 ||
            text_find(line, TEXT("AWS4-HMAC-SHA256")) >= 0)
            continue;
        buffer_append(&kept, line);
        buffer_append_char(&kept, '\n');
    }
    struct text copy = arena_copy(&golden->arena, buffer_text(&kept));
    buffer_close(&kept);
    return copy;
}

static struct text sent_body(struct golden *golden)
{
    struct text parts[SPLICES_PARTS_MAX], body = TEXT("");
    if (golden->request.translated)
        return buffer_text(&golden->request.body);
    size_t count = splices_apply(&golden->request.edits, golden->call.body, parts);
    for (size_t i = 0; i < count; i++)
        body = arena_format(&golden->arena, "%.*s%.*s", TEXT_ARG(body), TEXT_ARG(parts[i]));
    return body;
}

/* False: the case ends with a refusal. */
static bool check_request(struct golden *golden)
{
    buffer_clear(&golden->lines);
    golden->request = (struct provider_request){0};
    enum error error = provider_prepare(&golden->call, &golden->lines, &golden->request);
    if (error != ERROR_OK) {
        struct text refused =
            arena_format(&golden->arena, "%.*s\n%.*s\n", TEXT_ARG(golden->request.problem_param),
                         TEXT_ARG(golden->request.problem_reason));
        expect_file(golden, "refused.txt", refused, false);
        return false;
    }
    expect_file(golden, "upstream.json", sent_body(golden), true);
    struct text lines = without_secret(golden, buffer_text(&golden->lines));
    expect_file(golden, "upstream.txt",
                arena_format(&golden->arena, "%.*s\n%.*s", TEXT_ARG(golden->request.target),
                             TEXT_ARG(lines)),
                false);
    return true;
}

/* ---- the answer ---- */

static void add_header(struct golden *golden, struct text line)
{
    struct text name = text_split(&line, ':');
    size_t index = golden->answer_head.header_count++;
    assert_true(index < HEADERS_MAX);
    golden->headers[index] = (struct http1_header){name, text_trim(line), header_find(name)};
    enum header_id id = golden->headers[index].id;
    if (id != HEADER_OTHER)
        golden->answer_head.present[id / 64] |= 1ull << (id % 64);
}

static struct text read_hex(struct golden *golden, struct text digits)
{
    char *bytes = arena_take(&golden->arena, digits.length / 2 + 1);
    size_t length = 0;
    int high = -1;
    for (size_t i = 0; i < digits.length; i++) {
        int digit = number_hex_digit(digits.data[i]);
        if (digit < 0)
            continue;
        if (high >= 0)
            bytes[length++] = (char)(high << 4 | digit);
        high = high >= 0 ? -1 : digit;
    }
    assert_int_equal(high, -1);
    return text_of(bytes, length);
}

/* False when the case is of a request alone. */
static bool read_answer(struct golden *golden)
{
    struct text rest = read_file(golden, "answer.http"), hex = read_file(golden, "answer.hex");
    bool coded = text_empty(rest);
    if (coded)
        rest = hex;
    if (text_empty(rest))
        return false;
    golden->answer_head = (struct http1_head){.headers = golden->headers};
    golden->answer_head.status = (uint16_t)whole(text_split(&rest, '\n'));
    for (struct text line = text_split(&rest, '\n'); !text_empty(line);
         line = text_split(&rest, '\n'))
        add_header(golden, line);
    golden->answer_body = coded ? read_hex(golden, rest) : rest;
    return true;
}

static void sink_write(void *owner, struct text bytes)
{
    struct golden *golden = owner;
    assert_true(bytes.length > 0);
    assert_true(buffer_append(&golden->relayed, bytes));
}

static void write_usage(struct golden *golden, const struct answer_facts *facts)
{
    static const char *const sources[] = {"none", "reported", "estimated"};
    const struct usage *usage = &facts->usage;
    struct json_writer json;
    buffer_clear(&golden->usage);
    json_open(&json, &golden->usage);
    json_begin_object(&json);
    json_member_text(&json, "source", text_from(sources[usage->source]));
    json_member_signed(&json, "input", usage->input);
    json_member_signed(&json, "cached_input", usage->cached_input);
    json_member_signed(&json, "cache_write", usage->cache_write);
    json_member_signed(&json, "output", usage->output);
    json_member_signed(&json, "reasoning", usage->reasoning);
    json_member_text(&json, "dialect", facts->usage_dialect);
    json_key(&json, TEXT("raw"));
    json_raw(&json, text_empty(facts->usage_raw) ? TEXT("null") : facts->usage_raw);
    json_end_object(&json);
    assert_true(json_done(&json));
}

static void feed(struct golden *golden, struct provider_answer *answer, size_t first, size_t step)
{
    enum error error = ERROR_OK;
    for (size_t at = 0; at < golden->answer_body.length && error == ERROR_OK;) {
        size_t length = at == 0 ? first : step;
        struct text piece = text_first(text_from_index(golden->answer_body, at), length);
        /* A copy of just its size, so that the sanitizer sees who reads on. */
        char *copy = malloc(piece.length);
        assert_non_null(copy);
        memcpy(copy, piece.data, piece.length);
        error = provider_answer_bytes(answer, text_of(copy, piece.length));
        free(copy);
        at += piece.length;
    }
    if (error == ERROR_OK)
        error = golden->end;
    (void)provider_answer_end(answer, error, TEXT("upstream_broke_off"),
                              TEXT("The provider ended its stream before it was complete."));
}

/* One reading of the answer: `first` bytes, then pieces of `step`. Returns what the caller gets. */
static struct text play(struct golden *golden, struct arena *arena, size_t first, size_t step)
{
    const struct provider_sink sink = {sink_write, golden};
    struct provider_answer *answer = NULL;
    struct provider_request request = {0};
    golden->call.arena = arena;
    buffer_clear(&golden->lines);
    buffer_clear(&golden->answer_lines);
    buffer_clear(&golden->relayed);
    assert_int_equal(provider_prepare(&golden->call, &golden->lines, &request), ERROR_OK);
    assert_int_equal(provider_answer_open(&golden->call, &request, &sink, &answer), ERROR_OK);
    assert_int_equal(
        provider_answer_head(answer, &golden->answer_head, &golden->answer_lines, &golden->out),
        ERROR_OK);
    feed(golden, answer, first, step);
    write_usage(golden, provider_answer_facts(answer));
    struct text got =
        arena_format(arena, "%u\n%.*s%.*s\n%.*s", golden->out.status,
                     TEXT_ARG(buffer_text(&golden->answer_lines)), TEXT_ARG(golden->out.late_lines),
                     TEXT_ARG(buffer_text(&golden->relayed)));
    provider_answer_close(answer);
    provider_request_close(&request);
    return got;
}

static void check_cut(struct golden *golden, size_t first, size_t step)
{
    struct arena arena;
    arena_open(&arena, NULL, 64u << 20);
    golden->files = &arena;
    struct text got = play(golden, &arena, first, step);
    if (writing && first == golden->answer_body.length)
        expect_file(golden, "usage.json", buffer_text(&golden->usage), true);
    struct text expected = read_file(golden, "usage.json");
    if (!text_empty(expected) && !json_equal(buffer_text(&golden->usage), expected)) {
        print_error("%s: cut at %zu: usage %.*s\n", golden->path, first,
                    TEXT_ARG(buffer_text(&golden->usage)));
        fail();
    }
    expect_file(golden, "caller.http", got, false);
    golden->files = &golden->arena;
    arena_close(&arena);
}

static void check_answer(struct golden *golden)
{
    size_t length = golden->answer_body.length;
    bool was_writing = writing;
    check_cut(golden, length > 0 ? length : 1, length + 1);
    writing = false; /* the other cuts must give the same */
    check_cut(golden, 1, 1);
    for (size_t cut = 1; cut < length; cut += 1 + length / CUTS_MAX)
        check_cut(golden, cut, length);
    writing = was_writing;
}

/* ---- cases ---- */

static void run_case(const char *family, const char *path)
{
    struct golden *golden = calloc(1, sizeof *golden);
    assert_non_null(golden);
    assert_true(text_copy_to(text_from(path), golden->path, sizeof golden->path));
    arena_open(&golden->arena, NULL, (size_t)1 << 40);
    buffer_open(&golden->lines, 1u << 16);
    buffer_open(&golden->answer_lines, 1u << 16);
    buffer_open(&golden->relayed, FILE_MAX);
    buffer_open(&golden->usage, 1u << 16);
    golden->files = &golden->arena;
    golden->secret = secret_make(TEXT("sk-golden"));
    ask(golden, family);
    if (check_request(golden) && read_answer(golden))
        check_answer(golden);
    provider_request_close(&golden->request);
    secret_free(golden->secret);
    buffer_close(&golden->lines);
    buffer_close(&golden->answer_lines);
    buffer_close(&golden->relayed);
    buffer_close(&golden->usage);
    arena_close(&golden->arena);
    free(golden);
}

static bool is_chosen(const char *path)
{
    const char *chosen = getenv("GOLDEN_CASE");
    return chosen == NULL || text_ends_with(text_from(path), text_from(chosen));
}

/* The case's folders of one family; returns how many there are. */
static size_t run_family(const char *root, const char *family)
{
    char path[PATH_SIZE];
    struct dirent **entries;
    size_t cases = 0;
    (void)snprintf(path, sizeof path, "%s/%s", root, family);
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s/%s", root, family, entries[i]->d_name);
            if (is_chosen(path))
                run_case(family, path);
            cases++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return cases;
}

static void test_golden(void **state)
{
    const char *root = getenv("GOLDEN_PROVIDERS");
    (void)state;
    assert_non_null(root);
    writing = getenv("GOLDEN_WRITE") != NULL;
    for (size_t i = 0; provider_at(i) != NULL; i++) {
        char family[64];
        assert_true(text_copy_to(provider_name(provider_at(i)), family, sizeof family));
        size_t cases = run_family(root, family);
        if (provider_translates(provider_at(i)) && cases == 0)
            fail_msg("no golden case for %s in %s", family, root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
