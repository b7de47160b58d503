/* Messages and their blocks; Anthropic API reference, Messages, "content". */
#include "provider/anthropic_parts.h"

#include <openssl/evp.h>

/* A title is a word or two; longer ones are refused. */
#define TITLE_MAX 255u

static const char unanswered[] = "The tool was not run: there is no result.";

/* ---- marks ---- */

/* Those that the API takes are the last ones: a mark covers everything before it. */
void anthropic_write_mark(struct anthropic_writer *writer, bool mark, struct text ttl,
                          struct text param)
{
    if (!mark)
        return;
    if (writer->marks_skipped > 0) {
        writer->marks_skipped--;
        return;
    }
    if (text_empty(ttl))
        ttl = writer->mark_ttl;
    if (!text_empty(ttl) && !text_equal(ttl, TEXT("5m")) && !text_equal(ttl, TEXT("1h")))
        anthropic_refuse(writer, param, "has a cache_control whose ttl is neither 5m nor 1h");
    json_key(writer->json, TEXT("cache_control"));
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", TEXT("ephemeral"));
    if (!text_empty(ttl))
        json_member_text(writer->json, "ttl", ttl);
    json_end_object(writer->json);
}

static void end_block(struct anthropic_writer *writer, const struct part *part)
{
    if (part != NULL)
        anthropic_write_mark(writer, part->cache_mark, part->cache_ttl, text_from(part->path));
    json_end_object(writer->json);
}

static void begin_block(struct anthropic_writer *writer, struct text type)
{
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", type);
}

/* ---- text ---- */

/* `part` has the mark; NULL: none. */
static void write_text(struct anthropic_writer *writer, struct text text, const struct part *part)
{
    begin_block(writer, TEXT("text"));
    json_member_text(writer->json, "text", text);
    end_block(writer, part);
}

/* The model's last word, which it is to go on with, may not end in white space. */
static struct text trim_end(struct text text)
{
    while (text.length > 0 && anthropic_is_blank(text_from_index(text, text.length - 1)))
        text.length--;
    return text;
}

/* ---- images and documents ---- */

enum media_kind { MEDIA_UNKNOWN, MEDIA_IMAGE, MEDIA_PDF, MEDIA_TEXT };

static const struct {
    struct text mime, written;
    enum media_kind kind;
} media_rows[] = {
    {TEXT_INIT("image/png"), TEXT_INIT("image/png"), MEDIA_IMAGE},
    {TEXT_INIT("image/jpeg"), TEXT_INIT("image/jpeg"), MEDIA_IMAGE},
    {TEXT_INIT("image/jpg"), TEXT_INIT("image/jpeg"), MEDIA_IMAGE},
    {TEXT_INIT("image/gif"), TEXT_INIT("image/gif"), MEDIA_IMAGE},
    {TEXT_INIT("image/webp"), TEXT_INIT("image/webp"), MEDIA_IMAGE},
    {TEXT_INIT("application/pdf"), TEXT_INIT("application/pdf"), MEDIA_PDF},
    {TEXT_INIT("application/json"), TEXT_INIT("text/plain"), MEDIA_TEXT},
    {TEXT_INIT("application/xml"), TEXT_INIT("text/plain"), MEDIA_TEXT},
};

/* "%PDF-" in base64. */
static const struct text pdf_start = TEXT_INIT("JVBERi");

static enum media_kind classify(const struct part *part, struct text *mime)
{
    const struct part_media *media = &part->media;
    *mime = media->mime;
    if (!text_empty(media->url) || !text_empty(media->file_id))
        return part->kind == PART_IMAGE ? MEDIA_IMAGE : MEDIA_PDF;
    if (text_empty(media->mime) && text_starts_with(media->data, pdf_start))
        *mime = TEXT("application/pdf");
    for (size_t i = 0; i < ARRAY_LENGTH(media_rows); i++)
        if (text_equal_ignoring_case(media_rows[i].mime, *mime)) {
            *mime = media_rows[i].written;
            return media_rows[i].kind;
        }
    if (!text_starts_with(*mime, TEXT("text/")))
        return MEDIA_UNKNOWN;
    *mime = TEXT("text/plain");
    return MEDIA_TEXT;
}

static bool is_document(const struct part *part)
{
    struct text mime;
    if (part->kind != PART_FILE && part->kind != PART_IMAGE)
        return false;
    return classify(part, &mime) != MEDIA_IMAGE;
}

static void write_inline(struct anthropic_writer *writer, struct text mime, struct text data)
{
    json_member_text(writer->json, "type", TEXT("base64"));
    json_member_text(writer->json, "media_type", mime);
    json_member_text(writer->json, "data", data);
}

/* Text documents travel as text. RFC 4648 section 4. */
static void write_decoded(struct anthropic_writer *writer, const struct part *part)
{
    struct text data = part->media.data;
    char *bytes = arena_take(writer->ask->arena, data.length / 4 * 3 + 1);
    int length = -1;
    if (bytes == NULL) {
        writer->error = writer->error == ERROR_OK ? ERROR_MEMORY : writer->error;
        length = 0;
    } else if (data.length % 4 == 0 && data.length <= INT32_MAX) {
        length = EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)data.data,
                                 (int)data.length);
    }
    if (length < 0)
        anthropic_refuse(writer, text_from(part->path), "is no base64");
    /* The decoder counts what padding stands for. */
    for (size_t i = 0; length > 0 && i < 2 && data.data[data.length - 1 - i] == '='; i++)
        length--;
    json_member_text(writer->json, "type", TEXT("text"));
    json_member_text(writer->json, "media_type", TEXT("text/plain"));
    json_member_text(writer->json, "data", text_of(bytes, length > 0 ? (size_t)length : 0));
}

static bool is_web(struct text url)
{
    return text_starts_with(url, TEXT("https://")) || text_starts_with(url, TEXT("http://"));
}

static void write_reference(struct anthropic_writer *writer, const struct part *part)
{
    const struct part_media *media = &part->media;
    bool file = !text_empty(media->file_id);
    if (writer->host->base64_only)
        anthropic_refuse(writer, text_from(part->path),
                         "must hold its bytes: this provider takes no URLs and no file ids");
    else if (!file && !is_web(media->url))
        anthropic_refuse(writer, text_from(part->path), "has a URL that is not of the web");
    writer->needs_files |= file;
    json_member_text(writer->json, "type", file ? TEXT("file") : TEXT("url"));
    json_member_text(writer->json, file ? "file_id" : "url", file ? media->file_id : media->url);
}

static void write_media(struct anthropic_writer *writer, const struct part *part, bool marked)
{
    struct text mime;
    enum media_kind kind = classify(part, &mime);
    if (kind == MEDIA_UNKNOWN)
        anthropic_refuse(writer, text_from(part->path),
                         "is of a kind that this model does not take: it takes JPEG, PNG, GIF, "
                         "WebP, PDF and text");
    begin_block(writer, kind == MEDIA_IMAGE ? TEXT("image") : TEXT("document"));
    json_key(writer->json, TEXT("source"));
    json_begin_object(writer->json);
    if (text_empty(part->media.data))
        write_reference(writer, part);
    else if (kind == MEDIA_TEXT)
        write_decoded(writer, part);
    else
        write_inline(writer, mime, part->media.data);
    json_end_object(writer->json);
    if (kind != MEDIA_IMAGE && !anthropic_is_blank(part->media.file_name))
        json_member_text(writer->json, "title", text_first(part->media.file_name, TITLE_MAX));
    end_block(writer, marked ? part : NULL);
}

/* ---- thinking ---- */

static void write_thinking(struct anthropic_writer *writer, const struct part *part)
{
    if (part->sealed_text) {
        begin_block(writer, TEXT("redacted_thinking"));
        json_member_text(writer->json, "data", part->seal);
    } else {
        begin_block(writer, TEXT("thinking"));
        json_member_text(writer->json, "thinking", part->text);
        json_member_text(writer->json, "signature", part->seal);
    }
    json_end_object(writer->json); /* marks are not allowed here */
}

/* ---- calls and results ---- */

static void write_identifier(struct anthropic_writer *writer, const char *key, struct text id)
{
    struct text written = alias_make(writer->ask->arena, id, &anthropic_alias_rule);
    if (written.data == NULL && writer->error == ERROR_OK)
        writer->error = ERROR_MEMORY;
    json_member_text(writer->json, key, written);
}

static bool is_object(struct text json)
{
    yyjson_doc *parsed = text_empty(json) ? NULL : yyjson_read(json.data, json.length, 0);
    bool object = yyjson_is_obj(yyjson_doc_get_root(parsed));
    yyjson_doc_free(parsed);
    return object;
}

/* The model's own words where they are an object, in their own order; what is none is kept for it
 * to see. */
static void write_arguments(struct anthropic_writer *writer, const struct part *part)
{
    struct text arguments = text_trim(part->arguments);
    json_key(writer->json, TEXT("input"));
    if (!part->custom && is_object(arguments)) {
        json_raw(writer->json, arguments);
        return;
    }
    json_begin_object(writer->json);
    if (part->custom)
        json_member_text(writer->json, "input", part->text);
    else if (!anthropic_is_blank(arguments))
        json_member_text(writer->json, "_raw", part->arguments);
    json_end_object(writer->json);
}

static void write_call(struct anthropic_writer *writer, const struct part *part)
{
    begin_block(writer, TEXT("tool_use"));
    write_identifier(writer, "id", part->id);
    write_identifier(writer, "name", part->name);
    write_arguments(writer, part);
    end_block(writer, part);
}

/* A part of a result; marks within it are not allowed. */
static void write_result_part(struct anthropic_writer *writer, const struct part *part)
{
    if (part->kind == PART_IMAGE || part->kind == PART_FILE)
        write_media(writer, part, false);
    else if (part->kind != PART_TEXT)
        anthropic_refuse(writer, text_from(part->path), "cannot be part of a tool's result");
    else if (!anthropic_is_blank(part->text))
        write_text(writer, part->text, NULL);
}

static bool result_says_something(const struct part *result)
{
    for (size_t i = 0; i < result->result_count; i++)
        if (result->results[i].kind != PART_TEXT || !anthropic_is_blank(result->results[i].text))
            return true;
    return false;
}

static void write_result(struct anthropic_writer *writer, const struct part *part)
{
    begin_block(writer, TEXT("tool_result"));
    write_identifier(writer, "tool_use_id", part->id);
    if (part->result_count == 1 && part->results[0].kind == PART_TEXT) {
        json_member_text(writer->json, "content", part->results[0].text);
    } else if (result_says_something(part)) {
        json_key(writer->json, TEXT("content"));
        json_begin_array(writer->json);
        for (size_t i = 0; i < part->result_count; i++)
            write_result_part(writer, &part->results[i]);
        json_end_array(writer->json);
    }
    if (part->is_error)
        json_member_bool(writer->json, "is_error", true);
    end_block(writer, part);
}

static void write_unanswered(struct anthropic_writer *writer, const struct part *call)
{
    begin_block(writer, TEXT("tool_result"));
    write_identifier(writer, "tool_use_id", call->id);
    json_member_text(writer->json, "content", text_from(unanswered));
    json_member_bool(writer->json, "is_error", true);
    json_end_object(writer->json);
}

/* Its call is not there: the API would refuse it, but the model may know what it means. */
static void write_orphan(struct anthropic_writer *writer, const struct part *result)
{
    struct buffer all;
    buffer_open(&all, writer->ask->call->body_maximum);
    buffer_append(&all, TEXT("Tool result:"));
    for (size_t i = 0; i < result->result_count; i++)
        if (result->results[i].kind == PART_TEXT) {
            buffer_append_char(&all, ' ');
            buffer_append(&all, result->results[i].text);
        }
    if (all.failed && writer->error == ERROR_OK)
        writer->error = ERROR_MEMORY;
    write_text(writer, buffer_text(&all), result);
    buffer_close(&all);
    for (size_t i = 0; i < result->result_count; i++)
        if (result->results[i].kind != PART_TEXT)
            write_result_part(writer, &result->results[i]);
}

/* ---- messages ---- */

static void write_part(struct anthropic_writer *writer, const struct part *part, bool last_word)
{
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        write_text(writer, last_word ? trim_end(part->text) : part->text, part);
        break;
    case PART_IMAGE:
    case PART_FILE: write_media(writer, part, true); break;
    case PART_REASONING: write_thinking(writer, part); break;
    case PART_TOOL_CALL: write_call(writer, part); break;
    case PART_TOOL_RESULT: write_result(writer, part); break;
    case PART_AUDIO:
        anthropic_refuse(writer, text_from(part->path), "is audio, which this model does not take");
        break;
    }
}

static void write_block(struct anthropic_writer *writer, const struct anthropic_block *block,
                        bool last_word)
{
    switch (block->kind) {
    case ANTHROPIC_BLOCK_PART: write_part(writer, block->part, last_word); break;
    case ANTHROPIC_BLOCK_ORPHAN: write_orphan(writer, block->part); break;
    case ANTHROPIC_BLOCK_UNANSWERED: write_unanswered(writer, block->part); break;
    }
}

static bool is_text(const struct anthropic_block *block)
{
    return block->kind == ANTHROPIC_BLOCK_ORPHAN || block->part->kind == PART_TEXT;
}

/* A document is refused without a text beside it: then its name is that. */
static void write_company(struct anthropic_writer *writer, const struct anthropic_message *message)
{
    const struct part *document = NULL;
    for (size_t i = 0; i < message->count; i++) {
        if (is_text(&message->blocks[i]))
            return;
        if (message->blocks[i].kind == ANTHROPIC_BLOCK_PART && is_document(message->blocks[i].part))
            document = message->blocks[i].part;
    }
    if (document != NULL)
        write_text(writer,
                   anthropic_is_blank(document->media.file_name)
                       ? TEXT("Document")
                       : text_first(document->media.file_name, TITLE_MAX),
                   NULL);
}

static void write_message(struct anthropic_writer *writer, const struct anthropic_message *message,
                          bool last)
{
    static const struct text roles[] = {[TURN_SYSTEM] = TEXT_INIT("system"),
                                        [TURN_USER] = TEXT_INIT("user"),
                                        [TURN_ASSISTANT] = TEXT_INIT("assistant")};
    json_begin_object(writer->json);
    json_member_text(writer->json, "role", roles[message->role]);
    json_key(writer->json, TEXT("content"));
    json_begin_array(writer->json);
    for (size_t i = 0; i < message->count; i++)
        write_block(writer, &message->blocks[i],
                    last && message->role == TURN_ASSISTANT && i + 1 == message->count);
    write_company(writer, message);
    json_end_array(writer->json);
    json_end_object(writer->json);
}

static void write_system_texts(struct anthropic_writer *writer)
{
    json_begin_array(writer->json);
    for (size_t i = 0; i < writer->script.system_count; i++)
        write_text(writer, writer->script.system[i]->text, writer->script.system[i]);
    if (!text_empty(writer->more_system))
        write_text(writer, writer->more_system, NULL);
    json_end_array(writer->json);
}

/* Instructions alone are a message, as there must be one. */
static bool is_system_alone(const struct anthropic_writer *writer)
{
    return writer->script.message_count == 0 && writer->script.system_count > 0;
}

void anthropic_write_system(struct anthropic_writer *writer)
{
    if (is_system_alone(writer) ||
        (writer->script.system_count == 0 && text_empty(writer->more_system)))
        return;
    json_key(writer->json, TEXT("system"));
    write_system_texts(writer);
}

static void write_system_message(struct anthropic_writer *writer)
{
    json_begin_object(writer->json);
    json_member_text(writer->json, "role", TEXT("user"));
    json_key(writer->json, TEXT("content"));
    write_system_texts(writer);
    json_end_object(writer->json);
}

void anthropic_write_messages(struct anthropic_writer *writer)
{
    const struct anthropic_script *script = &writer->script;
    json_key(writer->json, TEXT("messages"));
    json_begin_array(writer->json);
    if (is_system_alone(writer))
        write_system_message(writer);
    else if (script->message_count == 0)
        anthropic_refuse(writer, TEXT("messages"), "say nothing");
    for (size_t i = 0; i < script->message_count; i++)
        write_message(writer, &script->messages[i], i + 1 == script->message_count);
    json_end_array(writer->json);
}
