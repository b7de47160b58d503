/* Where alerts are sent. What is wrong with a URL or a secret would otherwise be known only when
 * the first alert cannot be sent. */
#include "config/build.h"

#include <openssl/evp.h>

#define KEY_PREFIX "whsec_"
#define KEY_MAX    1024u /* bytes of base64; 64 bytes of key are 88 */

static struct text shown_or_secret(const struct settings_value *value)
{
    return value->secret ? secret_expose(value->secret) : value->text;
}

/* "whsec_" promises base64; any other text is a key as it is. */
static bool is_key(struct text secret)
{
    unsigned char key[KEY_MAX];
    struct text encoded = text_from_index(secret, sizeof(KEY_PREFIX) - 1);

    if (!text_starts_with(secret, TEXT(KEY_PREFIX)))
        return true;
    bool good = !text_empty(encoded) && encoded.length <= KEY_MAX && encoded.length % 4 == 0 &&
                EVP_DecodeBlock(key, (const unsigned char *)encoded.data, (int)encoded.length) > 0;
    secret_wipe(key, sizeof(key));
    return good;
}

static void check_webhook(struct settings_reader *reader, const struct settings_webhook *from)
{
    struct text url = shown_or_secret(&from->url);

    if (!text_empty(url) && !text_starts_with(url, TEXT("https://")) &&
        !text_starts_with(url, TEXT("http://")))
        report_error(reader->report, settings_place(&from->url, NULL),
                     "a URL that begins with https:// or http:// is wanted");
    if (from->secret.secret && !is_key(secret_expose(from->secret.secret)))
        report_error(reader->report, settings_place(&from->secret, NULL),
                     "the secret begins with " KEY_PREFIX ", which base64 is to follow");
}

void build_webhooks(struct settings_reader *reader, const struct settings *settings,
                    struct config *config)
{
    struct config_webhook *webhooks =
        build_array(reader, settings->webhook_count, sizeof(*webhooks));
    if (!webhooks)
        return;
    size_t top = report_enter(reader->report, TEXT("webhooks"));
    for (size_t i = 0; i < settings->webhook_count; i++) {
        const struct settings_webhook *from = &settings->webhooks[i];
        size_t mark = report_enter(reader->report, from->entry.name);
        webhooks[i].name = arena_copy(&reader->memory->arena, from->entry.name);
        webhooks[i].url = from->url.text;
        webhooks[i].url_secret = from->url.secret;
        webhooks[i].secret = from->secret.secret;
        check_webhook(reader, from);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, top);
    config->webhooks = webhooks;
    config->webhook_count = settings->webhook_count;
}
