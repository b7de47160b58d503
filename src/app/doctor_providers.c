/* Each provider's base URL is asked without a key: any answer at all says that the way is open. */
#include "app/doctor_local.h"
#include "base/clock.h"
#include "base/ensure.h"

#define SECONDS_A_PROVIDER 10L
#define CLOCK_WARN_SECONDS 30

static void tell_unreachable(struct doctor *doctor, const struct config_provider *provider)
{
    const struct doctor_call *call = &doctor->call;
    const char *fix = "check the way: firewall, route, name server";
    const char *detail = call->problem;
    if (call->certificate.error) {
        detail = call->certificate.error_text;
        fix = provider->proxy ? "the egress proxy may open TLS: give its authority as tls.authority"
                              : "give the authority of that server as tls.authority";
    } else if (call->code == CURLE_COULDNT_RESOLVE_HOST ||
               call->code == CURLE_COULDNT_RESOLVE_PROXY) {
        fix = "check the name in base_url (or proxy), and this host's name server";
    } else if (provider->proxy) {
        fix = "the egress proxy must be there and allow CONNECT to this host";
    }
    doctor_say(&doctor->report, DOCTOR_FAIL, "provider", fix, "%.*s: %.*s%s%.*s: %s",
               TEXT_ARG(provider->name), TEXT_ARG(provider->endpoint.host_header),
               provider->proxy ? " through " : "",
               TEXT_ARG(provider->proxy ? provider->proxy->text : TEXT("")), detail);
}

/* Seconds that this host's clock is ahead of the answer's; false: it has no Date. */
static bool read_clock(const struct doctor_call *call, int64_t *ahead)
{
    struct text date = doctor_call_field(call, "date");
    char copy[64];
    if (text_empty(date) || !text_copy_to(date, copy, sizeof copy))
        return false;
    time_t there = curl_getdate(copy, NULL);
    *ahead = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND) - (int64_t)there;
    return there >= 0;
}

static void tell_reachable(struct doctor *doctor, const struct config_provider *provider)
{
    const struct doctor_call *call = &doctor->call;
    char until[64] = "";
    const char *fix = NULL;
    enum doctor_result result = DOCTOR_PASS;
    if (call->certificate.seen) {
        result = doctor_judge_expiry(call->certificate.not_after, until, &fix);
        if (fix)
            fix = "its owner must renew the certificate";
    }
    doctor_say(&doctor->report, result, "provider", fix, "%.*s: %.*s%s%.*s answers in %llu ms%s%s",
               TEXT_ARG(provider->name), TEXT_ARG(provider->endpoint.host_header),
               provider->proxy ? " through " : "",
               TEXT_ARG(provider->proxy ? provider->proxy->text : TEXT("")),
               (unsigned long long)(call->total / NANOSECONDS_PER_MILLISECOND),
               until[0] ? "; certificate " : "", until);
}

static bool ask(struct doctor *doctor, const struct config_provider *provider)
{
    const struct config_endpoint *endpoint = &provider->endpoint;
    struct text url =
        arena_format(&doctor->arena, "%s://%.*s%.*s/", endpoint->tls ? "https" : "http",
                     TEXT_ARG(endpoint->host_header), TEXT_ARG(endpoint->path));
    ensure_memory((void *)(uintptr_t)url.data);
    doctor->call.url = url.data;
    doctor->call.seconds = SECONDS_A_PROVIDER;
    doctor->call.authority = provider->tls.authority_path;
    doctor->call.proxy = provider->proxy ? provider->proxy->text.data : "";
    doctor->call.proxy_authorization = provider->proxy && provider->proxy->authorization
                                           ? secret_expose(provider->proxy->authorization)
                                           : TEXT("");
    return doctor_call_run(&doctor->call);
}

static void check_credentials(struct doctor *doctor, const struct config_provider *provider)
{
    if (provider->api_key == NULL && provider->credential_count == 0 && provider->endpoint.tls &&
        provider->header_count == 0)
        doctor_say(&doctor->report, DOCTOR_WARN, "credential",
                   "give it api_key or credentials, unless it wants none",
                   "%.*s: nothing is sent to say who calls", TEXT_ARG(provider->name));
}

void doctor_check_providers(struct doctor *doctor, const struct config *config)
{
    int64_t ahead, off = 0;
    bool compared = false;
    for (size_t i = 0; i < config->provider_count; i++) {
        const struct config_provider *provider = &config->providers[i];
        if (provider->endpoint.port == 0) /* built in, or a unix socket */
            continue;
        check_credentials(doctor, provider);
        if (!ask(doctor, provider)) {
            tell_unreachable(doctor, provider);
            continue;
        }
        tell_reachable(doctor, provider);
        if (!compared && read_clock(&doctor->call, &ahead)) {
            compared = true;
            off = ahead < 0 ? -ahead : ahead;
        }
    }
    if (compared && off > CLOCK_WARN_SECONDS)
        doctor_say(&doctor->report, DOCTOR_WARN, "clock",
                   "set this machine's clock (NTP): signatures and tokens are refused for it",
                   "%lld s from the providers'", (long long)off);
    else if (compared)
        doctor_say(&doctor->report, DOCTOR_PASS, "clock", NULL, "%lld s from the providers'",
                   (long long)off);
}
