/* doctor_remote: `turnpike doctor URL`, where the workload runs. Needs no configuration and no
 * store. Main thread. */
#ifndef APP_DOCTOR_REMOTE_H
#define APP_DOCTOR_REMOTE_H

#include "app/doctor_http.h"
#include "app/doctor_report.h"
#include "app/options.h"
#include "config/snapshot.h"

struct doctor_options {
    const char *config, *data;                          /* of the gateway's own host */
    const char *key_file, *key_variable, *model, *idle; /* of a workload's */
    const char *certificate, *certificate_key;          /* of a workload that shows one */
    struct option_list hosts;
    bool json, strict, no_egress_check, no_call;
};

/* What the checks of one run share. */
struct doctor {
    const struct doctor_options *options;
    struct doctor_report report;
    struct arena arena;
    struct config_endpoint endpoint; /* of the gateway */
    struct text base;                /* its URL without the path "/v1", which the SDKs' base has */
    const char *proxy;               /* that is in force for it, of the environment; "": none */
    char *key;                       /* NULL: there is none */
    const char *key_source;          /* "TURNPIKE_API_KEY" */
    struct doctor_call call;
    struct text model;      /* to be tried; empty: there is none */
    int64_t idle;           /* seconds; 0: not asked for */
    bool echoes;            /* the gateway has told what arrived there */
    bool answers_rewritten; /* and that has been said */
};

/* Returns the exit code. */
int doctor_remote_run(struct doctor *doctor, const char *url);

/* ---- within the doctor ---- */

/* What a proxy variable of the environment says for such a URL; "" for none. `excepted`: there is
 * one, and NO_PROXY names the host. */
const char *doctor_proxy_of(const struct config_endpoint *endpoint, bool *excepted);
/* Asks for `path` behind the gateway's base; as doctor_call_run. */
bool doctor_ask(struct doctor *doctor, const char *method, const char *path, struct text body,
                bool with_key);

/* In the gateway's words; all empty where the answer is none of its refusals. */
struct doctor_refusal {
    struct text code, message;
    struct text quoted; /* what it says it has seen: a path, a method; cut at some length */
};

/* Of the last answer; in the doctor's arena. These are in doctor_refusal.c. */
struct doctor_refusal doctor_read_refusal(struct doctor *doctor);
/* Fails `check` if the gateway has seen another path than this, and returns whether it has. */
bool doctor_tell_rewritten(struct doctor *doctor, const char *check, const char *method,
                           const char *path, const struct doctor_refusal *refusal);
/* Why the last answer refuses the key, or that it is not the key's fault. `path` was asked for. */
void doctor_tell_refused_key(struct doctor *doctor, const char *path);
/* "tpk_4f0c2v9qk1tz… of TURNPIKE_API_KEY", without the secret; in the doctor's arena. */
struct text doctor_describe_key(struct doctor *doctor);

/* The checks behind the network (doctor_gateway.c). False: what follows makes no sense. */
bool doctor_check_identity(struct doctor *doctor);
void doctor_check_call(struct doctor *doctor);
/* Where the gateway sees this place, what its network rules say to that, and what is left of
 * budgets (doctor_whoami.c). */
void doctor_check_whoami(struct doctor *doctor);
/* What something in between changes of requests and answers, by the gateway's echo; false when it
 * has none (doctor_echo.c). */
bool doctor_check_echo(struct doctor *doctor);
bool doctor_ask_echo(struct doctor *doctor, const char *query, struct text body, long seconds);
/* Streams and silence; `echoes`: the gateway has an echo (doctor_stream.c). */
void doctor_check_echo_stream(struct doctor *doctor);
void doctor_check_idle(struct doctor *doctor, bool echoes);
/* doctor_egress.c */
void doctor_check_egress(struct doctor *doctor);

#endif
