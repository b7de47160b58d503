/* Each issuer of callers' tokens is asked for its keys as the gateway asks, or their file is read.
 * Where that fails, what the gateway still has of before decides how bad it is. */
#include "app/doctor_local.h"
#include "base/clock.h"
#include "control/issuer_check.h"
#include "control/issuer_shelf.h"

/* When keys that are kept were fetched, and whether they still count. */
static bool find_kept(const struct config_issuer *issuer, const char *data,
                      char words[CLOCK_RFC3339_SIZE])
{
    struct buffer keys;
    uint64_t fetched_at, wall = clock_wall();
    enum error error = issuer_shelf_keeps(issuer)
                           ? issuer_shelf_read(data, issuer, wall, &keys, &fetched_at)
                           : ERROR_NOT_FOUND;

    if (issuer_shelf_keeps(issuer))
        buffer_close(&keys);
    if (error || fetched_at + issuer->terms.keys_good_for < wall)
        return false;
    (void)clock_format_rfc3339(fetched_at + issuer->terms.keys_good_for, words);
    return true;
}

static void tell_failure(struct doctor *doctor, const struct config_issuer *issuer,
                         const char *data, const char *problem)
{
    char until[CLOCK_RFC3339_SIZE];
    const char *fix = text_empty(issuer->jwks_file)
                          ? "check issuer and jwks_url, the way there, and authority where the "
                            "certificate is not of a public one"
                          : "write the issuer's set of keys (JWKS) there, readable for the gateway";

    if (find_kept(issuer, data, until))
        doctor_say(&doctor->report, DOCTOR_WARN, "issuer", fix,
                   "%.*s: %s; keys of before count until %.16s", TEXT_ARG(issuer->terms.name),
                   problem, until);
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "issuer", fix, "%.*s: %s",
                   TEXT_ARG(issuer->terms.name), problem);
}

static void check_issuer(struct doctor *doctor, const struct config_issuer *issuer,
                         const char *data)
{
    char problem[ISSUER_CHECK_PROBLEM_SIZE] = "";
    const char *member;
    uint64_t count;

    if (issuer_check_files(issuer, &member, problem) != ERROR_OK)
        doctor_say(&doctor->report, DOCTOR_FAIL, "issuer",
                   "put the file there, readable for the gateway", "%.*s: %s: %s",
                   TEXT_ARG(issuer->terms.name), member, problem);
    else if (issuer_check_keys(issuer, &count, problem) != ERROR_OK)
        tell_failure(doctor, issuer, data, problem);
    else if (problem[0])
        doctor_say(&doctor->report, DOCTOR_WARN, "issuer",
                   "tokens that are signed with that key are refused: tell who runs the issuer",
                   "%.*s: %s", TEXT_ARG(issuer->terms.name), problem);
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "issuer", NULL, "%.*s: %llu key%s%s%.*s",
                   TEXT_ARG(issuer->terms.name), (unsigned long long)count, count == 1 ? "" : "s",
                   text_empty(issuer->jwks_file) ? "" : " in ", TEXT_ARG(issuer->jwks_file));
}

void doctor_check_issuers(struct doctor *doctor, const struct config *config, const char *data)
{
    for (size_t i = 0; i < config->issuer_count; i++)
        check_issuer(doctor, &config->issuers[i], data);
}
