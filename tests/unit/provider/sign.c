/* Signs what stands in a file of JSON lines on standard input, and answers each with the lines that
 * sigv4_sign adds and an empty one: for tests/property, which compares with botocore.
 *
 *   {"id": …, "secret": …, "token": …, "method": …, "host": …, "target": …, "lines": …,
 *    "body": …, "region": …, "service": …, "time": …} */
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/ensure.h"
#include "provider/sigv4.h"

static struct text member(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static void sign(yyjson_val *ask)
{
    struct text body = member(ask, "body");
    struct text parts[] = {text_first(body, body.length / 3),
                           text_from_index(body, body.length / 3)};
    struct sigv4_key key = {.access_key_id = member(ask, "id"),
                            .secret_key = member(ask, "secret"),
                            .session_token = member(ask, "token")};
    struct sigv4_request request = {
        .method = member(ask, "method"),
        .host = member(ask, "host"),
        .target = member(ask, "target"),
        .lines = member(ask, "lines"),
        .body = parts,
        .body_count = ARRAY_LENGTH(parts),
        .region = member(ask, "region"),
        .service = member(ask, "service"),
        .time = yyjson_get_uint(yyjson_obj_get(ask, "time")),
    };
    struct buffer out;
    buffer_open(&out, 1u << 20);
    enum error error = sigv4_sign(&key, &request, &out);
    if (error != ERROR_OK)
        printf("error: %s\n", error_name(error));
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 0) {
        yyjson_doc *document = yyjson_read(line, (size_t)length, 0);
        ensure(document != NULL);
        sign(yyjson_doc_get_root(document));
        yyjson_doc_free(document);
    }
    free(line);
    return 0;
}
