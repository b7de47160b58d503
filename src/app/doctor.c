/* turnpike doctor: why a call from here does not get through, or whether the gateway's own host is
 * in order. */
#include "app/doctor_local.h"
#include "app/doctor_remote.h"
#include "app/verb.h"
#include "base/ensure.h"

static int doctor_run(const struct verb_call *call)
{
    const struct doctor_options *options = call->options;
    bool remote = call->operand_count == 1;
    if (remote && (options->config || options->data))
        return verb_misused(call->verb, "--config and --data are for the gateway's own host, "
                                        "without a URL");
    if (!remote && (options->key_file || options->key_variable || options->model || options->idle ||
                    options->certificate || options->certificate_key || options->hosts.count > 0 ||
                    options->no_egress_check || options->no_call))
        return verb_misused(call->verb, "URL is missing: that option is for a gateway that is "
                                        "looked at from elsewhere");
    if (options->certificate_key && !options->certificate)
        return verb_misused(call->verb, "--certificate-key goes with --certificate");
    if (options->key_file && options->key_variable)
        return verb_misused(call->verb, "--key-file and --key-env do not go together");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return verb_fail("libcurl cannot start");
    struct doctor *doctor = ensure_memory(calloc(1, sizeof *doctor));
    doctor->options = options;
    int exit_code =
        remote ? doctor_remote_run(doctor, call->operands[0]) : doctor_local_run(doctor);
    free(doctor);
    curl_global_cleanup();
    return exit_code;
}

static const struct option doctor_option_rows[] = {
    OPTION_TEXT_ROW("key-file", struct doctor_options, key_file, "FILE",
                    "where the key is [TURNPIKE_API_KEY, else OPENAI_API_KEY of the environment]",
                    OPTION_FILE),
    OPTION_TEXT_ROW("key-env", struct doctor_options, key_variable, "NAME",
                    "the environment variable that holds the key", OPTION_ANY),
    OPTION_TEXT_ROW("certificate", struct doctor_options, certificate, "FILE",
                    "the client certificate (PEM, with its chain) that this workload shows",
                    OPTION_FILE),
    OPTION_TEXT_ROW("certificate-key", struct doctor_options, certificate_key, "FILE",
                    "its private key (PEM) [in the certificate's file]", OPTION_FILE),
    OPTION_TEXT_ROW("model", struct doctor_options, model, "MODEL",
                    "what the one small call asks for [demo, else the first that is listed]",
                    OPTION_ANY),
    OPTION_FLAG_ROW("no-call", struct doctor_options, no_call, "make no call to a model"),
    OPTION_TEXT_ROW("idle", struct doctor_options, idle, "TIME",
                    "see whether a stream or a connection that is silent for so long is cut [5s; "
                    "0: leave it out]",
                    OPTION_ANY),
    OPTION_LIST_ROW("provider", struct doctor_options, hosts, "HOST[:PORT]",
                    "see whether this host, too, can be reached without the gateway"),
    OPTION_FLAG_ROW("no-egress-check", struct doctor_options, no_egress_check,
                    "do not see whether providers can be reached without the gateway"),
    OPTION_TEXT_ROW("config", struct doctor_options, config, "FILE",
                    "without URL: the gateway's configuration [./turnpike.yaml]", OPTION_FILE),
    OPTION_TEXT_ROW("data", struct doctor_options, data, "DIR",
                    "without URL: the gateway's data directory [./data]", OPTION_DIRECTORY),
    OPTION_FLAG_ROW("strict", struct doctor_options, strict, "a warning is a failure"),
    OPTION_FLAG_ROW("json", struct doctor_options, json, "print JSON, for programs"),
    OPTION_END,
};

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "Say why calls do not get through, and what to do",
    .operands = "[URL]",
    .operands_max = 1,
    .options = doctor_option_rows,
    .options_size = sizeof(struct doctor_options),
    .description =
        "With URL, run it where the workload runs: it looks at proxy variables, DNS, TCP, TLS, the "
        "clock, what stands in between, the key, the models, one small streamed call, and whether "
        "providers can be reached without the gateway. Without URL, run it on the gateway's own "
        "host: configuration, store, disk, limits, providers and certificates.\n"
        "\n"
        "Exit code: 0 nothing failed (with --strict: no warning either), 1 something failed, 2 the "
        "command line was wrong.",
    .examples = "turnpike doctor https://gateway.example\n"
                "turnpike doctor https://gateway.example/v1 --model gpt-4o --idle 60s\n"
                "turnpike doctor http://10.0.0.5:8080 --key-file /run/secrets/key --json\n"
                "turnpike doctor https://gateway.example --certificate client.pem "
                "--certificate-key client.key\n"
                "turnpike doctor --config /etc/turnpike/turnpike.yaml --data /var/lib/turnpike",
    .run = doctor_run,
};
