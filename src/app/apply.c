/* turnpike apply: files say which teams, keys, budgets and limits there are to be. */
#include "admin/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/apply_files.h"
#include "app/output.h"
#include "app/progress.h"
#include "base/ensure.h"
#include "codec/json.h"

#define ANSWER_SIZE 16

struct apply_options {
    const char *data, *keys_to;
    struct option_list files;
    bool json, yes, dry_run, prune;
};

/* One run of the verb. */
struct applying {
    const struct apply_options *options;
    struct admin_session session;
    struct apply_files files;
    struct apply_request request;
    struct apply_plan plan;
    struct buffer words; /* the plan, as it was shown */
    int keys_file;       /* -1: none */
    struct progress progress;
};

static int tell_problems(struct applying *applying)
{
    size_t count = apply_files_print_problems(&applying->files);
    if (count == 0)
        return admin_session_fail(&applying->session);
    return verb_fail("%zu error%s; nothing was changed", count, count == 1 ? "" : "s");
}

/* ------------------------------------------------------------------ what is shown */

static void print_words(struct text words)
{
    while (!text_empty(words)) {
        struct text line = text_split(&words, '\n');
        enum output_style style = text_starts_with(line, TEXT("+"))   ? STYLE_GOOD
                                  : text_starts_with(line, TEXT("-")) ? STYLE_BAD
                                  : text_starts_with(line, TEXT("~")) ? STYLE_WARNING
                                                                      : STYLE_PLAIN;
        fputs(output_style_begin(style), stdout);
        output_print(stdout, line);
        printf("%s\n", output_style_end(style));
    }
}

static void print_counts(const struct apply_plan *plan, bool done)
{
    if (plan->count == 0)
        printf("Nothing to change.\n");
    else
        printf("%s%s: %zu new, %zu changed, %zu removed.\n", done ? "" : "\n",
               done ? "Done" : "To do", plan->creations, plan->edits, plan->deletions);
}

static void write_raw(struct json_writer *json, const char *name, struct text value)
{
    json_key(json, text_from(name));
    json_raw(json, text_empty(value) ? TEXT("null") : value);
}

static void write_step(struct json_writer *json, const struct apply_step *step, bool applied,
                       bool with_key)
{
    static const char *const actions[] = {
        [APPLY_CREATE] = "create", [APPLY_EDIT] = "update", [APPLY_DELETE] = "delete"};
    const struct secret *secret = step->result.secret;
    json_begin_object(json);
    json_member_text(json, "action", text_from(actions[step->action]));
    json_member_text(json, "object", object_kinds[step->kind].singular);
    json_member_text(json, "id", step->result.id);
    write_raw(json, "before", step->result.before);
    write_raw(json, "after", step->result.after);
    if (secret != NULL && applied && with_key)
        json_member_text(json, "key", secret_expose(secret));
    json_end_object(json);
}

static void print_json(const struct applying *applying, bool applied)
{
    struct buffer out;
    struct json_writer json;
    buffer_open(&out, APPLY_WORDS_MAX);
    json_open(&json, &out);
    json_begin_object(&json);
    json_member_bool(&json, "applied", applied);
    json_key(&json, TEXT("changes"));
    json_begin_array(&json);
    for (const struct apply_step *step = applying->plan.first; step; step = step->next)
        write_step(&json, step, applied, applying->keys_file < 0);
    json_end_array(&json);
    json_end_object(&json);
    ensure(json_done(&json));
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    secret_wipe(out.data, out.length);
    buffer_close(&out);
}

/* ------------------------------------------------------------------ new keys */

static bool makes_keys(const struct apply_plan *plan)
{
    for (const struct apply_step *step = plan->first; step != NULL; step = step->next) {
        if (step->result.secret != NULL)
            return true;
    }
    return false;
}

/* Before anything is written: a key that cannot be handed over should not be made. */
static bool open_keys_file(struct applying *applying)
{
    const char *name = applying->options->keys_to;
    if (name == NULL || !makes_keys(&applying->plan))
        return true;
    applying->keys_file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (applying->keys_file >= 0)
        return true;
    verb_fail("%s: %s%s", name, strerror(errno),
              errno == EEXIST ? "; new keys are never written over a file" : "");
    return false;
}

/* {"id", "name", "team", "key"} in a line, as `after` says the first three. */
static void write_key_line(const struct apply_step *step, struct buffer *out)
{
    struct json_writer json;
    yyjson_doc *document = yyjson_read(step->result.after.data, step->result.after.length, 0);
    struct text name = TEXT(""), team = text_of(NULL, 0);
    (void)json_get_text(yyjson_doc_get_root(document), "name", &name);
    (void)json_get_text(yyjson_doc_get_root(document), "team", &team);
    json_open(&json, out);
    json_begin_object(&json);
    json_member_text(&json, "id", step->result.id);
    json_member_text(&json, "name", name);
    json_member_text(&json, "team", team);
    json_member_text(&json, "key", secret_expose(step->result.secret));
    json_end_object(&json);
    buffer_append_char(out, '\n');
    yyjson_doc_free(document);
}

static void collect_keys(const struct apply_plan *plan, struct buffer *out)
{
    for (const struct apply_step *step = plan->first; step != NULL; step = step->next) {
        if (step->result.secret != NULL)
            write_key_line(step, out);
    }
}

static bool write_all(int file, struct text text)
{
    while (!text_empty(text)) {
        ssize_t count = write(file, text.data, text.length);
        if (count < 0 && errno != EINTR)
            return false;
        text = text_from_index(text, count > 0 ? (size_t)count : 0);
    }
    return fsync(file) == 0;
}

/* The keys exist now: when the file fails, they are shown after all. */
static int hand_over_keys(struct applying *applying)
{
    int exit_code = VERB_OK;
    struct buffer lines;
    buffer_open(&lines, APPLY_WORDS_MAX);
    collect_keys(&applying->plan, &lines);
    if (applying->keys_file >= 0 && write_all(applying->keys_file, buffer_text(&lines))) {
        if (!applying->options->json)
            printf("The new keys are in %s.\n", applying->options->keys_to);
    } else if (lines.length > 0 && (applying->keys_file >= 0 || !applying->options->json)) {
        if (applying->keys_file >= 0)
            exit_code =
                verb_fail("%s: %s; here are the keys", applying->options->keys_to, strerror(errno));
        printf("\n%.*s\nKeep the keys now: only their hashes are stored, so they cannot be shown "
               "again.\n",
               TEXT_ARG(buffer_text(&lines)));
    }
    secret_wipe(lines.data, lines.length);
    buffer_close(&lines);
    return exit_code;
}

/* ------------------------------------------------------------------ look, ask, do */

/* On the terminal, even when the file comes from standard input. */
static bool ask(void)
{
    char answer[ANSWER_SIZE] = "";
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (terminal == NULL) {
        verb_fail("there is no terminal to ask on; --yes does it without, --dry-run only looks");
        return false;
    }
    fprintf(terminal, "\nApply this? [y/N] ");
    fflush(terminal);
    bool read = fgets(answer, sizeof answer, terminal) != NULL;
    fclose(terminal);
    if (read && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    verb_fail("not applied");
    return false;
}

static void show_progress(void *owner, size_t done, size_t total)
{
    progress_show(owner, done, total);
}

static bool run_apply(struct applying *applying, const char *what)
{
    progress_begin(&applying->progress, what, !applying->options->json);
    applying->request.progress = show_progress;
    applying->request.owner = &applying->progress;
    bool good = apply_run(&applying->session.operations, &applying->request, &applying->plan);
    progress_end(&applying->progress);
    return good;
}

static int commit(struct applying *applying)
{
    if (!open_keys_file(applying))
        return VERB_FAILED;
    apply_plan_close(&applying->plan);
    apply_files_forget_problems(&applying->files);
    applying->request.commit = true;
    applying->request.expected = buffer_text(&applying->words);
    if (!run_apply(applying, "Applying")) {
        if (applying->keys_file >= 0)
            (void)unlink(applying->options->keys_to);
        return tell_problems(applying);
    }
    if (applying->options->json)
        print_json(applying, true);
    else
        print_counts(&applying->plan, true);
    return hand_over_keys(applying);
}

static int look(struct applying *applying)
{
    if (!run_apply(applying, "Checking"))
        return tell_problems(applying);
    apply_plan_write(&applying->plan, &applying->words);
    if (!applying->options->json) {
        print_words(buffer_text(&applying->words));
        if (applying->plan.count == 0 || applying->options->dry_run)
            print_counts(&applying->plan, false);
    }
    if (applying->plan.count == 0 || applying->options->dry_run) {
        if (applying->options->json)
            print_json(applying, false);
        return VERB_OK;
    }
    fflush(stdout);
    if (!applying->options->yes && !ask())
        return VERB_FAILED;
    return commit(applying);
}

static int apply_run_verb(const struct verb_call *call)
{
    const struct apply_options *options = call->options;
    if (options->files.count == 0)
        return verb_misused(call->verb, "-f is missing: name a file, or - for standard input");
    if (options->files.count > APPLY_FILES_MAX)
        return verb_misused(call->verb, "at most %u files at a time", APPLY_FILES_MAX);
    struct applying *applying = ensure_memory(calloc(1, sizeof *applying));
    int exit_code = VERB_FAILED;
    applying->options = options;
    applying->keys_file = -1;
    buffer_open(&applying->words, APPLY_WORDS_MAX);
    admin_session_begin(&applying->session, call->verb, options->data);
    applying->session.operations.actor.via = TEXT("apply");
    if (apply_files_read(&applying->files, &options->files) &&
        admin_session_open(&applying->session, !options->dry_run)) {
        applying->request = (struct apply_request){.files = applying->files.files,
                                                   .file_count = applying->files.count,
                                                   .prune = options->prune};
        exit_code = look(applying);
    }
    apply_plan_close(&applying->plan);
    admin_session_end(&applying->session);
    apply_files_close(&applying->files);
    if (applying->keys_file >= 0)
        close(applying->keys_file);
    buffer_close(&applying->words);
    free(applying);
    return exit_code;
}

static const struct option apply_option_rows[] = {
    ADMIN_DATA_ROW(struct apply_options),
    {"file", OPTION_LIST, offsetof(struct apply_options, files), "FILE",
     "YAML or JSON, - for standard input (required)", OPTION_FILE, 'f'},
    OPTION_FLAG_ROW("dry-run", struct apply_options, dry_run, "show what would change, and stop"),
    OPTION_FLAG_LETTER_ROW('y', "yes", struct apply_options, yes, "do not ask"),
    OPTION_FLAG_ROW("prune", struct apply_options, prune,
                    "remove what no file names, of the kinds that the files list"),
    OPTION_TEXT_ROW("keys-to", struct apply_options, keys_to, "FILE",
                    "write new keys there, mode 0600, one JSON object a line, instead of showing "
                    "them",
                    OPTION_FILE),
    ADMIN_JSON_ROW(struct apply_options),
    OPTION_END,
};

const struct verb verb_apply = {
    .name = "apply",
    .summary = "Make teams, keys, budgets and limits as files say",
    .required = "-f FILE",
    .options = apply_option_rows,
    .options_size = sizeof(struct apply_options),
    .description =
        "Shows what is different, asks, and changes all of it or nothing. A second run finds "
        "nothing to change. A file has the lists `teams`, `keys`, `budgets` and `limits` and the "
        "mapping `organisation`, each where it is wanted; what an object does not say is at its "
        "default. Keys are known by their names; a new one gets a secret, shown this once.\n"
        "\n"
        "`turnpike export` writes such a file from what there is.",
    .examples = "turnpike apply -f teams.yaml --dry-run\n"
                "turnpike apply -f teams.yaml --yes --keys-to new-keys.jsonl\n"
                "turnpike export | turnpike apply -f - --dry-run  # nothing to change",
    .run = apply_run_verb,
};
