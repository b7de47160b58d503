/* A conversation's turns as Converse wants them: user and assistant by turns, the user first, no
 * empty text, results of tools at the beginning of the turn that follows the calls. Source: API
 * reference, Message and ContentBlock. */
#include "base/attributes.h"
#include "provider/bedrock_parts.h"

/* Of a document (API reference: DocumentBlock); less, to have room for a number. */
#define DOCUMENT_NAME_MAX 190u

struct used_name {
    struct used_name *next;
    struct text name;
    unsigned count;
};

struct writing {
    struct native_ask *ask;
    struct json_writer *json;
    struct bedrock_state *state;
    struct used_name *names;
    struct text untold; /* name of a document whose message has no text yet */
    bool told;
    enum error error;
};

const struct alias_rule bedrock_tool_name = {.marks = "_-", .maximum = 64};
const struct alias_rule bedrock_tool_id = {.marks = "_.:-", .maximum = 64};

bool bedrock_is_blank(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (strchr(" \t\r\n", text.data[i]) == NULL || text.data[i] == '\0')
            return false;
    return true;
}

static void refuse(struct writing *writing, const struct part *part, const char *reason)
{
    if (writing->error == ERROR_OK)
        writing->error = native_refuse(writing->ask, text_from(part->path), reason);
}

static struct text made(struct writing *writing, struct text text)
{
    if (text.data == NULL && writing->error == ERROR_OK)
        writing->error = ERROR_MEMORY;
    return text;
}

void bedrock_write_cache_point(struct json_writer *json, struct text ttl)
{
    json_begin_object(json);
    json_key(json, TEXT("cachePoint"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("default"));
    if (!text_empty(ttl))
        json_member_text(json, "ttl", ttl);
    json_end_object(json);
    json_end_object(json);
}

static void write_text(struct json_writer *json, struct text text)
{
    json_begin_object(json);
    json_member_text(json, "text", text);
    json_end_object(json);
}

/* ---- pictures, documents, sound ---- */

enum media_kind { MEDIA_IMAGE, MEDIA_DOCUMENT, MEDIA_VIDEO, MEDIA_AUDIO };

static const struct media_row {
    struct text mime, format;
    enum media_kind kind;
} media_rows[] = {
    {TEXT_INIT("image/png"), TEXT_INIT("png"), MEDIA_IMAGE},
    {TEXT_INIT("image/jpeg"), TEXT_INIT("jpeg"), MEDIA_IMAGE},
    {TEXT_INIT("image/jpg"), TEXT_INIT("jpeg"), MEDIA_IMAGE},
    {TEXT_INIT("image/gif"), TEXT_INIT("gif"), MEDIA_IMAGE},
    {TEXT_INIT("image/webp"), TEXT_INIT("webp"), MEDIA_IMAGE},
    {TEXT_INIT("application/pdf"), TEXT_INIT("pdf"), MEDIA_DOCUMENT},
    {TEXT_INIT("text/csv"), TEXT_INIT("csv"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/msword"), TEXT_INIT("doc"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
     TEXT_INIT("docx"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/vnd.ms-excel"), TEXT_INIT("xls"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
     TEXT_INIT("xlsx"), MEDIA_DOCUMENT},
    {TEXT_INIT("text/html"), TEXT_INIT("html"), MEDIA_DOCUMENT},
    {TEXT_INIT("text/markdown"), TEXT_INIT("md"), MEDIA_DOCUMENT},
    {TEXT_INIT("text/plain"), TEXT_INIT("txt"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/json"), TEXT_INIT("txt"), MEDIA_DOCUMENT},
    {TEXT_INIT("application/xml"), TEXT_INIT("txt"), MEDIA_DOCUMENT},
    {TEXT_INIT("video/x-matroska"), TEXT_INIT("mkv"), MEDIA_VIDEO},
    {TEXT_INIT("video/quicktime"), TEXT_INIT("mov"), MEDIA_VIDEO},
    {TEXT_INIT("video/mp4"), TEXT_INIT("mp4"), MEDIA_VIDEO},
    {TEXT_INIT("video/webm"), TEXT_INIT("webm"), MEDIA_VIDEO},
    {TEXT_INIT("video/x-flv"), TEXT_INIT("flv"), MEDIA_VIDEO},
    {TEXT_INIT("video/mpeg"), TEXT_INIT("mpeg"), MEDIA_VIDEO},
    {TEXT_INIT("video/x-ms-wmv"), TEXT_INIT("wmv"), MEDIA_VIDEO},
    {TEXT_INIT("video/3gpp"), TEXT_INIT("three_gp"), MEDIA_VIDEO},
    {TEXT_INIT("audio/wav"), TEXT_INIT("wav"), MEDIA_AUDIO},
    {TEXT_INIT("audio/x-wav"), TEXT_INIT("wav"), MEDIA_AUDIO},
    {TEXT_INIT("audio/mpeg"), TEXT_INIT("mp3"), MEDIA_AUDIO},
    {TEXT_INIT("audio/mp3"), TEXT_INIT("mp3"), MEDIA_AUDIO},
    {TEXT_INIT("audio/flac"), TEXT_INIT("flac"), MEDIA_AUDIO},
    {TEXT_INIT("audio/ogg"), TEXT_INIT("ogg"), MEDIA_AUDIO},
    {TEXT_INIT("audio/opus"), TEXT_INIT("opus"), MEDIA_AUDIO},
    {TEXT_INIT("audio/aac"), TEXT_INIT("aac"), MEDIA_AUDIO},
    {TEXT_INIT("audio/mp4"), TEXT_INIT("m4a"), MEDIA_AUDIO},
    {TEXT_INIT("audio/webm"), TEXT_INIT("webm"), MEDIA_AUDIO},
    {TEXT_INIT("audio/pcm"), TEXT_INIT("pcm"), MEDIA_AUDIO},
};

static const char *const media_keys[] = {
    [MEDIA_IMAGE] = "image",
    [MEDIA_DOCUMENT] = "document",
    [MEDIA_VIDEO] = "video",
    [MEDIA_AUDIO] = "audio",
};

static const struct media_row *find_by_mime(struct text mime)
{
    for (size_t i = 0; i < ARRAY_LENGTH(media_rows); i++)
        if (text_equal_ignoring_case(media_rows[i].mime, mime))
            return &media_rows[i];
    return NULL;
}

/* "s3://bucket/folder/scan.PDF": formats are called as the names end. */
static const struct media_row *find_by_ending(struct text url)
{
    struct text ending = url;
    while (ending.data != NULL && text_find_char(ending, '.') >= 0)
        (void)text_split(&ending, '.');
    if (text_equal_ignoring_case(ending, TEXT("jpg")))
        ending = TEXT("jpeg");
    for (size_t i = 0; i < ARRAY_LENGTH(media_rows); i++)
        if (text_equal_ignoring_case(media_rows[i].format, ending))
            return &media_rows[i];
    return NULL;
}

/* Letters, digits, single spaces, hyphens, parentheses and brackets; no ending. */
static struct text clean_name(struct writing *writing, struct text name)
{
    char *out = arena_take(writing->ask->arena, DOCUMENT_NAME_MAX + 1);
    size_t length = 0, end = name.length;
    if (out == NULL)
        return made(writing, text_of(NULL, 0));
    for (size_t i = name.length; i > 1 && end == name.length; i--)
        if (name.data[i - 1] == '.')
            end = i - 1;
    for (size_t i = 0; i < end && length < DOCUMENT_NAME_MAX; i++) {
        char c = name.data[i];
        bool taken = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-()[]", c) != NULL);
        if (taken)
            out[length++] = c;
        else if (length > 0 && out[length - 1] != ' ')
            out[length++] = ' ';
    }
    while (length > 0 && out[length - 1] == ' ')
        length--;
    return length > 0 ? text_of(out, length) : TEXT("document");
}

/* Names are unique in a request. */
static struct text document_name(struct writing *writing, struct text file_name)
{
    struct text name = clean_name(writing, file_name);
    struct used_name *used = writing->names;
    while (used != NULL && !text_equal_ignoring_case(used->name, name))
        used = used->next;
    if (used != NULL)
        return made(writing,
                    arena_format(writing->ask->arena, "%.*s (%u)", TEXT_ARG(name), ++used->count));
    used = arena_take(writing->ask->arena, sizeof *used);
    if (used == NULL)
        return made(writing, text_of(NULL, 0));
    *used = (struct used_name){.next = writing->names, .name = name, .count = 1};
    writing->names = used;
    return name;
}

static void write_source(struct json_writer *json, const struct part_media *media)
{
    json_key(json, TEXT("source"));
    json_begin_object(json);
    if (!text_empty(media->data)) {
        json_member_text(json, "bytes", media->data);
    } else {
        json_key(json, TEXT("s3Location"));
        json_begin_object(json);
        json_member_text(json, "uri", media->url);
        json_end_object(json);
    }
    json_end_object(json);
}

static bool may_be(enum part_kind kind, enum media_kind media)
{
    if (kind == PART_IMAGE)
        return media == MEDIA_IMAGE;
    return kind != PART_AUDIO || media == MEDIA_AUDIO;
}

static void write_media(struct writing *writing, const struct part *part)
{
    const struct part_media *media = &part->media;
    struct json_writer *json = writing->json;
    if (text_empty(media->data) && !text_starts_with(media->url, TEXT("s3://"))) {
        refuse(writing, part,
               !text_empty(media->file_id)
                   ? "names a stored file, which Bedrock does not have; send its data"
                   : "is at a URL that Bedrock does not fetch; send a data URL, or s3://");
        return;
    }
    const struct media_row *row = find_by_mime(media->mime);
    if (row == NULL && text_empty(media->mime))
        row = find_by_ending(text_empty(media->url) ? media->file_name : media->url);
    if (row == NULL || !may_be(part->kind, row->kind)) {
        refuse(writing, part, "is of a media type that Bedrock does not take");
        return;
    }
    json_begin_object(json);
    json_key(json, text_from(media_keys[row->kind]));
    json_begin_object(json);
    json_member_text(json, "format", row->format);
    if (row->kind == MEDIA_DOCUMENT) {
        struct text name = document_name(writing, media->file_name);
        json_member_text(json, "name", name);
        writing->untold = name;
    }
    write_source(json, media);
    json_end_object(json);
    json_end_object(json);
}

/* ---- tools ---- */

static struct text tool_id(struct writing *writing, struct text id)
{
    return made(writing, alias_make(writing->ask->arena, id, &bedrock_tool_id));
}

/* An object, as it must be one: what a model wrote otherwise is kept as text. */
static void write_arguments(struct writing *writing, const struct part *part)
{
    struct json_writer *json = writing->json;
    struct text arguments = part->custom ? part->text : part->arguments;
    if (!part->custom && yyjson_is_obj(native_parse(writing->ask->arena, arguments))) {
        json_raw(json, arguments); /* numbers as they were written */
        return;
    }
    json_begin_object(json);
    if (part->custom || !bedrock_is_blank(arguments))
        json_member_text(json, part->custom ? "input" : "arguments", arguments);
    json_end_object(json);
}

static void write_call(struct writing *writing, const struct part *part)
{
    struct json_writer *json = writing->json;
    struct text name = alias_make(writing->ask->arena, part->name, &bedrock_tool_name);
    writing->state->tools_seen = true;
    json_begin_object(json);
    json_key(json, TEXT("toolUse"));
    json_begin_object(json);
    json_member_text(json, "toolUseId", tool_id(writing, part->id));
    json_member_text(json, "name", made(writing, name));
    json_key(json, TEXT("input"));
    write_arguments(writing, part);
    json_end_object(json);
    json_end_object(json);
}

static void write_result(struct writing *writing, const struct part *part)
{
    struct json_writer *json = writing->json;
    bool any = false;
    writing->state->tools_seen = true;
    json_begin_object(json);
    json_key(json, TEXT("toolResult"));
    json_begin_object(json);
    json_member_text(json, "toolUseId", tool_id(writing, part->id));
    json_key(json, TEXT("content"));
    json_begin_array(json);
    for (size_t i = 0; i < part->result_count; i++) {
        const struct part *result = &part->results[i];
        if (result->kind == PART_IMAGE || result->kind == PART_FILE)
            write_media(writing, result);
        else if (!bedrock_is_blank(result->text))
            write_text(json, result->text);
        else
            continue;
        any = true;
    }
    if (!any)
        write_text(json, TEXT(" ")); /* content must not be empty */
    json_end_array(json);
    if (part->is_error && bedrock_is(writing->state->model, BEDROCK_RESULT_STATUS))
        json_member_text(json, "status", TEXT("error"));
    json_end_object(json);
    json_end_object(json);
}

/* ---- reasoning ---- */

/* Only Claude seals what it thinks, and takes it from every host. */
static bool is_sealed(const struct bedrock_model *model, const struct part *part)
{
    return bedrock_is(model, BEDROCK_CLAUDE) && !text_empty(part->seal) &&
           text_equal(part->seal_origin, TEXT("anthropic"));
}

static void write_reasoning(struct json_writer *json, const struct part *part)
{
    json_begin_object(json);
    json_key(json, TEXT("reasoningContent"));
    json_begin_object(json);
    if (part->sealed_text) {
        json_member_text(json, "redactedContent", part->seal);
    } else {
        json_key(json, TEXT("reasoningText"));
        json_begin_object(json);
        json_member_text(json, "text", part->text);
        json_member_text(json, "signature", part->seal);
        json_end_object(json);
    }
    json_end_object(json);
    json_end_object(json);
}

static bool has_sealed(const struct bedrock_model *model, const struct turn *turn)
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (turn->parts[i].kind == PART_REASONING && is_sealed(model, &turn->parts[i]))
            return true;
    return false;
}

static bool has_kind(const struct turn *turn, enum part_kind kind)
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (turn->parts[i].kind == kind)
            return true;
    return false;
}

bool bedrock_lacks_reasoning(const struct conversation *conversation,
                             const struct bedrock_model *model)
{
    for (size_t i = conversation->turn_count; i > 0; i--) {
        const struct turn *turn = &conversation->turns[i - 1];
        if (turn->role == TURN_USER && !has_kind(turn, PART_TOOL_RESULT))
            return false;
        if (turn->role == TURN_ASSISTANT && has_kind(turn, PART_TOOL_CALL) &&
            !has_sealed(model, turn))
            return true;
    }
    return false;
}

/* ---- parts ---- */

static bool is_written(const struct writing *writing, const struct part *part)
{
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL: return !bedrock_is_blank(part->text);
    case PART_REASONING: return writing->state->thinks && is_sealed(writing->state->model, part);
    case PART_IMAGE:
    case PART_FILE:
    case PART_AUDIO:
    case PART_TOOL_CALL:
    case PART_TOOL_RESULT: return true;
    }
    return false;
}

static struct text without_end(struct text text)
{
    while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL)
        text.length--;
    return text;
}

static void write_part(struct writing *writing, const struct part *part, bool is_end)
{
    struct json_writer *json = writing->json;
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        writing->told = true;
        /* Where the model is to go on from a text, that must not end in blanks. */
        write_text(json, is_end ? without_end(part->text) : part->text);
        break;
    case PART_IMAGE:
    case PART_FILE:
    case PART_AUDIO: write_media(writing, part); break;
    case PART_REASONING: write_reasoning(json, part); break;
    case PART_TOOL_CALL: write_call(writing, part); break;
    case PART_TOOL_RESULT: write_result(writing, part); break;
    }
    if (part->cache_mark && part->kind != PART_REASONING &&
        bedrock_is(writing->state->model, BEDROCK_CACHES))
        bedrock_write_cache_point(json, part->cache_ttl);
}

/* ---- system ---- */

/* Those in the middle of a conversation too: Converse knows but one place. */
static void write_system_parts(struct writing *writing, bool marks)
{
    const struct conversation *conversation = writing->ask->conversation;
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct turn *turn = &conversation->turns[i];
        for (size_t j = 0; turn->role == TURN_SYSTEM && j < turn->part_count; j++) {
            const struct part *part = &turn->parts[j];
            if (part->kind != PART_TEXT) {
                refuse(writing, part, "is no text, which a system message must be on Bedrock");
                continue;
            }
            if (bedrock_is_blank(part->text))
                continue;
            write_text(writing->json, part->text);
            if (marks && part->cache_mark)
                bedrock_write_cache_point(writing->json, part->cache_ttl);
        }
    }
}

static bool has_system(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct turn *turn = &conversation->turns[i];
        for (size_t j = 0; turn->role == TURN_SYSTEM && j < turn->part_count; j++)
            if (!bedrock_is_blank(turn->parts[j].text))
                return true;
    }
    return false;
}

/* ---- messages ---- */

static bool says(const struct writing *writing, const struct turn *turn)
{
    for (size_t i = 0; turn->role != TURN_SYSTEM && i < turn->part_count; i++)
        if (is_written(writing, &turn->parts[i]))
            return true;
    return false;
}

/* The results of tools, or all else. */
static void write_parts(struct writing *writing, const struct turn *turn, bool results, bool is_end)
{
    for (size_t i = 0; i < turn->part_count; i++) {
        const struct part *part = &turn->parts[i];
        if ((part->kind == PART_TOOL_RESULT) == results && is_written(writing, part))
            write_part(writing, part, is_end && i + 1 == turn->part_count);
    }
}

static void begin_message(struct writing *writing, enum turn_role role)
{
    struct json_writer *json = writing->json;
    json_begin_object(json);
    json_member_text(json, "role", role == TURN_USER ? TEXT("user") : TEXT("assistant"));
    json_key(json, TEXT("content"));
    json_begin_array(json);
    writing->told = false;
    writing->untold = TEXT("");
}

static void end_message(struct writing *writing)
{
    /* A document is not taken without a text beside it. */
    if (!text_empty(writing->untold) && !writing->told)
        write_text(writing->json, writing->untold);
    json_end_array(writing->json);
    json_end_object(writing->json);
}

/* Neighbouring turns of one role, `first` to before `end`. */
static void write_message(struct writing *writing, size_t first, size_t end, bool opens)
{
    const struct conversation *conversation = writing->ask->conversation;
    const struct turn *turns = conversation->turns;
    enum turn_role role = turns[first].role;
    bool is_last = end == conversation->turn_count;
    begin_message(writing, role);
    if (opens && bedrock_is(writing->state->model, BEDROCK_NO_SYSTEM))
        write_system_parts(writing, false);
    for (size_t i = first; i < end; i++)
        if (turns[i].role == role)
            write_parts(writing, &turns[i], true, false);
    for (size_t i = first; i < end; i++)
        if (turns[i].role == role)
            write_parts(writing, &turns[i], false,
                        role == TURN_ASSISTANT && is_last && i + 1 == end);
    end_message(writing);
}

/* Where the caller lets the assistant begin, or has only system messages. */
static void write_opening(struct writing *writing)
{
    begin_message(writing, TURN_USER);
    if (bedrock_is(writing->state->model, BEDROCK_NO_SYSTEM) &&
        has_system(writing->ask->conversation))
        write_system_parts(writing, false);
    else
        write_text(writing->json, TEXT("."));
    end_message(writing);
}

static void write_turns(struct writing *writing)
{
    const struct conversation *conversation = writing->ask->conversation;
    const struct turn *turns = conversation->turns;
    size_t count = conversation->turn_count, i = 0;
    while (i < count && !says(writing, &turns[i]))
        i++;
    bool opens = i < count && turns[i].role == TURN_USER;
    if (!opens)
        write_opening(writing);
    while (i < count) {
        size_t end = i + 1;
        while (end < count && (turns[end].role == turns[i].role || !says(writing, &turns[end])))
            end++;
        write_message(writing, i, end, opens);
        opens = false;
        i = end;
    }
}

enum error bedrock_write_messages(struct native_ask *ask)
{
    struct json_writer *json = ask->body;
    struct writing writing = {.ask = ask, .json = json, .state = ask->state};
    if (has_system(ask->conversation) && !bedrock_is(writing.state->model, BEDROCK_NO_SYSTEM)) {
        json_key(json, TEXT("system"));
        json_begin_array(json);
        write_system_parts(&writing, bedrock_is(writing.state->model, BEDROCK_CACHES));
        json_end_array(json);
    }
    json_key(json, TEXT("messages"));
    json_begin_array(json);
    write_turns(&writing);
    json_end_array(json);
    return writing.error;
}
