/* doctor_local: `turnpike doctor` on the gateway's own host, beside a running server or without
 * one. It changes nothing. Main thread. */
#ifndef APP_DOCTOR_LOCAL_H
#define APP_DOCTOR_LOCAL_H

#include "app/doctor_remote.h"

/* Returns the exit code. */
int doctor_local_run(struct doctor *doctor);

/* The providers of a configuration, as calls would reach them (doctor_providers.c). */
void doctor_check_providers(struct doctor *doctor, const struct config *config);
/* The issuers of its callers' tokens: their files, and their keys as the gateway would fetch them
 * (doctor_issuers.c). `data` is the data directory, where the last keys are kept. */
void doctor_check_issuers(struct doctor *doctor, const struct config *config, const char *data);
/* Result and words for a certificate that ends at this moment. `fix` is set unless it passes. */
enum doctor_result doctor_judge_expiry(int64_t not_after, char until[64], const char **fix);

#endif
