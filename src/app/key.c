/* turnpike key: makes, shows, rotates, expires and revokes API keys, beside a running server or
 * without one. The parts that read and write are in app/key_store.c. */
#include <time.h>

#include "app/key_store.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"
#include "identity/key.h"
#include "identity/key_table.h"
#include "openai/scan.h"

#define GRACE_DEFAULT "24h"
#define JSON_MAX      (1u << 20) /* one key's description */
#define ATTEMPTS      3          /* at an id that nobody has: a clash is a one in 10^12 event */

struct key_options {
    const char *data, *name, *team, *expires, *grace, *reason;
    struct option_list models, tags;
    bool json;
};

#define DATA_ROW                                             \
    OPTION_TEXT_ROW("data", struct key_options, data, "DIR", \
                    "data directory of the server [" DATA_DEFAULT "]", OPTION_DIRECTORY)
#define JSON_ROW OPTION_FLAG_ROW("json", struct key_options, json, "print JSON, for programs")

static const char *data_of(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    return options->data ? options->data : DATA_DEFAULT;
}

/* ------------------------------------------------------------------ what is typed */

/* "never", "now", a duration from now, a date (its start in UTC) or a moment. */
static bool parse_moment(struct text text, uint64_t now, uint64_t *out)
{
    char string[64];
    uint64_t milliseconds;
    if (text_equal(text, TEXT("never"))) {
        *out = 0;
        return true;
    }
    if (text_equal(text, TEXT("now"))) {
        *out = now;
        return true;
    }
    if (number_parse_duration(text, &milliseconds)) {
        if (milliseconds > (INT64_MAX - now) / NANOSECONDS_PER_MILLISECOND)
            return false;
        *out = now + milliseconds * NANOSECONDS_PER_MILLISECOND;
        return true;
    }
    if (!text_copy_to(text, string, sizeof string))
        return false;
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"};
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        struct tm parts = {0};
        const char *end = strptime(string, forms[i], &parts);
        if (end == NULL || *end != '\0')
            continue;
        time_t seconds = timegm(&parts);
        if (seconds <= 0 || (uint64_t)seconds > INT64_MAX / NANOSECONDS_PER_SECOND)
            return false;
        *out = (uint64_t)seconds * NANOSECONDS_PER_SECOND;
        return true;
    }
    return false;
}

/* Names go into headers, logs and tables of people. */
static bool check_name(const struct verb *verb, const char *option, const char *name)
{
    struct text text = text_from(name);
    bool clean = scan_is_utf8(text);
    for (size_t i = 0; i < text.length; i++)
        clean = clean && (unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f;
    if (clean && text.length <= KEYS_NAME_MAX)
        return true;
    verb_misused(verb, "--%s takes at most %u bytes of UTF-8 without control characters", option,
                 KEYS_NAME_MAX);
    return false;
}

/* Writes the patterns as a JSON array; nothing without any. */
static bool write_models(const struct verb_call *call, struct buffer *out)
{
    const struct option_list *models = &((const struct key_options *)call->options)->models;
    struct json_writer writer;
    if (models->count == 0)
        return true;
    json_open(&writer, out);
    json_begin_array(&writer);
    for (size_t i = 0; i < models->count; i++) {
        if (*models->values[i] == '\0') {
            verb_misused(call->verb, "--model takes a name or a pattern such as 'gpt-*'");
            return false;
        }
        if (!check_name(call->verb, "model", models->values[i]))
            return false;
        json_text(&writer, text_from(models->values[i]));
    }
    json_end_array(&writer);
    ensure(json_done(&writer));
    return true;
}

static bool is_given_before(const struct option_list *tags, size_t index, struct text name)
{
    for (size_t i = 0; i < index; i++) {
        struct text rest = text_from(tags->values[i]);
        if (text_equal(text_split(&rest, '='), name))
            return true;
    }
    return false;
}

/* Writes "name=value" tags as a JSON object; nothing without any. */
static bool write_tags(const struct verb_call *call, struct buffer *out)
{
    const struct option_list *tags = &((const struct key_options *)call->options)->tags;
    struct json_writer writer;
    if (tags->count == 0)
        return true;
    json_open(&writer, out);
    json_begin_object(&writer);
    for (size_t i = 0; i < tags->count; i++) {
        struct text value = text_from(tags->values[i]);
        struct text name = text_split(&value, '=');
        if (text_empty(name) || value.data == NULL) {
            verb_misused(call->verb, "--tag takes NAME=VALUE");
            return false;
        }
        if (!check_name(call->verb, "tag", tags->values[i]))
            return false;
        if (is_given_before(tags, i, name)) {
            verb_misused(call->verb, "the tag '%.*s' is given twice", TEXT_ARG(name));
            return false;
        }
        json_key(&writer, name);
        json_text(&writer, value);
    }
    json_end_object(&writer);
    ensure(json_done(&writer));
    if (out->length <= KEYS_TAGS_MAX)
        return true;
    verb_misused(call->verb, "the tags of a key take at most %u bytes", KEYS_TAGS_MAX);
    return false;
}

static bool read_expiry(const struct verb_call *call, const char *text, uint64_t now, uint64_t *out)
{
    *out = 0;
    if (text == NULL || parse_moment(text_from(text), now, out))
        return true;
    verb_misused(call->verb,
                 "'%.60s' is no time: write 90d, 12h, 2027-01-31, 2027-01-31T18:00:00Z, now or "
                 "never",
                 text);
    return false;
}

/* ------------------------------------------------------------------ what is shown */

static void write_moment(struct json_writer *writer, const char *name, uint64_t time)
{
    char text[CLOCK_RFC3339_SIZE];
    json_key(writer, text_from(name));
    if (time == 0)
        json_null(writer);
    else
        json_text(writer, text_of(text, clock_format_rfc3339(time, text)));
}

/* One that was not given is null. */
static void write_name(struct json_writer *writer, const char *name, struct text value)
{
    json_member_text(writer, name, text_empty(value) ? text_of(NULL, 0) : value);
}

static void write_members(struct json_writer *writer, const struct stored_key *key, uint64_t now)
{
    write_name(writer, "name", key->name);
    write_name(writer, "team", key->team);
    json_member_text(writer, "state", text_from(key_store_state(key, now)));
    json_key(writer, TEXT("models"));
    json_raw(writer, text_empty(key->models) ? TEXT("null") : key->models);
    json_key(writer, TEXT("tags"));
    json_raw(writer, text_empty(key->tags) ? TEXT("{}") : key->tags);
    write_moment(writer, "created_at", key->created_at);
    write_moment(writer, "expires_at", key->expires_at);
    write_moment(writer, "rotated_at", key->rotated_at);
    write_moment(writer, "previous_secret_until",
                 key->previous_until > now ? key->previous_until : 0);
    write_moment(writer, "revoked_at", key->revoked_at);
    write_name(writer, "revoked_reason", key->revoked_reason);
}

/* One line; `secret` is NULL, or the key itself, to be shown this once. */
static void print_json(const struct stored_key *key, const struct secret *secret)
{
    struct buffer out;
    struct json_writer writer;
    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_text(&writer, "id", key->id);
    if (secret != NULL)
        json_member_text(&writer, "key", secret_expose(secret));
    write_members(&writer, key, clock_wall());
    json_end_object(&writer);
    buffer_append_char(&out, '\n');
    ensure(!out.failed);
    (void)fwrite(out.data, 1, out.length, stdout); /* a failure is noticed at the end */
    if (secret != NULL)
        secret_wipe(out.data, out.length);
    buffer_close(&out);
}

static void print_line(const char *title, struct text value)
{
    if (!text_empty(value))
        printf("%s%-9s%s %.*s\n", output_style_begin(STYLE_DIM), title, output_style_end(STYLE_DIM),
               TEXT_ARG(value));
}

static void print_moment(const char *title, uint64_t time)
{
    char moment[CLOCK_RFC3339_SIZE], age[OUTPUT_AGE_SIZE];
    char both[CLOCK_RFC3339_SIZE + OUTPUT_AGE_SIZE + 4];
    if (time == 0)
        return;
    (void)clock_format_rfc3339(time, moment);
    (void)snprintf(both, sizeof both, "%.19sZ (%s)", moment, output_age(time, clock_wall(), age));
    print_line(title, text_from(both));
}

static void print_key(const struct stored_key *key, const struct secret *secret)
{
    uint64_t now = clock_wall();
    print_line("id", key->id);
    print_line("name", key->name);
    print_line("team", key->team);
    print_line("state", text_from(key_store_state(key, now)));
    print_line("models", text_empty(key->models) ? TEXT("all") : key->models);
    print_line("tags", key->tags);
    print_moment("created", key->created_at);
    print_moment("expires", key->expires_at);
    print_moment("rotated", key->rotated_at);
    if (key->previous_until > now)
        print_moment("old until", key->previous_until);
    print_moment("revoked", key->revoked_at);
    print_line("reason", key->revoked_reason);
    if (secret == NULL)
        return;
    print_line("key", secret_expose(secret));
    printf("\nKeep the key now: only its hash is stored, so it cannot be shown again.\n");
}

static void show(const struct verb_call *call, const struct stored_key *key,
                 const struct secret *secret)
{
    const struct key_options *options = call->options;
    if (options->json)
        print_json(key, secret);
    else
        print_key(key, secret);
}

/* ------------------------------------------------------------------ create */

static int insert(struct key_store *keys, struct stored_key *key, struct secret **secret)
{
    static char id[KEY_ID_LENGTH];
    struct key_hash hash;
    enum error error = ERROR_EXISTS;
    for (int attempt = 0; attempt < ATTEMPTS && error == ERROR_EXISTS; attempt++) {
        key_make_id(id);
        key->id = text_of(id, sizeof id);
        secret_free(*secret);
        error = key_make(key->id, secret);
        if (error)
            break;
        key_compute_hash(secret_expose(*secret), &hash);
        memcpy(key->hash, hash.bytes, sizeof key->hash);
        error = keys_insert(keys->store, key);
    }
    return error ? key_store_fail(keys, error, key->id) : VERB_OK;
}

static int create_with(const struct verb_call *call, struct buffer *models, struct buffer *tags)
{
    const struct key_options *options = call->options;
    uint64_t now = clock_wall();
    struct stored_key key = {.name = text_from(options->name),
                             .team = text_from(options->team ? options->team : ""),
                             .created_at = now};
    if (!read_expiry(call, options->expires, now, &key.expires_at) || !write_models(call, models) ||
        !write_tags(call, tags))
        return VERB_USAGE;
    if (key.expires_at != 0 && key.expires_at <= now)
        return verb_misused(call->verb, "--expires %s has passed: the key would never work",
                            options->expires);
    key.models = buffer_text(models);
    key.tags = buffer_text(tags);
    struct key_store keys;
    if (!data_directory_enter(data_of(call), true) || !key_store_open(&keys, data_of(call)))
        return VERB_FAILED;
    struct secret *secret = NULL;
    int exit_code = insert(&keys, &key, &secret);
    if (exit_code == VERB_OK)
        show(call, &key, secret);
    secret_free(secret);
    key_store_close(&keys);
    return exit_code;
}

static int create_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    struct buffer models, tags;
    if (text_empty(text_from(options->name)))
        return verb_misused(call->verb, "--name is missing: say what the key is for, such as "
                                        "--name checkout");
    if (!check_name(call->verb, "name", options->name) ||
        (options->team && !check_name(call->verb, "team", options->team)))
        return VERB_USAGE;
    buffer_open(&models, JSON_MAX);
    buffer_open(&tags, JSON_MAX);
    int exit_code = create_with(call, &models, &tags);
    buffer_close(&models);
    buffer_close(&tags);
    return exit_code;
}

static const struct option create_options[] = {
    DATA_ROW,
    OPTION_TEXT_ROW("name", struct key_options, name, "NAME",
                    "what it is for (required); need not be unique, the id is", OPTION_ANY),
    OPTION_TEXT_ROW("team", struct key_options, team, "TEAM", "who answers for it", OPTION_ANY),
    OPTION_TEXT_ROW("expires", struct key_options, expires, "WHEN",
                    "90d, 12h, 2027-01-31, 2027-01-31T18:00:00Z or never [never]", OPTION_ANY),
    OPTION_LIST_ROW("model", struct key_options, models, "PATTERN",
                    "a model that it may use, as callers name it; * stands for any run [all]"),
    OPTION_LIST_ROW("tag", struct key_options, tags, "NAME=VALUE", "goes into each of its records"),
    JSON_ROW,
    OPTION_END,
};

static const struct verb key_create = {
    .name = "create",
    .summary = "Make a key and print it, this once",
    .required = "--name NAME",
    .options = create_options,
    .options_size = sizeof(struct key_options),
    .description = "The server need not be running; a running one knows the key within a second.",
    .examples = "turnpike key create --name checkout --team payments\n"
                "turnpike key create --name trial --expires 14d --model 'gpt-*' --json",
    .run = create_run,
};

/* ------------------------------------------------------------------ list and show */

static void print_row(struct output_table *table, const struct stored_key *key, uint64_t now)
{
    char age[OUTPUT_AGE_SIZE];
    const char *state = key_store_state(key, now);
    bool live = text_equal(text_from(state), TEXT("live"));
    output_table_cell(table, STYLE_PLAIN, key->id);
    output_table_cell(table, STYLE_PLAIN, key->name);
    output_table_cell(table, STYLE_PLAIN, key->team);
    output_table_cell(table, live ? STYLE_GOOD : STYLE_BAD, text_from(state));
    output_table_cell(table, STYLE_PLAIN, text_from(output_age(key->created_at, now, age)));
    output_table_cell(table, STYLE_PLAIN,
                      key->expires_at ? text_from(output_age(key->expires_at, now, age))
                                      : TEXT("never"));
    output_table_cell(table, STYLE_PLAIN, text_empty(key->models) ? TEXT("all") : key->models);
}

struct listing {
    struct key_store *keys;
    struct output_table *table; /* NULL: JSON lines */
    uint64_t now;
    size_t count;
};

static void list_one(void *context, const struct stored_key *row)
{
    struct listing *listing = context;
    struct stored_key key = *row;
    key_store_merge(listing->keys, &key);
    listing->count++;
    if (listing->table != NULL)
        print_row(listing->table, &key, listing->now);
    else
        print_json(&key, NULL);
}

static int list_run(const struct verb_call *call)
{
    static const struct output_column columns[] = {
        {"ID", false, false},    {"NAME", false, true},     {"TEAM", false, true},
        {"STATE", false, false}, {"CREATED", false, false}, {"EXPIRES", false, false},
        {"MODELS", false, true},
    };
    const struct key_options *options = call->options;
    struct key_store keys;
    if (!data_directory_enter(data_of(call), false) || !key_store_open(&keys, data_of(call)))
        return VERB_FAILED;
    struct listing listing = {.keys = &keys, .now = clock_wall()};
    if (!options->json)
        listing.table = output_table_create(columns, ARRAY_LENGTH(columns));
    enum error error = keys_list(keys.store, list_one, &listing);
    if (listing.table != NULL)
        output_table_print(listing.table);
    int exit_code = error ? key_store_fail(&keys, error, text_of(NULL, 0)) : VERB_OK;
    if (!error && listing.count == 0 && !options->json)
        printf("\nThere is no key yet: `turnpike key create --name NAME` makes one.\n");
    key_store_close(&keys);
    return exit_code;
}

static const struct option list_options[] = {DATA_ROW, JSON_ROW, OPTION_END};

static const struct verb key_list = {
    .name = "list",
    .summary = "List all keys, the newest first",
    .options = list_options,
    .options_size = sizeof(struct key_options),
    .description = "With --json, one object a line.",
    .examples = "turnpike key list\n"
                "turnpike key list --json | jq -r 'select(.state == \"live\").id'",
    .run = list_run,
};

static void show_one(void *context, const struct stored_key *row)
{
    const struct verb_call *call = context;
    show(call, row, NULL);
}

static int show_run(const struct verb_call *call)
{
    struct key_store keys;
    char id[KEY_ID_LENGTH];
    if (!data_directory_enter(data_of(call), false) || !key_store_open(&keys, data_of(call)))
        return VERB_FAILED;
    int exit_code = key_store_resolve(&keys, text_from(call->operands[0]), id);
    if (exit_code == VERB_OK)
        exit_code = key_store_with(&keys, id, show_one, (void *)call);
    key_store_close(&keys);
    return exit_code;
}

static const struct verb key_show = {
    .name = "show",
    .summary = "Show what is known of a key",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = list_options,
    .options_size = sizeof(struct key_options),
    .description = "ID is the id of a key, or its name where only one live key has that name.",
    .examples = "turnpike key show 4f0c2v9qk1tz",
    .run = show_run,
};

/* ------------------------------------------------------------------ rotate and expire */

struct showing {
    const struct verb_call *call;
    const struct secret *secret;
};

static void show_rotated(void *context, const struct stored_key *row)
{
    const struct showing *showing = context;
    show(showing->call, row, showing->secret);
}

static void note_revoked(void *context, const struct stored_key *row)
{
    *(bool *)context = row->revoked_at > 0;
}

static int rotate(const struct verb_call *call, struct key_store *keys, const char *id,
                  uint64_t grace)
{
    struct secret *secret = NULL;
    struct key_hash hash;
    uint64_t now = clock_wall();
    bool revoked = false;
    int exit_code = key_store_with(keys, id, note_revoked, &revoked);
    if (exit_code != VERB_OK)
        return exit_code;
    if (revoked)
        return verb_fail("the key %.*s is revoked, and stays so: make a new one",
                         (int)KEY_ID_LENGTH, id);
    enum error error = key_make(text_of(id, KEY_ID_LENGTH), &secret);
    if (!error) {
        key_compute_hash(secret_expose(secret), &hash);
        error = keys_rotate(keys->store, text_of(id, KEY_ID_LENGTH), hash.bytes,
                            grace ? now + grace : 0, now);
    }
    if (error) {
        exit_code = key_store_fail(keys, error, text_of(id, KEY_ID_LENGTH));
    } else {
        struct showing showing = {call, secret};
        exit_code = key_store_with(keys, id, show_rotated, &showing);
    }
    secret_free(secret);
    return exit_code;
}

static int rotate_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    const char *grace = options->grace ? options->grace : GRACE_DEFAULT;
    uint64_t milliseconds;
    struct key_store keys;
    char id[KEY_ID_LENGTH];
    if (!number_parse_duration(text_from(grace), &milliseconds) ||
        milliseconds > (uint64_t)INT64_MAX / 2 / NANOSECONDS_PER_MILLISECOND)
        return verb_misused(call->verb, "'%.60s' is no duration: write 0, 30m, 24h or 7d", grace);
    if (!data_directory_enter(data_of(call), false) || !key_store_open(&keys, data_of(call)))
        return VERB_FAILED;
    int exit_code = key_store_resolve(&keys, text_from(call->operands[0]), id);
    if (exit_code == VERB_OK)
        exit_code = rotate(call, &keys, id, milliseconds * NANOSECONDS_PER_MILLISECOND);
    key_store_close(&keys);
    return exit_code;
}

static const struct option rotate_options[] = {
    DATA_ROW,
    OPTION_TEXT_ROW("grace", struct key_options, grace, "TIME",
                    "how long the old secret stays good; 0: not at all [" GRACE_DEFAULT "]",
                    OPTION_ANY),
    JSON_ROW,
    OPTION_END,
};

static const struct verb key_rotate = {
    .name = "rotate",
    .summary = "Give a key a new secret and print it, this once",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = rotate_options,
    .options_size = sizeof(struct key_options),
    .description = "Id, name, team and limits stay. The old secret is good for the time of grace;\n"
                   "only the one before the last is ever kept.",
    .examples = "turnpike key rotate checkout\n"
                "turnpike key rotate 4f0c2v9qk1tz --grace 0",
    .run = rotate_run,
};

static int expire_run(const struct verb_call *call)
{
    struct key_store keys;
    char id[KEY_ID_LENGTH];
    uint64_t expires_at;
    if (!read_expiry(call, call->operands[1], clock_wall(), &expires_at))
        return VERB_USAGE;
    if (!data_directory_enter(data_of(call), false) || !key_store_open(&keys, data_of(call)))
        return VERB_FAILED;
    int exit_code = key_store_resolve(&keys, text_from(call->operands[0]), id);
    if (exit_code == VERB_OK) {
        enum error error = keys_set_expiry(keys.store, text_of(id, sizeof id), expires_at);
        exit_code = error ? key_store_fail(&keys, error, text_of(id, sizeof id))
                          : key_store_with(&keys, id, show_one, (void *)call);
    }
    key_store_close(&keys);
    return exit_code;
}

static const struct verb key_expire = {
    .name = "expire",
    .summary = "Say until when a key is good",
    .operands = "ID WHEN",
    .operands_min = 2,
    .operands_max = 2,
    .options = list_options,
    .options_size = sizeof(struct key_options),
    .description = "WHEN is 90d, 12h (from now), 2027-01-31, 2027-01-31T18:00:00Z, now or never.\n"
                   "Unlike a revocation it can be taken back, and it needs a working store.",
    .examples = "turnpike key expire trial 14d\n"
                "turnpike key expire trial never",
    .run = expire_run,
};

/* ------------------------------------------------------------------ revoke */

static int revoke_run(const struct verb_call *call)
{
    const struct key_options *options = call->options;
    struct text reason = text_from(options->reason ? options->reason : "");
    bool in_store;
    char id[KEY_ID_LENGTH];
    if (options->reason && !check_name(call->verb, "reason", options->reason))
        return VERB_USAGE;
    if (!data_directory_enter(data_of(call), false))
        return VERB_FAILED;
    int exit_code =
        key_store_revoke(data_of(call), text_from(call->operands[0]), reason, id, &in_store);
    if (exit_code != VERB_OK)
        return exit_code;
    if (options->json)
        printf("{\"id\":\"%.*s\",\"revoked\":true,\"in_store\":%s}\n", (int)KEY_ID_LENGTH, id,
               in_store ? "true" : "false");
    else
        printf("The key %.*s is revoked. A running server refuses it within a second.\n",
               (int)KEY_ID_LENGTH, id);
    return VERB_OK;
}

static const struct option revoke_options[] = {
    DATA_ROW,
    OPTION_TEXT_ROW("reason", struct key_options, reason, "TEXT", "kept with the key", OPTION_ANY),
    JSON_ROW,
    OPTION_END,
};

static const struct verb key_revoke = {
    .name = "revoke",
    .summary = "End a key at once and for good",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = revoke_options,
    .options_size = sizeof(struct key_options),
    .description =
        "A running server refuses the key within a second, whatever state the store is in: the\n"
        "revocation is first written to the file `revocations` in the data directory. With the\n"
        "store down, the key must be named by its id.",
    .examples = "turnpike key revoke 4f0c2v9qk1tz --reason 'found in a public repository'",
    .run = revoke_run,
};

static const struct verb *const key_verbs[] = {
    &key_create, &key_list, &key_show, &key_rotate, &key_expire, &key_revoke, NULL,
};

const struct verb verb_key = {
    .name = "key",
    .summary = "Make, list, rotate, expire and revoke API keys",
    .description = "Keys are " KEY_PATTERN ". Only their hashes are stored.",
    .verbs = key_verbs,
};
