/* Every kind of secret is found, wherever the blocks end; what only looks like one is not. The
 * secrets here are put together at run time, so that no scanner finds this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "identity/key.h"
#include "leaks/scanner.h"

#define TEXT_MAX (4u << 20)

static struct patterns *patterns;
static struct scanner *scanner;

static int open_all(void **state)
{
    char problem[PATTERNS_PROBLEM_SIZE] = "";
    if (patterns_open(&patterns, problem) != ERROR_OK)
        fail_msg("%s", problem);
    return scanner_create(patterns, &scanner) != ERROR_OK;
}

static int close_all(void **state)
{
    scanner_destroy(scanner);
    patterns_close(patterns);
    return 0;
}

#define FOUND_MAX 64u

struct found {
    size_t count;
    struct scanner_secret rows[FOUND_MAX];
    char secrets[FOUND_MAX][SECRETS_LENGTH_MAX];
};

static void take(void *context, const struct scanner_secret *secret)
{
    struct found *found = context;
    assert_true(found->count < FOUND_MAX);
    found->rows[found->count] = *secret;
    (void)text_copy_to(secret->secret, found->secrets[found->count], SECRETS_LENGTH_MAX);
    found->count++;
}

/* In pieces of `piece` bytes. */
static struct scanner_summary scan(struct text text, size_t piece, struct found *found)
{
    *found = (struct found){0};
    while (!text_empty(text)) {
        size_t size;
        char *space = scanner_space(scanner, &size);
        struct text part = text_first(text, piece < size ? piece : size);
        memcpy(space, part.data, part.length);
        scanner_took(scanner, part.length);
        text = text_from_index(text, part.length);
    }
    return scanner_end(scanner, take, found);
}

/* `length` letters and digits that look random, and are the same each time. */
static void append_random(struct buffer *out, size_t length, unsigned seed)
{
    static const char digits[] = "7pQz0RkV5mYtB2xWc9nJ4hLs8dGf3gTv6aKe1uXb";
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245u + 12345u;
        buffer_append_char(out, digits[(seed >> 16) % (sizeof digits - 1)]);
    }
}

static void append_hex(struct buffer *out, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245u + 12345u;
        buffer_append_char(out, "0123456789abcdef"[(seed >> 16) % 16]);
    }
}

static void append_key(struct buffer *out, bool administrative)
{
    struct secret *key = NULL;
    assert_int_equal((administrative ? key_make_admin : key_make)(TEXT("0123456789ab"), &key),
                     ERROR_OK);
    buffer_append(out, secret_expose(key));
    secret_free(key);
}

/* What stands before the random part, which has so many letters and digits, or hex digits. */
static const struct {
    enum secret_kind kind;
    const char *start[2]; /* two pieces, so that this file holds no secret's start */
    size_t length;
    bool hex;
} samples[] = {
    {SECRET_OPENAI_PROJECT, {"sk-", "proj-"}, 156, false},
    {SECRET_OPENAI_SERVICE, {"sk-", "svcacct-"}, 120, false},
    {SECRET_OPENAI_ADMIN, {"sk-", "admin-"}, 120, false},
    {SECRET_ANTHROPIC, {"sk-ant-", "api03-"}, 95, false},
    {SECRET_ANTHROPIC_ADMIN, {"sk-ant-", "admin01-"}, 95, false},
    {SECRET_OPENROUTER, {"sk-or-", "v1-"}, 64, true},
    {SECRET_OPENAI_STYLE, {"sk", "-"}, 48, false},
    {SECRET_GOOGLE, {"AI", "za"}, 35, false},
    {SECRET_GOOGLE_ACCOUNT, {"\"private_key_id\"", ": \""}, 40, true},
    {SECRET_AWS_SECRET, {"AWS_SECRET_", "ACCESS_KEY="}, 40, false},
    {SECRET_AZURE, {"AZURE_OPENAI_", "API_KEY: \""}, 32, true},
    {SECRET_AZURE_LONG, {"azure_openai_", "key = '"}, 84, false},
    {SECRET_GROQ, {"gs", "k_"}, 52, false},
    {SECRET_XAI, {"xa", "i-"}, 80, false},
    {SECRET_MISTRAL, {"MISTRAL_", "API_KEY="}, 32, false},
    {SECRET_COHERE, {"CO_API", "_KEY="}, 40, false},
    {SECRET_VOYAGE, {"VOYAGE_API_KEY=", "pa-"}, 43, false},
    {SECRET_HUGGING_FACE, {"h", "f_"}, 34, false},
    {SECRET_PERPLEXITY, {"pp", "lx-"}, 48, false},
    {SECRET_REPLICATE, {"r", "8_"}, 37, false},
    {SECRET_TOGETHER, {"tgp_", "v1_"}, 43, false},
    {SECRET_NVIDIA, {"nv", "api-"}, 64, false},
};

static void append_sample(struct buffer *out, size_t i)
{
    buffer_append(out, text_from(samples[i].start[0]));
    buffer_append(out, text_from(samples[i].start[1]));
    if (samples[i].hex)
        append_hex(out, samples[i].length, (unsigned)i + 7);
    else
        append_random(out, samples[i].length, (unsigned)i + 7);
}

static void test_each_kind(void **state)
{
    struct found found;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        struct buffer text;
        buffer_open(&text, TEXT_MAX);
        append_sample(&text, i);
        buffer_append(&text, TEXT("\"\n"));
        (void)scan(buffer_text(&text), TEXT_MAX, &found);
        if (found.count != 1 || found.rows[0].kind != samples[i].kind)
            fail_msg("%s: %zu found, the first %s", secret_rows[samples[i].kind].id.data,
                     found.count, found.count ? secret_rows[found.rows[0].kind].id.data : "none");
        assert_int_equal(found.rows[0].line, 1);
        buffer_close(&text);
    }
}

/* The start of the key of OpenAI's older form is that of OPENAI_STYLE, too. */
static void test_the_more_exact_row_counts(void **state)
{
    struct found found;
    struct buffer text;
    buffer_open(&text, TEXT_MAX);
    buffer_append(&text, TEXT("sk-"));
    append_random(&text, 20, 1);
    buffer_append(&text, TEXT("T3Blbk"));
    buffer_append(&text, TEXT("FJ"));
    append_random(&text, 20, 2);
    (void)scan(buffer_text(&text), TEXT_MAX, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.rows[0].kind, SECRET_OPENAI);
    assert_int_equal(found.rows[0].secret.length, text.length);
    buffer_close(&text);
}

static void test_split_at_every_byte(void **state)
{
    struct found whole, parts;
    struct buffer text;
    buffer_open(&text, TEXT_MAX);
    buffer_append(&text, TEXT("first line\nä é "));
    append_key(&text, false);
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        buffer_append(&text, TEXT("\n  "));
        append_sample(&text, i);
    }
    buffer_append(&text, TEXT(" # " SCANNER_ALLOW "\n"));
    append_key(&text, true);
    (void)scan(buffer_text(&text), TEXT_MAX, &whole);
    assert_int_equal(whole.count, ARRAY_LENGTH(samples) + 2);
    assert_int_equal(whole.rows[0].line, 2);
    assert_int_equal(whole.rows[0].column, 5);
    assert_true(whole.rows[ARRAY_LENGTH(samples)].allowed);
    for (size_t piece = 1; piece < text.length; piece++) {
        (void)scan(buffer_text(&text), piece, &parts);
        assert_int_equal(parts.count, whole.count);
        for (size_t i = 0; i < whole.count; i++) {
            assert_string_equal(parts.secrets[i], whole.secrets[i]);
            assert_int_equal(parts.rows[i].line, whole.rows[i].line);
            assert_int_equal(parts.rows[i].column, whole.rows[i].column);
            assert_int_equal(parts.rows[i].allowed, whole.rows[i].allowed);
        }
    }
    buffer_close(&text);
}

/* Around the end of a real block, byte by byte. */
static void test_over_the_end_of_a_block(void **state)
{
    struct found found;
    struct buffer text;
    buffer_open(&text, TEXT_MAX);
    for (size_t before = SCANNER_BLOCK - 60; before < SCANNER_BLOCK + 5; before++) {
        buffer_clear(&text);
        for (size_t i = 0; i < before; i++)
            buffer_append_char(&text, i % 100 == 99 ? '\n' : '.');
        append_key(&text, false);
        (void)scan(buffer_text(&text), SCANNER_BLOCK, &found);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.rows[0].offset, before);
        assert_int_equal(found.rows[0].line, before / 100 + 1);
        assert_int_equal(found.rows[0].column, before % 100 + 1);
    }
    buffer_close(&text);
}

static void test_a_wrong_checksum_is_no_key(void **state)
{
    struct found found;
    struct buffer text;
    buffer_open(&text, TEXT_MAX);
    append_key(&text, false);
    text.data[20] = text.data[20] == 'A' ? 'B' : 'A';
    struct scanner_summary summary = scan(buffer_text(&text), TEXT_MAX, &found);
    assert_int_equal(found.count, 0);
    assert_int_equal(summary.look_alikes, 1);
    buffer_close(&text);
}

/* Documents, placeholders, and what goes on where a key ends. */
static void test_look_alikes(void **state)
{
    static const char *const texts[][2] = {
        {"sk-", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
        {"sk-proj-", "1234123412341234123412341234123412341234123412341234"},
        {"AKIA", "IOSFODNN7EXAMPLE"},
        {"taskg", "sk_7pQz0RkV5mYtB2xWc9nJ4hLs8dGf3gTv6aKe1uXb7pQz0RkV5mYt"},
        {"AIza", "7pQz0RkV5mYtB2xWc9nJ4hLs8dGf3gTv6aKe1uXb"},
        {"h", "f_short"},
        {"0a1b2c3d4e5f60718293a4b5", "c6d7e8f9"},
        {"mistral is a wind; the key to it: ", "0123456789"},
    };
    struct found found;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct buffer text;
        buffer_open(&text, TEXT_MAX);
        buffer_append(&text, text_from(texts[i][0]));
        buffer_append(&text, text_from(texts[i][1]));
        (void)scan(buffer_text(&text), TEXT_MAX, &found);
        if (found.count != 0)
            fail_msg("%s is no secret", found.secrets[0]);
        buffer_close(&text);
    }
}

/* A key behind an escape, as JSON and URLs have it. */
static void test_escapes(void **state)
{
    static const char *const before[] = {"\\n", "\\t", "key%3D", "\"", "x=", "\x00"};
    struct found found;
    for (size_t i = 0; i < ARRAY_LENGTH(before); i++) {
        struct buffer text;
        buffer_open(&text, TEXT_MAX);
        buffer_append(&text, text_from(before[i]));
        append_sample(&text, 0);
        (void)scan(buffer_text(&text), TEXT_MAX, &found);
        assert_int_equal(found.count, 1);
        buffer_close(&text);
    }
}

/* A file of nothing but keys has a bound, and says so; the next file is none the worse. */
static void ignore(void *context, const struct scanner_secret *secret)
{
    (*(size_t *)context)++;
}

static void test_a_file_full_of_keys(void **state)
{
    struct buffer line;
    size_t count = 0, size;
    buffer_open(&line, TEXT_MAX);
    append_key(&line, false);
    buffer_append_char(&line, '\n');
    for (size_t i = 0; i < SCANNER_FOUND_MAX + 10; i++) {
        memcpy(scanner_space(scanner, &size), line.data, line.length);
        scanner_took(scanner, line.length);
    }
    struct scanner_summary summary = scanner_end(scanner, ignore, &count);
    assert_true(summary.more);
    assert_int_equal(count, SCANNER_FOUND_MAX);
    struct found found;
    summary = scan(buffer_text(&line), TEXT_MAX, &found);
    assert_false(summary.more);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.rows[0].line, 1);
    buffer_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_the_more_exact_row_counts),
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_over_the_end_of_a_block),
        cmocka_unit_test(test_a_wrong_checksum_is_no_key),
        cmocka_unit_test(test_look_alikes),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_a_file_full_of_keys),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
