/* Whether providers can be reached from here without the gateway. Only connections are opened: TCP
 * and TLS, no request and no key. */
#include "app/doctor_remote.h"
#include "config/endpoint.h"

#define SECONDS 4L /* a host that is reachable answers in one */

/* Those that most traffic goes to; --provider names others. */
static const char *const providers[] = {
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "aiplatform.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "api.mistral.ai",
    "api.groq.com",
    "openrouter.ai",
};

struct reach {
    CURL *curl;
    char url[300];
    const char *host;
    bool reached;
};

static void add(CURLM *multi, struct reach *reach, const char *host, struct arena *arena)
{
    struct config_endpoint endpoint;
    bool excepted = false;
    const char *proxy = "";
    reach->host = host;
    (void)snprintf(reach->url, sizeof reach->url, "https://%.250s", host);
    if (endpoint_parse(text_from(reach->url), arena, &endpoint) == NULL)
        proxy = doctor_proxy_of(&endpoint, &excepted);
    reach->curl = curl_easy_init();
    if (reach->curl == NULL)
        return;
    (void)curl_easy_setopt(reach->curl, CURLOPT_URL, reach->url);
    (void)curl_easy_setopt(reach->curl, CURLOPT_PROXY, proxy);
    (void)curl_easy_setopt(reach->curl, CURLOPT_NOPROXY, "");
    (void)curl_easy_setopt(reach->curl, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(reach->curl, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(reach->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(reach->curl, CURLOPT_TIMEOUT, SECONDS);
    /* Nothing is sent: who answers there does not matter, only that somebody does. */
    (void)curl_easy_setopt(reach->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(reach->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(reach->curl, CURLOPT_PRIVATE, reach);
    (void)curl_multi_add_handle(multi, reach->curl);
}

static void take_results(CURLM *multi)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
        struct reach *reach = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&reach);
        reach->reached = message->data.result == CURLE_OK;
    }
}

static void connect_to_all(CURLM *multi)
{
    int running = 1;
    while (running > 0 && curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        if (curl_multi_poll(multi, NULL, 0, 500, NULL) != CURLM_OK)
            return;
    }
    take_results(multi);
}

static void tell(struct doctor *doctor, const struct reach *reaches, size_t count)
{
    char list[1024] = "";
    size_t reached = 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(list);
        if (!reaches[i].reached)
            continue;
        reached++;
        (void)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", reaches[i].host);
    }
    if (reached == 0)
        doctor_say(&doctor->report, DOCTOR_PASS, "egress", NULL,
                   "none of %zu providers can be reached from here without the gateway", count);
    else
        doctor_say(&doctor->report, DOCTOR_WARN, "egress",
                   "the gateway can be driven round from here: let only the gateway reach "
                   "providers (egress rules, network policy, proxy)",
                   "this place reaches %zu of %zu providers directly: %s", reached, count, list);
}

void doctor_check_egress(struct doctor *doctor)
{
    const struct option_list *more = &doctor->options->hosts;
    struct reach reaches[ARRAY_LENGTH(providers) + OPTION_VALUES_MAX] = {0};
    size_t count = 0;
    CURLM *multi = curl_multi_init();
    if (multi == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(providers); i++)
        add(multi, &reaches[count++], providers[i], &doctor->arena);
    for (size_t i = 0; i < more->count; i++)
        add(multi, &reaches[count++], more->values[i], &doctor->arena);
    connect_to_all(multi);
    tell(doctor, reaches, count);
    for (size_t i = 0; i < count; i++) {
        if (reaches[i].curl) {
            (void)curl_multi_remove_handle(multi, reaches[i].curl);
            curl_easy_cleanup(reaches[i].curl);
        }
    }
    (void)curl_multi_cleanup(multi);
}
