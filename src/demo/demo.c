#include "demo/demo.h"

#include "base/clock.h"
#include "demo/reply.h"

/* 2048 embeddings of 1536 dimensions as decimal numbers are some 40 MB. */
#define ANSWER_MAX (96u * 1024 * 1024)
/* Between frames: about as fast as a small model writes, and quick enough for tests. */
#define FRAME_PAUSE (10 * NANOSECONDS_PER_MILLISECOND)

struct demo_answer {
    struct reply reply;
    size_t given; /* bytes of the body handed out */
};

/* ---- what the writers share ---- */

void reply_error(struct reply *reply, unsigned status, const struct demo_problem *problem)
{
    struct json_writer json;
    reply->status = status;
    buffer_clear(&reply->body);
    json_open(&json, &reply->body);
    json_begin_object(&json);
    json_key(&json, TEXT("error"));
    json_begin_object(&json);
    json_member_text(&json, "message", text_from(problem->message));
    json_member_text(&json, "type", TEXT("invalid_request_error"));
    json_member_text(&json, "param", text_from(problem->param));
    json_member_text(&json, "code", text_from(problem->code));
    json_end_object(&json);
    json_end_object(&json);
    if (!json_done(&json))
        reply->body.failed = true;
}

struct text reply_id(const struct reply *reply, const char *prefix, unsigned index,
                     char out[REPLY_ID_SIZE])
{
    int length = snprintf(out, REPLY_ID_SIZE, "%s%016llx", prefix, reply->seed + index);
    return text_of(out, (size_t)length);
}

/* ---- models ---- */

static void append_model(struct reply *reply)
{
    buffer_append(&reply->body, TEXT("{\"id\":\"demo\",\"object\":\"model\",\"created\":"
                                     "1790000000,\"owned_by\":\"turnpike\"}"));
}

static void models_answer(struct reply *reply)
{
    buffer_append(&reply->body, TEXT("{\"object\":\"list\",\"data\":["));
    append_model(reply);
    buffer_append(&reply->body, TEXT("]}"));
}

/* ---- which answer ---- */

static const struct {
    struct text path;
    void (*answer)(struct reply *reply, yyjson_val *root, size_t length);
} rows[] = {
    {TEXT_INIT("/chat/completions"), chat_answer},   {TEXT_INIT("/responses"), responses_answer},
    {TEXT_INIT("/completions"), completions_answer}, {TEXT_INIT("/embeddings"), embeddings_answer},
    {TEXT_INIT("/moderations"), moderations_answer},
};

static void answer_post(struct reply *reply, struct text path, struct text body)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(rows[i].path, path))
            continue;
        /* yyjson does not write without YYJSON_READ_INSITU; its signature says char * all the same.
         */
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)body.data, body.length, 0, NULL, NULL);
        if (document == NULL)
            reply_error(
                reply, 400,
                &(struct demo_problem){"The body is not valid JSON.", NULL, "invalid_json"});
        else
            rows[i].answer(reply, yyjson_doc_get_root(document), body.length);
        yyjson_doc_free(document);
        return;
    }
    reply_error(reply, 404,
                &(struct demo_problem){"The demo model does not offer this endpoint; it answers "
                                       "chat/completions, responses, completions, embeddings, "
                                       "moderations and models.",
                                       NULL, "unknown_url"});
}

static void answer_any(struct reply *reply, enum http1_method method, struct text target,
                       struct text body)
{
    struct text path = text_split(&target, '?');
    if (text_starts_with(path, TEXT("/v1/")))
        path = text_from_index(path, 3);
    if (method == HTTP1_GET && text_equal(path, TEXT("/models")))
        models_answer(reply);
    else if (method == HTTP1_GET && text_equal(path, TEXT("/models/demo")))
        append_model(reply);
    else
        answer_post(reply, method == HTTP1_POST ? path : (struct text){NULL, 0}, body);
}

enum error demo_answer_open(enum http1_method method, struct text target, struct text body,
                            uint64_t wall, struct demo_answer **out)
{
    struct demo_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return ERROR_MEMORY;
    buffer_open(&answer->reply.body, ANSWER_MAX);
    answer->reply.status = 200;
    answer->reply.created = (int64_t)(wall / NANOSECONDS_PER_SECOND);
    answer->reply.seed = text_hash(body) ^ wall;
    answer_any(&answer->reply, method, target, body);
    if (answer->reply.body.failed) {
        demo_answer_close(answer);
        return ERROR_MEMORY;
    }
    *out = answer;
    return ERROR_OK;
}

void demo_answer_close(struct demo_answer *answer)
{
    if (answer == NULL)
        return;
    buffer_close(&answer->reply.body);
    free(answer);
}

unsigned demo_answer_status(const struct demo_answer *answer)
{
    return answer->reply.status;
}

bool demo_answer_is_stream(const struct demo_answer *answer)
{
    return answer->reply.stream;
}

struct text demo_answer_header_lines(const struct demo_answer *answer)
{
    return answer->reply.stream ? TEXT("content-type: text/event-stream; charset=utf-8\r\n"
                                       "cache-control: no-cache\r\n")
                                : TEXT("content-type: application/json\r\n");
}

uint64_t demo_answer_length(const struct demo_answer *answer)
{
    return answer->reply.body.length;
}

bool demo_answer_next(struct demo_answer *answer, struct text *piece, uint64_t *pause)
{
    struct text rest = text_from_index(buffer_text(&answer->reply.body), answer->given);
    if (rest.length == 0)
        return false;
    size_t length = rest.length;
    if (answer->reply.stream) {
        /* JSON on one line has no blank line in it: this is the frame's end. */
        ptrdiff_t end = text_find(rest, TEXT("\n\n"));
        length = end < 0 ? rest.length : (size_t)end + 2;
    }
    *pause = answer->reply.stream && answer->given > 0 ? FRAME_PAUSE : 0;
    *piece = text_first(rest, length);
    answer->given += length;
    return true;
}
