/* Which models an account has: those that are called by their own id (ListFoundationModels), then
 * the inference profiles, by which the others are called (ListInferenceProfiles). Both are of
 * Bedrock's control plane, which has a host of its own. Source: Amazon Bedrock API reference. */
#include "base/instant.h"
#include "provider/bedrock_parts.h"
#include "provider/listing.h"

/* What the page after the foundation models is asked by; behind it the token of the next one. */
static const struct text profiles = TEXT_INIT("profiles");

/* "bedrock-runtime.REGION…" and "bedrock-runtime-fips.REGION…" have it beside them; an address of
 * the configuration's own answers for both. */
static bool list_host(const struct provider_settings *settings, struct buffer *out)
{
    static const struct text runtime = TEXT_INIT("bedrock-runtime");
    if (!text_starts_with(settings->host, runtime))
        return false;
    buffer_append(out, TEXT("bedrock"));
    buffer_append(out, text_from_index(settings->host, runtime.length));
    return true;
}

static void write_target(const struct listing_ask *ask)
{
    buffer_append(ask->target, ask->settings->base_path);
    if (!text_starts_with(ask->page, profiles)) {
        buffer_append(ask->target, TEXT("/foundation-models"));
        return;
    }
    buffer_append(ask->target, TEXT("/inference-profiles?maxResults=1000"));
    struct text token = text_from_index(ask->page, profiles.length);
    if (!text_empty(token))
        listing_append_parameter(ask->target, "nextToken", token);
}

static enum error list_ask(const struct listing_ask *ask)
{
    struct buffer host;
    buffer_open(&host, NATIVE_TARGET_MAX);
    bool own = list_host(ask->settings, &host);
    write_target(ask);
    enum error error = host.failed || ask->target->failed
                           ? ERROR_MEMORY
                           : bedrock_sign(
                                 &(struct bedrock_signing){
                                     .credential = ask->credential,
                                     .method = TEXT("GET"),
                                     .host = own ? buffer_text(&host) : ask->settings->host,
                                     .target = buffer_text(ask->target),
                                     .body = TEXT(""),
                                     .region = ask->settings->region,
                                     .now = ask->now,
                                 },
                                 ask->lines);
    buffer_close(&host);
    return error;
}

/* Chat and embeddings alone write text or vectors; what was retired is not called any more. */
static bool is_called(yyjson_val *row)
{
    static const char *const demand[] = {"ON_DEMAND", NULL};
    static const char *const outputs[] = {"TEXT", "EMBEDDING", NULL};
    struct text status = listing_text(yyjson_obj_get(row, "modelLifecycle"), "status");
    return listing_has_word(yyjson_obj_get(row, "inferenceTypesSupported"), demand) &&
           listing_has_word(yyjson_obj_get(row, "outputModalities"), outputs) &&
           (text_empty(status) || text_equal(status, TEXT("ACTIVE")) ||
            text_equal(status, TEXT("LEGACY")));
}

static void read_models(struct listing *listing, yyjson_val *rows)
{
    yyjson_val *row;
    size_t index, count;
    yyjson_arr_foreach(rows, index, count, row)
    {
        if (is_called(row))
            listing_add(listing, listing_text(row, "modelId"), 0);
    }
    listing_set_next(listing, profiles);
}

static void read_profiles(struct listing *listing, yyjson_val *rows)
{
    yyjson_val *row;
    size_t index, count;
    yyjson_arr_foreach(rows, index, count, row)
    {
        int64_t created = 0;
        struct text status = listing_text(row, "status");
        if (!text_empty(status) && !text_equal(status, TEXT("ACTIVE")))
            continue;
        if (!instant_parse(listing_text(row, "createdAt"), &created))
            created = 0;
        listing_add(listing, listing_text(row, "inferenceProfileId"), created);
    }
}

static enum error list_read(struct listing *listing, yyjson_val *root)
{
    yyjson_val *models = yyjson_obj_get(root, "modelSummaries");
    yyjson_val *summaries = yyjson_obj_get(root, "inferenceProfileSummaries");
    if (yyjson_is_arr(models)) {
        read_models(listing, models);
        return ERROR_OK;
    }
    if (!yyjson_is_arr(summaries))
        return ERROR_SYNTAX;
    read_profiles(listing, summaries);
    struct text token = listing_text(root, "nextToken");
    if (text_empty(token))
        return ERROR_OK;
    struct text next =
        arena_format(&listing->arena, "%.*s%.*s", TEXT_ARG(profiles), TEXT_ARG(token));
    listing->cut |= next.data == NULL;
    listing_set_next(listing, next);
    return ERROR_OK;
}

const struct lister bedrock_lister = {.ask = list_ask, .read = list_read, .host = list_host};
