/* sso: single sign-on to the console: the browser is led to the provider and back, and what it
 * brings back is made a session (docs/console.md).
 *
 * Nothing is kept here meanwhile: the browser carries one secret in a cookie, of which the state,
 * the nonce and the proof of the code (PKCE, RFC 7636) are made. So who brings an answer that he
 * did not ask for (login CSRF) has no cookie that fits it, and strangers fill no table.
 *
 * The admin API's thread; the provider is asked by threads of their own, one for each sign-in that
 * is under way, which post back. */
#ifndef ADMIN_SSO_H
#define ADMIN_SSO_H

#include "admin/sso_provider.h"

/* Sign-ins that wait for the provider at the same time. It answers in tenths of a second: a company
 * that comes to work at nine is one a second. */
#define SSO_JOBS_MAX 8u
/* Seconds from the button to the way back: a password, a second factor, and looking for the phone.
 */
#define SSO_COOKIE_SECONDS 900u
/* Nanoseconds that a discovery document is believed: it changes once in years. */
#define SSO_DISCOVERY_KEPT (600 * NANOSECONDS_PER_SECOND)

#define SSO_CALLBACK_PATH "/admin/v1/sso/callback"

struct sso_job;

struct sso {
    struct sso_job *jobs;
    unsigned job_count;
    /* What the provider of this mark said of itself, until then (monotonic). */
    struct sso_endpoints endpoints;
    char endpoints_of[CONFIG_SSO_MARK_SIZE];
    uint64_t endpoints_until;
};

/* Before the loop ends: what is under way is given up. */
void sso_stop(struct sso *sso);
/* The mark of the configuration's rules, which sessions of single sign-on are bound to; empty:
 * there is none. */
struct text sso_mark(const struct config *config);

#endif
