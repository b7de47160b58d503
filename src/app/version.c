#include "app/version.h"

#include <ares.h>
#include <curl/curl.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <uv.h>
#include <yaml.h>
#include <yyjson.h>
#include <zlib.h>

#include "app/verb.h"
#include "base/buffer.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "generated/commit.h"

#define JSON_MAX 4096u

const char version_commit[] = TURNPIKE_COMMIT;
#if defined(__clang__)
const char version_compiler[] = "clang " __clang_version__;
#else
const char version_compiler[] = "gcc " __VERSION__;
#endif

struct version_options {
    bool json;
};

struct library {
    const char *name;
    const char *version; /* of the one loaded now, not of the one compiled against */
};

#define LIBRARIES 8u

static void read_libraries(struct library out[LIBRARIES])
{
    static char yyjson[16];
    uint32_t number = yyjson_version();
    (void)snprintf(yyjson, sizeof yyjson, "%u.%u.%u", number >> 16, number >> 8 & 0xff,
                   number & 0xff);
    const struct library libraries[] = {
        {"c-ares", ares_version(NULL)},
        {"curl", curl_version_info(CURLVERSION_NOW)->version},
        {"libuv", uv_version_string()},
        {"libyaml", yaml_get_version_string()},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"sqlite", sqlite3_libversion()},
        {"yyjson", yyjson},
        {"zlib", zlibVersion()},
    };
    _Static_assert(sizeof libraries == LIBRARIES * sizeof *libraries, "each row has its place");
    memcpy(out, libraries, sizeof libraries);
}

static void print_json(const struct library libraries[LIBRARIES])
{
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_text(&writer, "version", TEXT(TURNPIKE_VERSION));
    json_member_text(&writer, "commit", text_from(version_commit));
    json_member_text(&writer, "compiler", text_from(version_compiler));
    json_key(&writer, TEXT("libraries"));
    json_begin_object(&writer);
    for (size_t i = 0; i < LIBRARIES; i++)
        json_member_text(&writer, libraries[i].name, text_from(libraries[i].version));
    json_end_object(&writer);
    json_end_object(&writer);
    ensure(json_done(&writer));
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
}

static int version_run(const struct verb_call *call)
{
    const struct version_options *options = call->options;
    struct library libraries[LIBRARIES];
    read_libraries(libraries);
    if (options->json) {
        print_json(libraries);
        return VERB_OK;
    }
    printf("turnpike %s (commit %s, %s)\n", TURNPIKE_VERSION, version_commit, version_compiler);
    for (size_t i = 0; i < LIBRARIES; i++)
        printf("%s%s %s", i ? ", " : "", libraries[i].name, libraries[i].version);
    putchar('\n');
    return VERB_OK;
}

static const struct option version_options[] = {
    OPTION_FLAG_ROW("json", struct version_options, json, "print JSON, for programs"),
    OPTION_END,
};

const struct verb verb_version = {
    .name = "version",
    .summary = "Say what this is, and what it was built from",
    .options = version_options,
    .options_size = sizeof(struct version_options),
    .description = "`turnpike --version` is the same.",
    .examples = "turnpike version --json",
    .run = version_run,
};
