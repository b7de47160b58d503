/* Images, sounds and files as parts: inlineData for bytes, fileData for what lies elsewhere. */
#include "provider/gemini.h"

/* Where files lie that were uploaded to AI Studio (Files API). */
#define FILES_URL "https://generativelanguage.googleapis.com/v1beta/"

/* By the end of a file's name. What both places take, from the list of supported types. */
static const struct {
    struct text suffix, mime;
} suffix_rows[] = {
    {TEXT_INIT(".png"), TEXT_INIT("image/png")},
    {TEXT_INIT(".jpg"), TEXT_INIT("image/jpeg")},
    {TEXT_INIT(".jpeg"), TEXT_INIT("image/jpeg")},
    {TEXT_INIT(".webp"), TEXT_INIT("image/webp")},
    {TEXT_INIT(".gif"), TEXT_INIT("image/gif")},
    {TEXT_INIT(".heic"), TEXT_INIT("image/heic")},
    {TEXT_INIT(".heif"), TEXT_INIT("image/heif")},
    {TEXT_INIT(".pdf"), TEXT_INIT("application/pdf")},
    {TEXT_INIT(".txt"), TEXT_INIT("text/plain")},
    {TEXT_INIT(".md"), TEXT_INIT("text/plain")},
    {TEXT_INIT(".csv"), TEXT_INIT("text/csv")},
    {TEXT_INIT(".html"), TEXT_INIT("text/html")},
    {TEXT_INIT(".json"), TEXT_INIT("application/json")},
    {TEXT_INIT(".mp3"), TEXT_INIT("audio/mp3")},
    {TEXT_INIT(".wav"), TEXT_INIT("audio/wav")},
    {TEXT_INIT(".flac"), TEXT_INIT("audio/flac")},
    {TEXT_INIT(".ogg"), TEXT_INIT("audio/ogg")},
    {TEXT_INIT(".m4a"), TEXT_INIT("audio/m4a")},
    {TEXT_INIT(".mp4"), TEXT_INIT("video/mp4")},
    {TEXT_INIT(".mov"), TEXT_INIT("video/quicktime")},
    {TEXT_INIT(".webm"), TEXT_INIT("video/webm")},
};

static struct text mime_of_name(struct text name)
{
    struct text rest = name, path = text_split(&rest, '?');
    for (size_t i = 0; i < ARRAY_LENGTH(suffix_rows); i++) {
        size_t length = suffix_rows[i].suffix.length;
        if (path.length > length &&
            text_equal_ignoring_case(text_from_index(path, path.length - length),
                                     suffix_rows[i].suffix))
            return suffix_rows[i].mime;
    }
    return TEXT("");
}

static bool is_video_page(struct text url)
{
    return text_starts_with(url, TEXT("https://www.youtube.com/")) ||
           text_starts_with(url, TEXT("https://youtu.be/"));
}

/* What was said goes before what a name suggests. An image whose URL has no ending is called a JPEG
 * on Vertex, which wants to be told: the bytes decide there. */
static struct text mime_of(const struct gemini_place *place, const struct part *part)
{
    const struct part_media *media = &part->media;
    struct text mime = media->mime;
    if (text_equal(mime, TEXT("audio/mpeg"))) /* as the API names it */
        return TEXT("audio/mp3");
    if (text_empty(mime))
        mime = mime_of_name(text_empty(media->file_name) ? media->url : media->file_name);
    if (text_empty(mime) && is_video_page(media->url))
        return TEXT("video/mp4");
    if (text_empty(mime) && place->vertex && part->kind == PART_IMAGE)
        return TEXT("image/jpeg");
    return mime;
}

static void write_inline(struct json_writer *json, const struct part *part, struct text mime)
{
    json_key(json, TEXT("inlineData"));
    json_begin_object(json);
    json_member_text(json, "mimeType", mime);
    json_member_text(json, "data", part->media.data);
    json_end_object(json);
}

static void write_reference(struct json_writer *json, struct text url, struct text mime)
{
    json_key(json, TEXT("fileData"));
    json_begin_object(json);
    if (!text_empty(mime))
        json_member_text(json, "mimeType", mime);
    json_member_text(json, "fileUri", url);
    json_end_object(json);
}

/* How closely it is looked at, picture by picture: from Gemini 3 on. */
static void write_detail(struct json_writer *json, const struct gemini_place *place,
                         struct text detail)
{
    struct text level = text_equal(detail, TEXT("low"))    ? TEXT("MEDIA_RESOLUTION_LOW")
                        : text_equal(detail, TEXT("high")) ? TEXT("MEDIA_RESOLUTION_HIGH")
                                                           : TEXT("");
    if (text_empty(level) || place->model.generation < GEMINI_3)
        return;
    json_key(json, TEXT("mediaResolution"));
    json_begin_object(json);
    json_member_text(json, "level", level);
    json_end_object(json);
}

/* ERROR_UNSUPPORTED: it is an upload of some other place. */
static enum error find_url(struct native_ask *ask, const struct gemini_place *place,
                           const struct part *part, struct text *url)
{
    *url = part->media.url;
    if (!text_empty(*url))
        return ERROR_OK;
    if (place->vertex || !text_starts_with(part->media.file_id, TEXT("files/")))
        return native_refuse(ask, text_from(part->path),
                             "names a file that this provider does not have");
    *url = arena_format(ask->arena, FILES_URL "%.*s", TEXT_ARG(part->media.file_id));
    return url->data == NULL ? ERROR_MEMORY : ERROR_OK;
}

enum error gemini_write_media(struct native_ask *ask, const struct gemini_place *place,
                              const struct part *part)
{
    struct json_writer *json = ask->body;
    struct text mime = mime_of(place, part), url = TEXT("");
    bool within = !text_empty(part->media.data);
    enum error error = within ? ERROR_OK : find_url(ask, place, part, &url);
    if (error != ERROR_OK)
        return error;
    if (text_empty(mime) && (within || place->vertex))
        return native_refuse(ask, text_from(part->path),
                             "does not say what kind of file it is; a data URL or a file name with "
                             "a known ending does");
    json_begin_object(json);
    if (within)
        write_inline(json, part, mime);
    else
        write_reference(json, url, mime);
    if (part->kind == PART_IMAGE)
        write_detail(json, place, part->media.detail);
    json_end_object(json);
    return ERROR_OK;
}
