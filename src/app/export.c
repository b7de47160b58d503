/* turnpike export: what `turnpike apply` would make anew. */
#include "admin/export.h"

#include "app/admin_options.h"
#include "app/admin_session.h"

#define EXPORT_MAX (256u << 20) /* bytes: 500,000 objects */

struct export_options {
    const char *data;
    bool json;
};

static int export_run(const struct verb_call *call)
{
    const struct export_options *options = call->options;
    struct admin_session session;
    struct buffer out;
    int exit_code = VERB_FAILED;
    buffer_open(&out, EXPORT_MAX);
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code =
            export_write(&session.operations, options->json ? EXPORT_JSON : EXPORT_YAML, &out)
                ? VERB_OK
                : admin_session_fail(&session);
    if (exit_code == VERB_OK) {
        if (!options->json)
            printf("# for `turnpike apply -f FILE`; keys are without their secrets\n");
        (void)fwrite(out.data, 1, out.length, stdout); /* a failure is noticed at the end */
    }
    admin_session_end(&session);
    buffer_close(&out);
    return exit_code;
}

static const struct option export_option_rows[] = {
    ADMIN_DATA_ROW(struct export_options),
    OPTION_FLAG_ROW("json", struct export_options, json, "print JSON instead of YAML"),
    OPTION_END,
};

const struct verb verb_export = {
    .name = "export",
    .summary = "Print teams, keys, budgets and limits as a file",
    .options = export_option_rows,
    .options_size = sizeof(struct export_options),
    .description =
        "What `turnpike apply` takes: applied at once it changes nothing. What was revoked or has "
        "expired is not in it, nor are secrets, temporary raises and admin keys.",
    .examples = "turnpike export > teams.yaml",
    .run = export_run,
};
