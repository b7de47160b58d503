/* filtered: see filtered.h. As OpenAI says it: `finish_reason` of chat, `incomplete_details` of
 * responses (API reference). */
#include "exchange/filtered.h"

#include "codec/json.h"
#include "codec/sse.h"

struct verdict {
    bool filtered, ended_else;
};

static void read_choices(struct verdict *verdict, yyjson_val *choices)
{
    yyjson_val *choice;
    size_t index, count;

    yyjson_arr_foreach(choices, index, count, choice)
    {
        yyjson_val *reason = yyjson_obj_get(choice, "finish_reason");
        bool filter = yyjson_equals_str(reason, "content_filter");
        verdict->filtered |= filter;
        verdict->ended_else |= yyjson_is_str(reason) && !filter;
    }
}

/* Of a stream the object in the last event's `response`. */
static void read_object(struct verdict *verdict, struct text json)
{
    yyjson_doc *document;

    if (json_parse(json, &document) != ERROR_OK)
        return;
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *choices = yyjson_obj_get(root, "choices");
    yyjson_val *response = yyjson_obj_get(root, "response");
    yyjson_val *details =
        yyjson_obj_get(yyjson_is_obj(response) ? response : root, "incomplete_details");
    if (yyjson_is_arr(choices))
        read_choices(verdict, choices);
    verdict->filtered |= yyjson_equals_str(yyjson_obj_get(details, "reason"), "content_filter");
    yyjson_doc_free(document);
}

static void read_events(struct verdict *verdict, struct text bytes)
{
    struct sse_splitter splitter;
    struct sse_frame frame;
    struct sse_event event;
    struct buffer joined;

    sse_splitter_open(&splitter, SSE_FRAME_LIMIT);
    buffer_open(&joined, SSE_FRAME_LIMIT);
    while (sse_next(&splitter, &bytes, &frame))
        if (frame.whole && sse_read(&frame, &joined, &event) && event.has_data)
            read_object(verdict, event.data);
    sse_splitter_close(&splitter);
    buffer_close(&joined);
}

bool filtered_answer(struct text answer, bool stream)
{
    struct verdict verdict = {0};

    if (stream)
        read_events(&verdict, answer);
    else
        read_object(&verdict, answer);
    return verdict.filtered && !verdict.ended_else;
}
