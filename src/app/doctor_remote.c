/* The checks stand in the order in which a connection comes about: what is wrong first makes the
 * rest moot, so it ends there. */
#include "app/doctor_remote.h"

#include <errno.h>
#include <openssl/x509.h>
#include <time.h>

#include "app/doctor_network.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "base/secret.h"
#include "codec/json.h"
#include "config/endpoint.h"
#include "config/proxy.h"
#include "identity/jwt.h"

#define ARENA_MAX            (8u << 20)
#define CONNECT_MILLISECONDS 5000
/* A certificate that ends sooner should have been renewed: ACME clients do it a month before. */
#define EXPIRY_SOON_SECONDS (14 * 86400)
/* Beyond the first, short-lived tokens are refused as not yet valid or expired. */
#define CLOCK_WARN_SECONDS 30
#define CLOCK_FAIL_SECONDS 300
/* Long enough for a way that cuts at once, short enough for every run. */
#define IDLE_USUAL       "5s"
#define IDLE_MAX_SECONDS 3600u

/* ------------------------------------------------------------------ proxy variables */

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    if (value == NULL || *value == '\0')
        value = getenv(upper);
    return value ? value : "";
}

const char *doctor_proxy_of(const struct config_endpoint *endpoint, bool *excepted)
{
    const char *proxy = endpoint->tls ? variable("https_proxy", "HTTPS_PROXY")
                                      : variable("http_proxy", "HTTP_PROXY");
    const char *list = variable("no_proxy", "NO_PROXY");
    *excepted =
        *proxy != '\0' && proxy_is_excepted(text_from(list), endpoint->host, endpoint->port);
    return *excepted ? "" : proxy;
}

/* Without user and password. */
static struct text without_credentials(const char *proxy)
{
    struct text rest = text_from(proxy);
    ptrdiff_t at = text_find_char(rest, '@');
    return at < 0 ? rest : text_from_index(rest, (size_t)at + 1);
}

static bool differ(const char *lower, const char *upper)
{
    const char *a = getenv(lower), *b = getenv(upper);
    return a != NULL && b != NULL && !text_equal(text_from(a), text_from(b));
}

static void check_proxy(struct doctor *doctor)
{
    struct doctor_report *report = &doctor->report;
    bool excepted, tls = doctor->endpoint.tls;
    const char *proxy = doctor_proxy_of(&doctor->endpoint, &excepted);
    doctor->proxy = proxy;
    if (differ("https_proxy", "HTTPS_PROXY") || differ("http_proxy", "HTTP_PROXY") ||
        differ("no_proxy", "NO_PROXY"))
        doctor_say(
            report, DOCTOR_WARN, "proxy",
            "give both spellings the same value: programs differ in which they read",
            "a proxy variable in lower case and its twin in upper case say different things");
    else if (excepted)
        doctor_say(report, DOCTOR_PASS, "proxy", NULL,
                   "a proxy is set, and NO_PROXY has %.*s: direct",
                   TEXT_ARG(doctor->endpoint.host));
    else if (*proxy == '\0')
        doctor_say(report, DOCTOR_PASS, "proxy", NULL, "no proxy is set for this URL: direct");
    else
        doctor_say(report, DOCTOR_WARN, "proxy",
                   "if the gateway is inside your network, put its name into NO_PROXY",
                   "%s sends this URL through %.*s", tls ? "HTTPS_PROXY" : "HTTP_PROXY",
                   TEXT_ARG(without_credentials(proxy)));
}

/* ------------------------------------------------------------------ names and addresses */

/* What is dialled: the gateway, or the proxy before it. */
static bool find_peer(struct doctor *doctor, char host[256], unsigned *port)
{
    struct config_endpoint proxy;
    struct text name = doctor->endpoint.host;
    *port = doctor->endpoint.port;
    if (doctor->proxy[0] != '\0') {
        struct text url = text_from(doctor->proxy), rest = without_credentials(doctor->proxy);
        bool schemeless = text_find(url, TEXT("://")) < 0;
        if (schemeless || rest.length < url.length)
            url = arena_format(&doctor->arena, "http://%.*s", TEXT_ARG(rest));
        if (endpoint_parse(url, &doctor->arena, &proxy) != NULL || proxy.port == 0) {
            doctor_say(&doctor->report, DOCTOR_FAIL, "proxy", "write it as http://host:port",
                       "the proxy variable holds no URL of a proxy");
            return false;
        }
        name = proxy.host;
        *port = proxy.port;
    }
    return text_copy_to(name, host, 256);
}

static void append_addresses(char out[512], const struct doctor_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        size_t used = strlen(out);
        (void)snprintf(out + used, 512 - used, "%s%s", used ? ", " : "", addresses->rows[i].text);
    }
}

static bool check_dns(struct doctor *doctor, const char *host, unsigned port,
                      struct doctor_addresses *v4, struct doctor_addresses *v6)
{
    char list[512] = "";
    doctor_resolve(host, port, AF_INET, v4);
    doctor_resolve(host, port, AF_INET6, v6);
    append_addresses(list, v4);
    append_addresses(list, v6);
    if (v4->count + v6->count > 0) {
        doctor_say(&doctor->report, DOCTOR_PASS, "dns", NULL, "%s: %s%s", host, list,
                   v6->count == 0   ? " (IPv4 alone)"
                   : v4->count == 0 ? " (IPv6 alone)"
                                    : "");
        return true;
    }
    doctor_say(&doctor->report, DOCTOR_FAIL, "dns",
               v4->unreachable
                   ? "look at /etc/resolv.conf, and whether this place may ask that name server"
                   : "check the name for a typing error; if it is right, this place's name server "
                     "does not know it: a private zone may not be visible from here",
               "%s: %s", host, v4->problem ? v4->problem : v6->problem);
    return false;
}

static const char *advice_on_connecting(int problem)
{
    switch (problem) {
    case ECONNREFUSED:
        return "nothing listens on that port there: check the port, and that the gateway runs";
    case ETIMEDOUT:
        return "packets are dropped on the way: a firewall or security group must let this place "
               "reach that port";
    case ENETUNREACH:
    case EHOSTUNREACH: return "there is no route from here: check routing, VPN or peering";
    case EACCES:
    case EPERM: return "a rule on this machine or in this cluster forbids it (network policy)";
    default: return "check the way from here to there";
    }
}

static size_t connect_all(struct doctor *doctor, const struct doctor_addresses *addresses,
                          unsigned port, bool others)
{
    size_t good = 0;
    for (size_t i = 0; i < addresses->count; i++) {
        uint64_t began = clock_monotonic();
        int problem = doctor_connect(&addresses->rows[i], CONNECT_MILLISECONDS);
        uint64_t took = (clock_monotonic() - began) / NANOSECONDS_PER_MILLISECOND;
        if (problem == 0) {
            good++;
            doctor_say(&doctor->report, DOCTOR_PASS, "tcp", NULL,
                       "%s port %u: connected in %llu ms", addresses->rows[i].text, port,
                       (unsigned long long)took);
            continue;
        }
        doctor_say(&doctor->report, others ? DOCTOR_WARN : DOCTOR_FAIL, "tcp",
                   advice_on_connecting(problem), "%s port %u: %s", addresses->rows[i].text, port,
                   strerror(problem));
    }
    return good;
}

static bool check_network(struct doctor *doctor)
{
    struct doctor_addresses v4, v6;
    char host[256];
    unsigned port;
    if (!find_peer(doctor, host, &port) || !check_dns(doctor, host, port, &v4, &v6))
        return false;
    /* The address that does not answer is what a caller waits for before it tries the other. */
    size_t good = connect_all(doctor, &v4, port, v6.count > 0);
    good += connect_all(doctor, &v6, port, good > 0);
    return good > 0;
}

/* ------------------------------------------------------------------ TLS and HTTP */

static const char *advice_on_certificate(const struct doctor_certificate *certificate)
{
    switch (certificate->error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return "it must be renewed where TLS ends";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "it begins in the future: check this machine's clock";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "give this place that authority's certificate (SSL_CERT_FILE=ca.pem; for Python's "
               "requests REQUESTS_CA_BUNDLE, for Node NODE_EXTRA_CA_CERTS). If you do not know the "
               "authority, something in between opens TLS; if you do, the server may send its "
               "chain without the intermediate certificates";
    default: return "look at the certificate where TLS ends";
    }
}

/* What a server says of the client's certificate comes as an alert (RFC 8446 section 6.2), with TLS
 * 1.3 after the handshake, when the first bytes are read. Static; NULL: the trouble is another. */
static const char *advice_on_own_certificate(const struct doctor *doctor)
{
    struct text problem = text_from(doctor->call.problem);
    bool refused = text_find(problem, TEXT("alert bad certificate")) >= 0 ||
                   text_find(problem, TEXT("alert unknown ca")) >= 0 ||
                   text_find(problem, TEXT("alert certificate")) >= 0 ||
                   text_find(problem, TEXT("alert unsupported certificate")) >= 0;
    if (doctor->call.code == CURLE_SSL_CERTPROBLEM)
        return "--certificate and --certificate-key name files in PEM: a certificate, and the "
               "private key that belongs to it";
    if (text_find(problem, TEXT("certificate required")) >= 0 ||
        (doctor->options->certificate == NULL &&
         (refused || text_find(problem, TEXT("alert handshake failure")) >= 0)))
        return "the listener takes only callers that show a client certificate: show this "
               "workload's with --certificate FILE --certificate-key FILE";
    if (refused)
        return "the listener does not take that client certificate: see that it has not expired, "
               "that its authority is the one under client_authority there, and that the file has "
               "the certificates in between";
    return NULL;
}

static void tell_tls_failure(struct doctor *doctor)
{
    const struct doctor_certificate *certificate = &doctor->call.certificate;
    const char *own = advice_on_own_certificate(doctor);
    if (own != NULL)
        doctor_say(&doctor->report, DOCTOR_FAIL, "tls", own, "%s", doctor->call.problem);
    else if (certificate->error != 0)
        doctor_say(&doctor->report, DOCTOR_FAIL, "tls", advice_on_certificate(certificate),
                   "%s: %s, issued by %s", certificate->error_text, certificate->subject,
                   certificate->issuer);
    else if (certificate->seen)
        doctor_say(
            &doctor->report, DOCTOR_FAIL, "tls",
            "use one of the certificate's names in the URL, or have one issued for this name",
            "the certificate is not for %.*s; it is for %s", TEXT_ARG(doctor->endpoint.host),
            certificate->names[0] ? certificate->names : "no name at all");
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "tls",
                   "check that this port speaks TLS (else the URL begins with http://)", "%s",
                   doctor->call.problem);
}

static void tell_certificate(struct doctor *doctor)
{
    const struct doctor_certificate *certificate = &doctor->call.certificate;
    char until[CLOCK_RFC3339_SIZE];
    int64_t now = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND);
    (void)clock_format_rfc3339((uint64_t)certificate->not_after * NANOSECONDS_PER_SECOND, until);
    bool soon = certificate->not_after - now < EXPIRY_SOON_SECONDS;
    doctor_say(&doctor->report, soon ? DOCTOR_WARN : DOCTOR_PASS, "tls",
               soon ? "renew it where TLS ends" : NULL, "%s, issued by %s, good until %.10s",
               certificate->names[0] ? certificate->names : certificate->subject,
               certificate->issuer, until);
}

static bool is_tls_failure(const struct doctor_call *call)
{
    return call->code == CURLE_PEER_FAILED_VERIFICATION || call->code == CURLE_SSL_CERTPROBLEM ||
           call->code == CURLE_SSL_CONNECT_ERROR || call->code == CURLE_SSL_CACERT_BADFILE;
}

bool doctor_ask(struct doctor *doctor, const char *method, const char *path, struct text body,
                bool with_key)
{
    struct text url = arena_format(&doctor->arena, "%.*s%s", TEXT_ARG(doctor->base), path);
    ensure_memory((void *)(uintptr_t)url.data);
    doctor->call.method = method;
    doctor->call.url = url.data;
    doctor->call.proxy = doctor->proxy;
    doctor->call.own_certificate = doctor->options->certificate;
    doctor->call.own_key = doctor->options->certificate_key;
    doctor->call.body = body;
    doctor->call.key = with_key ? doctor->key : NULL;
    return doctor_call_run(&doctor->call);
}

/* Where something else leads to, without what a sign-on puts behind "?". */
static struct text redirect_target(struct doctor *doctor)
{
    struct text location = doctor_call_field(&doctor->call, "location");
    if (doctor->call.status < 300 || doctor->call.status > 399 || text_empty(location))
        return TEXT("");
    struct text target = text_split(&location, '?');
    return arena_format(&doctor->arena, " (a redirect to %.*s)", TEXT_ARG(target));
}

static bool check_http(struct doctor *doctor)
{
    struct doctor_call *call = &doctor->call;
    bool good = doctor_ask(doctor, "GET", "/healthz", TEXT(""), false);
    struct text target = redirect_target(doctor);
    bool ours = good && call->status == 200 && text_equal(buffer_text(&call->answer), TEXT("ok\n"));
    if (!good && doctor->endpoint.tls &&
        (is_tls_failure(call) || advice_on_own_certificate(doctor) != NULL)) {
        tell_tls_failure(doctor);
        return false;
    }
    if (good && doctor->endpoint.tls)
        tell_certificate(doctor);
    if (!good && call->code == CURLE_COULDNT_CONNECT && doctor->proxy[0] != '\0')
        doctor_say(&doctor->report, DOCTOR_FAIL, "http",
                   "the proxy must allow CONNECT to the gateway, or NO_PROXY must have its name",
                   "the proxy did not open the way: %s", call->problem);
    else if (!good)
        doctor_say(&doctor->report, DOCTOR_FAIL, "http",
                   "check that this is the port of a listener of the gateway, and that nothing in "
                   "between cuts the connection",
                   "%s", call->problem);
    else if (!ours)
        doctor_say(&doctor->report, DOCTOR_FAIL, "http",
                   call->status == 407 ? "the proxy wants a user and a password in HTTPS_PROXY"
                                       : "something else answers here: a balancer's own page, a "
                                         "sign-on page, or the URL has a path too many",
                   "/healthz answered %ld, and not as a gateway does%.*s", call->status,
                   TEXT_ARG(target));
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "http", NULL, "/healthz answered in %llu ms",
                   (unsigned long long)(call->total / NANOSECONDS_PER_MILLISECOND));
    return ours;
}

/* ------------------------------------------------------------------ the clock, and what is between
 */

static void check_clock(struct doctor *doctor)
{
    struct text date = doctor_call_field(&doctor->call, "date");
    char copy[64];
    int64_t here = (int64_t)(clock_wall() / NANOSECONDS_PER_SECOND);
    time_t there =
        text_copy_to(date, copy, sizeof copy) && date.length > 0 ? curl_getdate(copy, NULL) : -1;
    if (there < 0) {
        doctor_say(&doctor->report, DOCTOR_WARN, "clock", "something in between removed it",
                   "the answer has no Date, so the clocks cannot be compared");
        return;
    }
    int64_t off = here > there ? here - there : there - here;
    enum doctor_result result = off > CLOCK_FAIL_SECONDS   ? DOCTOR_FAIL
                                : off > CLOCK_WARN_SECONDS ? DOCTOR_WARN
                                                           : DOCTOR_PASS;
    if (result == DOCTOR_PASS)
        doctor_say(&doctor->report, result, "clock", NULL, "%lld s from the gateway's",
                   (long long)off);
    else
        doctor_say(&doctor->report, result, "clock",
                   "set this machine's clock (NTP), or the gateway's: tokens and certificates are "
                   "refused for it",
                   "this machine's clock is %lld s %s the gateway's", (long long)off,
                   here > there ? "ahead of" : "behind");
}

/* ------------------------------------------------------------------ the whole */

static bool read_url(struct doctor *doctor, const char *url)
{
    struct text text = text_from(url);
    /* Not said again: what is written here ends up in the log of a pipeline. */
    if (text_find(text, TEXT("@")) >= 0) {
        (void)verb_fail(
            "the URL has a name or a password in it (before \"@\"): leave that out; the "
            "key comes from TURNPIKE_API_KEY, --key-env or --key-file");
        return false;
    }
    const char *wrong = endpoint_parse(text, &doctor->arena, &doctor->endpoint);
    if (wrong != NULL || doctor->endpoint.port == 0) {
        (void)verb_fail("'%.200s' is no URL of a gateway: %s", url,
                        wrong ? wrong : "a unix socket has no network to look at");
        return false;
    }
    while (text_ends_with(text, TEXT("/")))
        text.length--;
    if (text_ends_with(text, TEXT("/v1")))
        text.length -= 3;
    doctor->base = text;
    return true;
}

/* False where there is none. */
static bool take_key(struct doctor *doctor, struct text value, const char *source)
{
    value = text_trim(value);
    if (text_empty(value))
        return false;
    doctor->key = text_duplicate(value);
    doctor->key_source = source;
    return true;
}

/* Else it says why not: the gateway would only say that what it got is malformed. */
static bool can_be_sent(const struct doctor *doctor)
{
    struct text key = text_from(doctor->key);
    if (key.length > JWT_LENGTH_MAX) {
        (void)verb_fail("%.200s holds more than the %u bytes that a key or token may have for the "
                        "gateway: is it one token, and nothing else?",
                        doctor->key_source, JWT_LENGTH_MAX);
        return false;
    }
    for (size_t i = 0; i < key.length; i++) {
        if ((unsigned char)key.data[i] < ' ') {
            (void)verb_fail("%.200s holds a line end or another control character (byte %zu): no "
                            "program can send that as a key; set it without",
                            doctor->key_source, i + 1);
            return false;
        }
    }
    return true;
}

/* Its first line. Room for one byte too many, by which can_be_sent sees it, and for what stands
 * around it. */
static bool read_key_file(struct doctor *doctor, const char *name)
{
    size_t size = JWT_LENGTH_MAX + 64;
    char *bytes = ensure_memory(calloc(1, size));
    FILE *file = fopen(name, "re");
    bool good = file != NULL && fgets(bytes, (int)size, file) != NULL;
    bytes[strcspn(bytes, "\r\n")] = '\0';
    if (!good)
        (void)verb_fail("--key-file %.200s: %s", name, file ? "it is empty" : strerror(errno));
    else if (!take_key(doctor, text_from(bytes), name)) {
        (void)verb_fail("--key-file %.200s: its first line is empty", name);
        good = false;
    }
    if (file)
        fclose(file);
    secret_wipe(bytes, size);
    free(bytes);
    return good;
}

/* From the environment or a file: on the command line every user of the machine would see it. */
static bool read_key(struct doctor *doctor)
{
    const struct doctor_options *options = doctor->options;
    if (options->key_file)
        return read_key_file(doctor, options->key_file) && can_be_sent(doctor);
    if (options->key_variable == NULL) {
        if (!take_key(doctor, text_from(getenv("TURNPIKE_API_KEY")), "TURNPIKE_API_KEY"))
            (void)take_key(doctor, text_from(getenv("OPENAI_API_KEY")), "OPENAI_API_KEY");
        return can_be_sent(doctor);
    }
    if (take_key(doctor, text_from(getenv(options->key_variable)), options->key_variable))
        return can_be_sent(doctor);
    (void)verb_fail("--key-env: the variable %.60s is not set", options->key_variable);
    return false;
}

/* libcurl's own words for a file that is not there do not name it. */
static bool read_certificate(const struct doctor_options *options)
{
    const char *files[] = {options->certificate, options->certificate_key};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        FILE *file = files[i] ? fopen(files[i], "re") : NULL;
        if (files[i] && !file) {
            (void)verb_fail("--certificate%s %.200s: %s", i ? "-key" : "", files[i],
                            strerror(errno));
            return false;
        }
        if (file)
            fclose(file);
    }
    return true;
}

static bool read_idle(struct doctor *doctor)
{
    uint64_t milliseconds, seconds;
    struct text idle = text_from(doctor->options->idle ? doctor->options->idle : IDLE_USUAL);
    if (number_parse_unsigned(idle, &seconds) && seconds <= IDLE_MAX_SECONDS)
        milliseconds = seconds * 1000; /* a number alone counts seconds */
    else if (!number_parse_duration(idle, &milliseconds) || milliseconds < 1000 ||
             milliseconds > IDLE_MAX_SECONDS * 1000u) {
        (void)verb_fail("--idle takes a time from 1s to 1h, such as 60s; 0 leaves it out");
        return false;
    }
    doctor->idle = (int64_t)(milliseconds / 1000);
    return true;
}

static void check_all(struct doctor *doctor)
{
    check_proxy(doctor);
    if (check_network(doctor) && check_http(doctor)) {
        check_clock(doctor);
        if (doctor_check_identity(doctor) && !doctor->options->no_call)
            doctor_check_call(doctor);
        if (doctor->idle > 0)
            doctor_check_idle(doctor, doctor->echoes);
    }
    if (!doctor->options->no_egress_check)
        doctor_check_egress(doctor);
}

int doctor_remote_run(struct doctor *doctor, const char *url)
{
    int exit_code = VERB_USAGE;
    arena_open(&doctor->arena, NULL, ARENA_MAX);
    doctor_call_open(&doctor->call);
    if (read_url(doctor, url) && read_idle(doctor) && read_certificate(doctor->options) &&
        read_key(doctor)) {
        doctor_report_open(&doctor->report, text_from(url), doctor->options->json,
                           doctor->options->strict);
        check_all(doctor);
        exit_code = doctor_report_finish(&doctor->report);
        doctor_report_close(&doctor->report);
    }
    if (doctor->key) {
        secret_wipe(doctor->key, strlen(doctor->key));
        free(doctor->key);
    }
    doctor_call_close(&doctor->call);
    arena_close(&doctor->arena);
    return exit_code;
}
