#include "admin/apply.h"

#include "admin/difference.h"
#include "admin/key_revocations.h"
#include "admin/operations_parts.h"
#include "base/ensure.h"

#define PLACE_TEXT_MAX 160u

/* One object of a file. */
struct entry {
    struct object_change change;
    const struct document_node *node;
    struct apply_file *file;
    struct report *report;
    size_t index;   /* in its list */
    struct text id; /* of the object it is, once that is known */
    struct entry *next;
    struct entry *next_known; /* in its bucket */
};

struct entries {
    struct entry *first, *last;
    size_t count;
    bool listed;          /* a file has this list, perhaps an empty one */
    struct entry **known; /* those whose id is known, in buckets by its hash; NULL: none yet */
    size_t known_mask;
};

struct run {
    struct operations *operations;
    const struct apply_request *request;
    struct apply_plan *plan;
    struct report reports[APPLY_FILES_MAX];
    struct entries kinds[OBJECT_KIND_COUNT];
    size_t done; /* entries */
    bool failed;
    bool broken; /* by the store: what follows would only follow from that */
};

static const enum object_kind order[] = {OBJECT_ORGANISATION, OBJECT_TEAM,  OBJECT_KEY,
                                         OBJECT_BUDGET,       OBJECT_LIMIT, OBJECT_NETWORK_RULE};

/* ------------------------------------------------------------------ reading files */

static bool add_entry(struct run *run, enum object_kind kind, const struct document_node *node,
                      size_t index, size_t file)
{
    struct entries *entries = &run->kinds[kind];
    struct entry *entry = arena_take_zeroed(run->operations->arena, sizeof *entry);
    if (entry == NULL)
        return operations_no_memory(run->operations);
    if (!object_read(&entry->change, kind, node, run->operations->arena, &run->reports[file]))
        return false;
    entry->node = node;
    entry->file = &run->request->files[file];
    entry->report = &run->reports[file];
    entry->index = index;
    *(entries->last ? &entries->last->next : &entries->first) = entry;
    entries->last = entry;
    entries->count++;
    return true;
}

static bool read_list(struct run *run, enum object_kind kind, const struct document_node *list,
                      size_t file)
{
    size_t index = 0;
    bool good = true;
    run->kinds[kind].listed = true;
    if (document_is_null(list))
        return true;
    if (list->kind != DOCUMENT_SEQUENCE) {
        report_error(&run->reports[file], list->place, "expected a list, one \"- \" for each %s",
                     object_kinds[kind].singular.data);
        return false;
    }
    for (const struct document_node *node = list->first; node != NULL; node = node->next) {
        size_t mark = report_enter_item(&run->reports[file], index);
        good &= add_entry(run, kind, node, index++, file);
        report_leave(&run->reports[file], mark);
    }
    return good;
}

static bool read_organisation(struct run *run, const struct document_node *node, size_t file)
{
    if (run->kinds[OBJECT_ORGANISATION].first != NULL) {
        report_error(&run->reports[file], node->key_place,
                     "another file says already what the organisation is");
        return false;
    }
    return document_is_null(node) || add_entry(run, OBJECT_ORGANISATION, node, 0, file);
}

static bool report_unknown(struct report *report, const struct document_node *node)
{
    const struct text *nearest = NULL;
    size_t limit = node->key.length / 3 + 1, best = limit + 1;
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        const struct text *name = &object_kinds[order[i]].plural;
        size_t distance = text_edit_distance(*name, node->key, limit);
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    report_error(report, node->key_place,
                 nearest ? "%s is not known here; did you mean \"%s\"?"
                         : "%s is not known here; a file has organisation, teams, keys, budgets, "
                           "limits and network_rules",
                 report_quote(node->key), nearest ? nearest->data : "");
    return false;
}

static bool read_section(struct run *run, const struct document_node *node, size_t file)
{
    struct report *report = &run->reports[file];
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
        if (!text_equal(node->key, object_kinds[order[i]].plural))
            continue;
        size_t mark = report_enter(report, node->key);
        bool good = order[i] == OBJECT_ORGANISATION ? read_organisation(run, node, file)
                                                    : read_list(run, order[i], node, file);
        report_leave(report, mark);
        return good;
    }
    return report_unknown(report, node);
}

static void read_file(struct run *run, size_t file)
{
    struct report *report = &run->reports[file];
    const struct document_node *root = document_read(report->yaml, run->operations->arena, report);
    if (root == NULL) {
        run->failed = true;
        return;
    }
    for (const struct document_node *node = root->first; node != NULL; node = node->next)
        run->failed |= !read_section(run, node, file);
    run->failed |= run->request->files[file].problems.error_count > 0;
}

/* ------------------------------------------------------------------ one object */

/* What the operation found wrong, at the place of the member that it names. */
static void report_problem(struct run *run, const struct entry *entry)
{
    const struct admin_problem *problem = &run->operations->problem;
    struct report_place place = entry->node->place;
    const struct document_node *member = document_find(entry->node, text_from(problem->field));
    size_t outer = report_enter(entry->report, object_kinds[entry->change.kind].plural);
    if (entry->change.kind != OBJECT_ORGANISATION)
        (void)report_enter_item(entry->report, entry->index);
    if (member != NULL) {
        (void)report_enter(entry->report, member->key);
        place = member->kind == DOCUMENT_SCALAR ? member->place : member->key_place;
    }
    report_error(entry->report, place, "%s", problem->message);
    report_leave(entry->report, outer);
    run->failed = true;
}

static bool add_step(struct run *run, enum apply_action action, enum object_kind kind,
                     const struct operation_result *result)
{
    struct apply_plan *plan = run->plan;
    struct apply_step *step = arena_take(run->operations->arena, sizeof *step);
    if (step == NULL) {
        secret_free(result->secret);
        return operations_no_memory(run->operations);
    }
    *step = (struct apply_step){action, kind, *result, NULL};
    *(plan->last ? &plan->last->next : &plan->first) = step;
    plan->last = step;
    plan->count++;
    size_t *const counts[] = {&plan->creations, &plan->edits, &plan->deletions};
    ++*counts[action];
    return true;
}

/* What a file does not say is at its default; what cannot be edited was compared by the search. */
static void make_edit(struct object_change *change)
{
    for (unsigned i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        struct object_value *value = &change->values[i];
        if (row->kind != change->kind)
            continue;
        if (row->use == OBJECT_USE_CREATE || row->use == OBJECT_USE_CREATE_REQUIRED ||
            row->use == OBJECT_USE_READ)
            *value = (struct object_value){.presence = OBJECT_ABSENT};
        else if (row->use == OBJECT_USE_OPTIONAL && value->presence == OBJECT_ABSENT)
            value->presence = OBJECT_NULL;
    }
}

/* ---- which entry an object is: found by hash, as a file may have tens of thousands ---- */

static bool open_known(struct run *run, struct entries *entries)
{
    size_t size = 16;
    while (size < entries->count)
        size *= 2;
    entries->known = arena_take_zeroed(run->operations->arena, size * sizeof(*entries->known));
    entries->known_mask = size - 1;
    return entries->known != NULL || operations_no_memory(run->operations);
}

static struct entry **bucket_of(const struct entries *entries, struct text id)
{
    return &entries->known[text_hash(id) & entries->known_mask];
}

static const struct entry *find_known(const struct entries *entries, struct text id)
{
    const struct entry *entry = entries->known ? *bucket_of(entries, id) : NULL;
    while (entry != NULL && !text_equal(entry->id, id))
        entry = entry->next_known;
    return entry;
}

static void keep_known(struct entries *entries, struct entry *entry)
{
    struct entry **bucket = bucket_of(entries, entry->id);
    entry->next_known = *bucket;
    *bucket = entry;
}

/* Two entries that are the same object would change it to and fro. */
static bool check_repeated(struct run *run, const struct entry *entry)
{
    const struct entry *other = find_known(&run->kinds[entry->change.kind], entry->id);
    if (other == NULL)
        return true;
    return operations_refuse(run->operations, ADMIN_PROBLEM_EXISTS, "",
                             "this %s is there twice, first in %.*s, line %u",
                             object_kinds[entry->change.kind].singular.data,
                             TEXT_ARG(text_first(other->file->problems.source, PLACE_TEXT_MAX)),
                             other->node->place.line);
}

static bool apply_entry(struct run *run, struct entry *entry)
{
    struct operations *operations = run->operations;
    struct operation_result result = {0};
    enum object_kind kind = entry->change.kind;
    bool creates = false;
    if (kind != OBJECT_ORGANISATION) {
        if (!operations_check_required(operations, &entry->change) ||
            !operations_match(operations, &entry->change, &entry->id))
            return false;
        creates = text_empty(entry->id);
    }
    if (!creates && kind != OBJECT_ORGANISATION && !check_repeated(run, entry))
        return false;
    if (creates) {
        if (!operations_create(operations, &entry->change, &result))
            return false;
        entry->id = result.id;
        keep_known(&run->kinds[kind], entry);
    } else {
        if (kind != OBJECT_ORGANISATION)
            keep_known(&run->kinds[kind], entry);
        make_edit(&entry->change);
        if (!operations_edit(operations, entry->id, &entry->change, &result))
            return false;
    }
    return !result.changed || add_step(run, creates ? APPLY_CREATE : APPLY_EDIT, kind, &result);
}

/* ------------------------------------------------------------------ pruning */

struct pruning {
    struct run *run;
    const struct entries *entries;
    enum object_kind kind;
    struct text *ids; /* of what no entry names */
    size_t count, room;
};

static void find_unnamed(void *context, struct text json)
{
    struct pruning *pruning = context;
    struct text id;
    yyjson_doc *document = yyjson_read(json.data, json.length, YYJSON_READ_NUMBER_AS_RAW);
    const char *member = pruning->kind == OBJECT_TEAM ? "name" : "id";
    if (json_get_text(yyjson_doc_get_root(document), member, &id) == JSON_PRESENT &&
        find_known(pruning->entries, id) == NULL) {
        if (pruning->count == pruning->room) {
            pruning->room = pruning->room ? pruning->room * 2 : 64;
            pruning->ids =
                ensure_memory(reallocarray(pruning->ids, pruning->room, sizeof *pruning->ids));
        }
        id = arena_copy(pruning->run->operations->arena, id);
        if (id.data != NULL)
            pruning->ids[pruning->count++] = id;
        else
            pruning->run->failed = !operations_no_memory(pruning->run->operations);
    }
    yyjson_doc_free(document);
}

static bool delete_unnamed(struct run *run, enum object_kind kind, struct text id)
{
    const struct operation_deletion deletion = {.reason = TEXT("no longer in the applied files")};
    struct operation_result result;
    /* A key ends in the store alone, so that the whole can be taken back. */
    bool good = kind == OBJECT_KEY
                    ? operations_revoke_in_store(run->operations, id, deletion.reason, &result)
                    : operations_delete(run->operations, kind, id, &deletion, &result);
    return good && (!result.changed || add_step(run, APPLY_DELETE, kind, &result));
}

/* Only kinds of which a file has a list: who writes no `keys` does not want all keys to end. */
static bool prune(struct run *run, enum object_kind kind)
{
    const struct operations_filter filter = {.live = true};
    struct pruning pruning = {.run = run, .entries = &run->kinds[kind], .kind = kind};
    if (!run->kinds[kind].listed)
        return true;
    bool good = operations_list(run->operations, kind, &filter, find_unnamed, &pruning);
    for (size_t i = 0; good && i < pruning.count; i++)
        good = delete_unnamed(run, kind, pruning.ids[i]);
    free(pruning.ids);
    return good && !run->failed;
}

/* ------------------------------------------------------------------ the whole */

static void tell_progress(struct run *run)
{
    size_t total = 0;
    run->done++;
    if (run->request->progress == NULL)
        return;
    for (size_t i = 0; i < OBJECT_KIND_COUNT; i++)
        total += run->kinds[i].count;
    run->request->progress(run->request->owner, run->done, total);
}

/* Goes on after a failure, so that all that is wrong is told at once; but for one of the store's,
 * after which nothing is found any more. */
static void apply_entries(struct run *run, enum object_kind kind)
{
    struct entries *entries = &run->kinds[kind];
    if (entries->count > 0)
        run->failed |= !open_known(run, entries);
    for (struct entry *entry = entries->first; entry != NULL && !run->broken; entry = entry->next) {
        tell_progress(run);
        if (entries->known != NULL && apply_entry(run, entry))
            continue;
        report_problem(run, entry);
        run->broken =
            entries->known == NULL || run->operations->problem.code == ADMIN_PROBLEM_STORE;
    }
}

static bool prune_if_asked(struct run *run, enum object_kind kind)
{
    return !run->request->prune || run->failed || prune(run, kind);
}

/* Keys are pruned before others name keys: a key that goes may have the name of one that comes. */
static bool execute(struct run *run)
{
    apply_entries(run, OBJECT_ORGANISATION);
    apply_entries(run, OBJECT_TEAM);
    apply_entries(run, OBJECT_KEY);
    if (!prune_if_asked(run, OBJECT_KEY))
        return false;
    apply_entries(run, OBJECT_BUDGET);
    apply_entries(run, OBJECT_LIMIT);
    apply_entries(run, OBJECT_NETWORK_RULE);
    return prune_if_asked(run, OBJECT_NETWORK_RULE) && prune_if_asked(run, OBJECT_LIMIT) &&
           prune_if_asked(run, OBJECT_BUDGET) && prune_if_asked(run, OBJECT_TEAM) && !run->failed;
}

/* Between the look and the deed somebody else may have changed something. */
static bool check_expected(struct run *run)
{
    struct buffer words;
    if (run->request->expected.data == NULL)
        return true;
    buffer_open(&words, APPLY_WORDS_MAX);
    apply_plan_write(run->plan, &words);
    bool same = !words.failed && text_equal(buffer_text(&words), run->request->expected);
    buffer_close(&words);
    return same || operations_refuse(run->operations, ADMIN_PROBLEM_EXISTS, "",
                                     "somebody changed something meanwhile, so this would do other "
                                     "things than shown; run it again");
}

bool apply_run(struct operations *operations, const struct apply_request *request,
               struct apply_plan *plan)
{
    ensure(request->file_count <= APPLY_FILES_MAX);
    struct run *run = arena_take_zeroed(operations->arena, sizeof *run);
    *plan = (struct apply_plan){0};
    if (run == NULL)
        return operations_no_memory(operations);
    run->operations = operations;
    run->request = request;
    run->plan = plan;
    for (size_t i = 0; i < request->file_count; i++) {
        report_open(&run->reports[i], &request->files[i].problems, request->files[i].yaml);
        read_file(run, i);
    }
    bool good = !run->failed && key_revocations_refresh(operations) && operations_begin(operations);
    if (good) {
        good = execute(run) && check_expected(run);
        if (good && request->commit)
            good = operations_commit(operations);
        else
            operations_roll_back(operations);
    }
    for (size_t i = 0; i < request->file_count; i++)
        report_close(&run->reports[i]);
    return good;
}

void apply_plan_close(struct apply_plan *plan)
{
    for (struct apply_step *step = plan->first; step != NULL; step = step->next) {
        secret_free(step->result.secret);
        step->result.secret = NULL;
    }
}

void apply_plan_write(const struct apply_plan *plan, struct buffer *out)
{
    static const char signs[] = {[APPLY_CREATE] = '+', [APPLY_EDIT] = '~', [APPLY_DELETE] = '-'};
    for (const struct apply_step *step = plan->first; step != NULL; step = step->next) {
        struct text shown = step->result.after.data ? step->result.after : step->result.before;
        buffer_append_format(out, "%c ", signs[step->action]);
        difference_write_label(step->kind, shown, out);
        buffer_append_char(out, '\n');
        if (step->action == APPLY_DELETE)
            continue;
        (void)difference_write(step->kind, step->result.before, step->result.after, TEXT("    "),
                               TEXT("\n"), out);
    }
}
