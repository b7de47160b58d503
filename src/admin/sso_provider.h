/* sso_provider: what is asked of the provider of single sign-on (OpenID Connect Core 1.0, the
 * authorization code flow), and what of its answer is believed.
 *
 * Blocks: for the threads of admin/sso.c. Texts of answers are in the memory that was passed. On
 * failure `problem` says what, for the log: it holds no secret. */
#ifndef ADMIN_SSO_PROVIDER_H
#define ADMIN_SSO_PROVIDER_H

#include "config/snapshot.h"

#define SSO_URL_MAX      2048u
#define SSO_PROBLEM_SIZE 512u
/* Of the secrets that go through the browser: hexadecimal digits. */
#define SSO_WORD_LENGTH 64u
/* A code is an opaque word; the longest seen, of Entra ID, have 1.5 KiB. */
#define SSO_CODE_MAX 4096u
/* Bytes of a name from a token that is shown, and stands in the audit. */
#define SSO_NAME_MAX 128u

/* What its discovery document says (OpenID Connect Discovery 1.0, section 3). */
struct sso_endpoints {
    char authorization[SSO_URL_MAX], token[SSO_URL_MAX], keys[SSO_URL_MAX];
    bool secret_in_body; /* the client's secret goes into the body: it knows no Basic */
};

must_check bool sso_discover(const struct config_sso *sso, const bool *stop,
                             struct sso_endpoints *out, char problem[SSO_PROBLEM_SIZE]);

/* What the browser brought back, and what it was sent away with. */
struct sso_answer {
    char code[SSO_CODE_MAX];
    char redirect[SSO_URL_MAX];
    char verifier[SSO_WORD_LENGTH + 1]; /* RFC 7636 */
    char nonce[SSO_WORD_LENGTH + 1];
};

struct sso_person {
    char who[SSO_NAME_MAX + 1];  /* of sso.user_claim, else the subject */
    char name[SSO_NAME_MAX + 1]; /* for people */
    const struct config_sso_role *role;
};

enum sso_verdict {
    SSO_KNOWN,
    SSO_NO_ROLE, /* it is somebody, and no rule lets him in */
    SSO_FAILED   /* the provider could not be asked, or what it says is not believed */
};

/* Exchanges the code for an ID token and reads who it is about: signature by the provider's keys,
 * issuer, audience, times and nonce (OpenID Connect Core 1.0, section 3.1.3.7), then the rules. */
enum sso_verdict sso_identify(const struct config_sso *sso, const struct sso_endpoints *endpoints,
                              const struct sso_answer *answer, const bool *stop,
                              struct sso_person *out, char problem[SSO_PROBLEM_SIZE]);

/* The same of an ID token: for sso_identify, and for tests. `keys` is the provider's set as JSON;
 * `now` wall seconds. */
enum sso_verdict sso_read_token(const struct config_sso *sso, struct text token, struct text keys,
                                struct text nonce, uint64_t now, struct sso_person *out,
                                char problem[SSO_PROBLEM_SIZE]);

#endif
