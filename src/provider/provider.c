#include "provider/provider.h"

#include "base/ensure.h"
#include "provider/family.h"
#include "provider/quirks.h"

#define PROVIDER(name, family, base_url, catalog) extern const struct provider family;
#include "tables/providers.def"
#undef PROVIDER

static const struct provider *const families[] = {
#define PROVIDER(name, family, base_url, catalog) &family,
#include "tables/providers.def"
#undef PROVIDER
};

const struct provider *provider_at(size_t index)
{
    return index < ARRAY_LENGTH(families) ? families[index] : NULL;
}

const struct provider *provider_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
        if (text_equal(families[i]->name, name))
            return families[i];
    return NULL;
}

struct text provider_name(const struct provider *provider)
{
    return provider->name;
}

bool provider_translates(const struct provider *provider)
{
    return provider->native != NULL;
}

bool provider_makes_bodies(const struct provider_settings *settings)
{
    return settings->provider->native != NULL || settings->quirks != NULL;
}

const struct quirks *provider_find_quirks(struct text name, struct text host, uint16_t port)
{
    const struct quirks *quirks = text_empty(name) ? quirks_guess(host, port) : quirks_find(name);
    return quirks == NULL || (quirks->flags == 0 && text_empty(quirks->dropped)) ? NULL : quirks;
}

enum error provider_prepare(const struct provider_call *call, struct buffer *lines,
                            struct provider_request *request)
{
    ensure(call->match->endpoint != NULL && call->match->endpoint->routing != ENDPOINT_LOCAL);
    *request = (struct provider_request){.method = call->head->method};
    enum error error = call->settings->provider->prepare(call, lines, request);
    return error == ERROR_OK && lines->failed ? ERROR_MEMORY : error;
}

void provider_request_close(struct provider_request *request)
{
    if (request->close)
        request->close(request);
    request->close = NULL;
}

enum error provider_answer_open(const struct provider_call *call,
                                const struct provider_request *request,
                                const struct provider_sink *sink, struct provider_answer **answer)
{
    return call->settings->provider->answer_open(call, request, sink, answer);
}

void provider_answer_close(struct provider_answer *answer)
{
    if (answer != NULL)
        answer->methods->close(answer);
}

enum error provider_answer_head(struct provider_answer *answer, const struct http1_head *head,
                                struct buffer *lines, struct provider_answer_out *out)
{
    enum error error = answer->methods->head(answer, head, lines, out);
    return error == ERROR_OK && lines->failed ? ERROR_MEMORY : error;
}

enum error provider_answer_bytes(struct provider_answer *answer, struct text bytes)
{
    return answer->methods->bytes(answer, bytes);
}

bool provider_answer_end(struct provider_answer *answer, enum error error, struct text code,
                         struct text message)
{
    return answer->methods->end(answer, error, code, message);
}

const struct provider_outcome *provider_answer_outcome(const struct provider_answer *answer)
{
    return &answer->outcome;
}

const struct answer_facts *provider_answer_facts(const struct provider_answer *answer)
{
    return answer->facts;
}

bool provider_answer_has_content(const struct provider_answer *answer)
{
    return answer->has_content;
}
