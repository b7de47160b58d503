#include "app/quick_start.h"

#include "app/local_server.h"
#include "base/arena.h"
#include "base/number.h"
#include "net/address.h"

#define NAMES_MAXIMUM  512u /* model names in one file, over all local servers */
#define NAME_MAXIMUM   256u /* bytes of one */
#define OLLAMA_PORT    11434u
#define BASE_URL_BYTES 2048u
#define NAMES_MEMORY   262144u /* bytes; NAMES_MAXIMUM of the longest */

/* A provider behind a key in the environment. */
struct cloud {
    const char *name, *title, *type;
    const char *key;      /* variable that holds the key */
    const char *url;      /* variable that holds the base URL; NULL: only the standard one */
    const char *standard; /* base URL; NULL: the variable must be set */
    const char *suffix; /* put behind the variable's URL where it does not stand there; may be "" */
    const char *const *patterns;
};

static const char *const openai_patterns[] = {"gpt-*",    "chatgpt-*",         "o1*",       "o3*",
                                              "o4*",      "text-embedding-*",  "whisper-*", "tts-*",
                                              "dall-e-*", "omni-moderation-*", "sora-*",    NULL};
static const char *const claude_patterns[] = {"claude-*", NULL};
static const char *const gemini_patterns[] = {"gemini-*", "gemma-*", NULL};

static const struct cloud clouds[] = {
    {"openai", "OpenAI", "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1",
     "", openai_patterns},
    {"azure", "Azure OpenAI", "azure", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", NULL,
     "/openai/v1", openai_patterns},
    {"anthropic", "Anthropic", "anthropic", "ANTHROPIC_API_KEY", NULL,
     "https://api.anthropic.com/v1", "", claude_patterns},
    {"gemini", "Gemini", "gemini", "GEMINI_API_KEY", NULL,
     "https://generativelanguage.googleapis.com/v1beta", "", gemini_patterns},
};

struct writer {
    struct buffer *yaml;
    struct buffer models; /* written behind the providers */
    struct buffer *found;
    uint16_t own_port;                /* where the gateway itself will listen */
    const char *first;                /* provider of all other names */
    const char *provider;             /* of the models that are being added */
    size_t provider_models;           /* how many it has */
    struct arena arena;               /* of names */
    struct text names[NAMES_MAXIMUM]; /* models written, over all providers */
    size_t name_count;
};

static const char *variable(const char *name)
{
    const char *value = name ? getenv(name) : NULL;
    return value ? value : "";
}

/* As a double-quoted scalar of YAML. */
static void append_quoted(struct buffer *out, struct text value)
{
    buffer_append_char(out, '"');
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte == '"' || byte == '\\')
            buffer_append_char(out, '\\');
        if (byte < ' ' || byte == 0x7f)
            buffer_append_format(out, "\\x%02x", (unsigned)byte);
        else
            buffer_append_char(out, (char)byte);
    }
    buffer_append_char(out, '"');
}

/* Names that the configuration takes, and that are not there already: first come, first served. A
 * star ends a pattern. */
static bool is_new_name(const struct writer *writer, struct text name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] == 0x7f ||
            (name.data[i] == '*' && i + 1 < name.length))
            return false;
    for (size_t i = 0; i < writer->name_count; i++)
        if (text_equal(writer->names[i], name))
            return false;
    return name.length > 0 && name.length <= NAME_MAXIMUM && writer->name_count < NAMES_MAXIMUM;
}

/* The name is kept by reference until the writer is done. */
static void add_model(struct writer *writer, struct text name)
{
    if (!is_new_name(writer, name))
        return;
    writer->names[writer->name_count++] = name;
    writer->provider_models++;
    buffer_append(&writer->models, TEXT("  "));
    append_quoted(&writer->models, name);
    buffer_append_format(&writer->models, ": {targets: [{provider: %s}]}\n", writer->provider);
}

/* The name goes away with the server's answer, so it is copied. */
static void add_listed_model(void *owner, struct text name)
{
    struct writer *writer = owner;
    if (writer->provider_models >= QUICK_START_MODELS_MAXIMUM || text_find_char(name, '*') >= 0)
        return;
    struct text copy = arena_copy(&writer->arena, name);
    if (copy.data)
        add_model(writer, copy);
}

static void add_provider(struct writer *writer, const char *name, const char *type,
                         struct text base_url, const char *key)
{
    writer->provider = name;
    writer->provider_models = 0;
    if (!writer->first)
        writer->first = name;
    buffer_append_format(writer->yaml, "  %s: {type: %s, base_url: ", name, type);
    append_quoted(writer->yaml, base_url);
    if (key)
        buffer_append_format(writer->yaml, ", api_key: \"env:%s\"", key);
    buffer_append(writer->yaml, TEXT("}\n"));
}

/* People set OPENAI_BASE_URL to the gateway in the shell from which they start it. */
static bool is_own_address(const struct writer *writer, struct text url)
{
    static const struct text hosts[] = {TEXT_INIT("http://127.0.0.1:"),
                                        TEXT_INIT("http://localhost:"), TEXT_INIT("http://[::1]:")};
    for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
        uint64_t port = 0;
        struct text rest = text_from_index(url, hosts[i].length);
        if (text_starts_with(url, hosts[i]) &&
            number_parse_unsigned(text_split(&rest, '/'), &port) && port == writer->own_port)
            return true;
    }
    return false;
}

/* The base URL of the provider, or an empty text when it is not configured. */
static struct text find_base_url(const struct writer *writer, const struct cloud *cloud,
                                 char out[BASE_URL_BYTES])
{
    struct text written = text_from(variable(cloud->url));
    bool own = is_own_address(writer, written);
    bool has_key = *variable(cloud->key) != 0;
    while (text_ends_with(written, TEXT("/")))
        written.length--;
    /* A server without a key is at hand only where somebody says where. */
    if (!has_key && (!cloud->standard || text_empty(written) || own))
        return (struct text){0};
    if (text_empty(written) || own)
        return text_from(cloud->standard);
    bool complete = text_ends_with(written, text_from(cloud->suffix));
    int length =
        snprintf(out, BASE_URL_BYTES, "%.*s%s", TEXT_ARG(written), complete ? "" : cloud->suffix);
    return text_of(out, length > 0 && length < (int)BASE_URL_BYTES ? (size_t)length : 0);
}

static void add_cloud(struct writer *writer, const struct cloud *cloud)
{
    char space[BASE_URL_BYTES];
    struct text base_url = find_base_url(writer, cloud, space);
    const char *key = *variable(cloud->key) ? cloud->key : NULL;
    if (text_empty(base_url))
        return;
    add_provider(writer, cloud->name, cloud->type, base_url, key);
    for (const char *const *pattern = cloud->patterns; *pattern; pattern++)
        add_model(writer, text_from(*pattern));
    buffer_append_format(writer->found, "%s (%s)\n", cloud->title, key ? key : cloud->url);
}

/* OLLAMA_HOST as Ollama reads it: "[http://]host[:port]", ":port". 0 when it is on another machine.
 */
static uint16_t find_ollama_port(void)
{
    struct text host = text_from(variable("OLLAMA_HOST"));
    uint64_t port = OLLAMA_PORT;
    if (text_starts_with(host, TEXT("http://")))
        host = text_from_index(host, sizeof("http://") - 1);
    host = text_split(&host, '/');
    ptrdiff_t colon = text_find_char(host, ':');
    if (colon >= 0 && number_parse_unsigned(text_from_index(host, (size_t)colon + 1), &port))
        host = text_first(host, (size_t)colon);
    /* What a server listens on as "all addresses" is reached at 127.0.0.1 too. */
    bool here = text_empty(host) || text_equal(host, TEXT("0.0.0.0")) ||
                text_equal(host, TEXT("localhost")) || text_starts_with(host, TEXT("127."));
    return here && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void add_local_server(struct writer *writer, const struct local_server *server)
{
    char url[64];
    if (!server->found || server->port == writer->own_port)
        return;
    int length = snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1", (unsigned)server->port);
    add_provider(writer, server->name, "openai", text_of(url, (size_t)length), NULL);
    local_server_models(server, add_listed_model, writer);
    buffer_append_format(writer->found, "%s (127.0.0.1:%u, %zu model%s)\n", server->title,
                         (unsigned)server->port, writer->provider_models,
                         writer->provider_models == 1 ? "" : "s");
}

static void add_local_servers(struct writer *writer)
{
    struct local_server servers[] = {
        {.name = "ollama", .title = "Ollama", .port = find_ollama_port()},
        {.name = "vllm", .title = "vLLM", .port = 8000},
        {.name = "llama", .title = "llama.cpp", .port = 8081},
        {.name = "lmstudio", .title = "LM Studio", .port = 1234},
    };
    local_server_probe(servers, ARRAY_LENGTH(servers), QUICK_START_PROBE_MILLISECONDS);
    for (size_t i = 0; i < ARRAY_LENGTH(servers); i++)
        add_local_server(writer, &servers[i]);
    local_server_close(servers, ARRAY_LENGTH(servers));
}

static uint16_t port_of(struct text address)
{
    struct address parsed;
    return address_parse(address, &parsed) == ERROR_OK ? address_port(&parsed) : 0;
}

bool quick_start_config(struct text address, struct text admin, struct buffer *yaml,
                        struct buffer *found)
{
    struct writer writer = {.yaml = yaml, .found = found, .own_port = port_of(address)};
    buffer_open(&writer.models, yaml->maximum);
    arena_open(&writer.arena, NULL, NAMES_MEMORY);
    writer.provider = "demo";
    add_model(&writer, TEXT("demo"));
    buffer_append(yaml, TEXT("# Made by `turnpike init` from what was found on this machine. Every "
                             "key: docs/reference/config.md\n\nlisteners:\n  main: {address: "));
    append_quoted(yaml, address);
    buffer_append(yaml, TEXT("}\n"));
    if (!text_empty(admin)) {
        buffer_append(yaml, TEXT("\nadmin:  # the admin API and the console\n  address: "));
        append_quoted(yaml, admin);
        buffer_append(yaml, TEXT("\n"));
    }
    buffer_append(yaml, TEXT("\nproviders:\n"));
    for (size_t i = 0; i < ARRAY_LENGTH(clouds); i++)
        add_cloud(&writer, &clouds[i]);
    add_local_servers(&writer);
    buffer_append(yaml, TEXT("  demo: {type: demo}  # built in, answers offline\n\nmodels:\n"));
    buffer_append(yaml, buffer_text(&writer.models));
    if (writer.first)
        buffer_append_format(yaml, "  \"*\": {targets: [{provider: %s}]}  # any other name\n",
                             writer.first);
    bool good = !yaml->failed && !found->failed && !writer.models.failed;
    buffer_close(&writer.models);
    arena_close(&writer.arena);
    return good;
}
