#include "admin/console.h"

#include <zlib.h>

#include "admin/console_files.h"
#include "base/ensure.h"

#define INDEX    "index.html"
#define ASSETS   "assets/"
#define TAG_SIZE 40u

/* Scripts, styles and pictures are our own files; a page of ours asks nobody else, is in no frame,
 * and sends no form. data: is for the pictures of style sheets. */
#define POLICY                                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src " \
    "'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/* A file whose name holds its hash never changes. A year is the longest that caches believe. */
#define KEPT   "public, max-age=31536000, immutable"
#define ASKED  "no-cache" /* kept, and asked for each time whether it is still so */
#define UNKEPT "no-store"

bool console_is_built(void)
{
    return console_file_count > 0;
}

/* The path of a target, without its query. */
static struct text path_of(struct text target)
{
    return text_split(&target, '?');
}

bool console_has(struct text target)
{
    struct text path = path_of(target);

    return text_equal(path, TEXT("/")) || text_equal(path, TEXT("/console")) ||
           text_starts_with(path, TEXT(CONSOLE_PATH));
}

static const struct console_file *find_file(struct text path)
{
    for (size_t i = 0; i < console_file_count; i++) {
        if (text_equal(console_files[i].path, path))
            return &console_files[i];
    }
    return NULL;
}

/* A view of the console has a path of its own, which is no file: the page finds out what it is. */
static const struct console_file *choose_file(struct text path)
{
    const struct console_file *file = find_file(path);

    return file || text_starts_with(path, TEXT(ASSETS)) ? file : find_file(TEXT(INDEX));
}

static void add_header(struct admin_call *call, const char *name, struct text value)
{
    http1_append_header(&call->headers, text_from(name), value);
}

static void answer(struct admin_call *call, unsigned status, const char *type, const char *caching)
{
    call->status = status;
    call->content_type = type;
    call->caching = caching;
    add_header(call, "content-security-policy", TEXT(POLICY));
}

static void answer_text(struct admin_call *call, unsigned status, struct text text)
{
    answer(call, status, "text/plain; charset=utf-8", UNKEPT);
    buffer_append(&call->out, text);
}

/* "gzip", "gzip;q=0.5", and not "gzip;q=0". */
static bool takes_gzip(const struct http1_head *head)
{
    struct text list = http1_head_value(head, HEADER_ACCEPT_ENCODING), member;

    while (http1_list_next(&list, &member)) {
        struct text coding = text_trim(text_split(&member, ';'));
        struct text weight = text_trim(member);
        bool refused = text_equal(weight, TEXT("q=0")) || text_equal(weight, TEXT("q=0.0")) ||
                       text_equal(weight, TEXT("q=0.00")) || text_equal(weight, TEXT("q=0.000"));
        if (text_equal_ignoring_case(coding, TEXT("gzip")))
            return !refused;
    }
    return false;
}

/* If-None-Match compares weakly (RFC 9110 section 13.1.2). */
static bool has_tag(const struct http1_head *head, struct text tag)
{
    struct text list = http1_head_value(head, HEADER_IF_NONE_MATCH), member;

    while (http1_list_next(&list, &member)) {
        if (text_starts_with(member, TEXT("W/")))
            member = text_from_index(member, 2);
        if (text_equal(member, TEXT("*")) || text_equal(member, tag))
            return true;
    }
    return false;
}

static bool inflate_file(const struct console_file *file, struct buffer *out)
{
    char *place = buffer_reserve(out, file->plain_size);
    z_stream stream = {
        .next_in = (unsigned char *)(uintptr_t)file->data,
        .avail_in = (uInt)file->size,
        .next_out = (unsigned char *)place,
        .avail_out = (uInt)file->plain_size,
    };

    if (!place || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) /* 16: the gzip format */
        return false;
    int result = inflate(&stream, Z_FINISH);
    (void)inflateEnd(&stream);
    ensure(result == Z_STREAM_END && stream.total_out == file->plain_size);
    out->length += file->plain_size;
    return true;
}

static void answer_file(struct admin_call *call, const struct console_file *file,
                        const struct http1_head *head)
{
    char tag[TAG_SIZE];
    bool gzip = takes_gzip(head);
    int length = snprintf(tag, sizeof(tag), "\"%s%s\"", file->tag, gzip ? "-gz" : "");

    answer(call, 200, file->type, file->hashed ? KEPT : ASKED);
    add_header(call, "etag", text_of(tag, (size_t)length));
    add_header(call, "vary", TEXT("accept-encoding"));
    if (has_tag(head, text_of(tag, (size_t)length))) {
        call->status = 304;
        call->content_type = NULL;
        return;
    }
    if (gzip) {
        add_header(call, "content-encoding", TEXT("gzip"));
        buffer_append(&call->out, text_of((const char *)file->data, file->size));
    } else if (!inflate_file(file, &call->out)) {
        (void)call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
        call_answer_problem(call);
    }
}

void console_answer(struct admin_call *call, const struct http1_head *head)
{
    struct text path = path_of(call->target);

    if (call->method != HTTP1_GET && call->method != HTTP1_HEAD) {
        add_header(call, "allow", TEXT("GET, HEAD"));
        answer_text(
            call, 405,
            TEXT("The console is read with GET; what changes something is asked of /admin/v1.\n"));
        return;
    }
    if (!text_starts_with(path, TEXT(CONSOLE_PATH))) {
        add_header(call, "location", TEXT(CONSOLE_PATH));
        answer_text(call, 302, TEXT("The console is at " CONSOLE_PATH "\n"));
        return;
    }
    if (!console_is_built()) {
        answer_text(
            call, 404,
            TEXT("This gateway was built without its console. The admin API under /admin/v1 has\n"
                 "all that the console shows; docs/console.md says how to build with it\n"
                 "(meson -Dconsole=enabled, or ./dev build where npm packages can be fetched).\n"));
        return;
    }
    const struct console_file *file = choose_file(text_from_index(path, sizeof(CONSOLE_PATH) - 1));
    if (file)
        answer_file(call, file, head);
    else
        answer_text(call, 404,
                    TEXT("The console has no such file; a page from before an upgrade asks for "
                         "them: load it anew.\n"));
}
