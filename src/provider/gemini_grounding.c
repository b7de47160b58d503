/* Where a text stems from, and how sure the model was of it.
 *
 * Google counts a text in bytes of its part, OpenAI in characters of the message. */
#include "openai/translation.h"
#include "provider/gemini.h"

/* Sources of one place in the text, and places: more are not read. */
#define CHUNKS_MAX   64u
#define SUPPORTS_MAX 512u

static struct text member(yyjson_val *object, const char *key)
{
    struct text text = TEXT("");
    (void)json_get_text(object, key, &text);
    return text;
}

static uint64_t number(yyjson_val *object, const char *key)
{
    uint64_t count = 0;
    (void)json_get_unsigned(object, key, &count);
    return count;
}

/* ---- places ---- */

static int64_t count_characters(struct text text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* Characters of the choice's text before a byte of one of its parts. Parts without text (thoughts)
 * count in `part`; of a stream all pieces are of part 0. */
static int64_t find_character(const struct gemini_choice *choice, uint64_t part, uint64_t byte)
{
    const struct gemini_piece *piece = choice->first;
    int64_t characters = 0;
    while (piece != NULL && piece->part < part) {
        characters += count_characters(piece->bytes);
        piece = piece->next;
    }
    if (piece == NULL) { /* the part is not known: the text is taken as a whole */
        piece = choice->first;
        characters = 0;
    }
    for (; piece != NULL && byte > piece->bytes.length; piece = piece->next) {
        characters += count_characters(piece->bytes);
        byte -= piece->bytes.length;
    }
    if (piece != NULL)
        characters += count_characters(text_first(piece->bytes, (size_t)byte));
    return characters;
}

/* ---- sources ---- */

/* A chunk is of the web, of a store, or of a map. */
static yyjson_val *source_of(yyjson_val *chunk)
{
    static const char *const kinds[] = {"web", "retrievedContext", "maps"};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (yyjson_obj_get(chunk, kinds[i]) != NULL)
            return yyjson_obj_get(chunk, kinds[i]);
    return NULL;
}

static void cite(struct native_answer *answer, unsigned index, yyjson_val *source, int64_t start,
                 int64_t end)
{
    struct text url = member(source, "uri");
    if (!text_empty(url))
        translation_citation(answer->translation, index, url, member(source, "title"), start, end);
}

static void read_support(struct native_answer *answer, unsigned index,
                         const struct gemini_choice *choice, yyjson_val *support,
                         yyjson_val *chunks)
{
    yyjson_val *segment = yyjson_obj_get(support, "segment"), *entry;
    uint64_t part = number(segment, "partIndex");
    int64_t start = find_character(choice, part, number(segment, "startIndex"));
    int64_t end = find_character(choice, part, number(segment, "endIndex"));
    size_t position, count;
    yyjson_arr_foreach(yyjson_obj_get(support, "groundingChunkIndices"), position, count, entry)
    {
        if (position < CHUNKS_MAX && yyjson_is_uint(entry))
            cite(answer, index, source_of(yyjson_arr_get(chunks, yyjson_get_uint(entry))), start,
                 end);
    }
}

/* What was found, where nothing says for which words. */
static void read_chunks(struct native_answer *answer, unsigned index,
                        const struct gemini_choice *choice, yyjson_val *chunks)
{
    yyjson_val *chunk;
    size_t position, count;
    yyjson_arr_foreach(chunks, position, count, chunk)
    {
        if (position < CHUNKS_MAX)
            cite(answer, index, source_of(chunk), 0, find_character(choice, 0, UINT64_MAX));
    }
}

/* Searches are billed beside tokens and told of here alone: they join the usage. Models before
 * Gemini 3 pay for the grounded answer, not for each search. */
static enum error count_searches(struct native_answer *answer, struct gemini_choice *choice,
                                 yyjson_val *grounding)
{
    const struct gemini_state *state = answer->state;
    size_t searches = yyjson_arr_size(yyjson_obj_get(grounding, "webSearchQueries")), sum = 0;
    unsigned generation = gemini_model_read(answer->ask->model).generation;
    if (searches == 0)
        return ERROR_OK;
    choice->searches = generation < GEMINI_3 ? 1 : searches;
    for (size_t i = 0; i < state->choice_count; i++)
        sum += state->choices[i].searches;
    struct text text = arena_format(answer->arena, "{\"webSearchQueries\":%zu}", sum);
    yyjson_val *usage = text.data == NULL ? NULL : native_parse(answer->arena, text);
    if (usage == NULL)
        return ERROR_MEMORY;
    native_take_usage(answer, usage);
    return ERROR_OK;
}

/* Passages that were learned by heart (citationMetadata). */
static void read_recitation(struct native_answer *answer, unsigned index,
                            const struct gemini_choice *choice, yyjson_val *metadata)
{
    yyjson_val *list = yyjson_obj_get(metadata, "citationSources"), *entry;
    size_t position, count;
    if (list == NULL)
        list = yyjson_obj_get(metadata, "citations");
    yyjson_arr_foreach(list, position, count, entry)
    {
        if (position < CHUNKS_MAX)
            cite(answer, index, entry, find_character(choice, 0, number(entry, "startIndex")),
                 find_character(choice, 0, number(entry, "endIndex")));
    }
}

enum error gemini_read_grounding(struct native_answer *answer, unsigned index,
                                 struct gemini_choice *choice, yyjson_val *candidate)
{
    yyjson_val *grounding = yyjson_obj_get(candidate, "groundingMetadata"), *support;
    yyjson_val *chunks = yyjson_obj_get(grounding, "groundingChunks");
    yyjson_val *supports = yyjson_obj_get(grounding, "groundingSupports");
    size_t position, count;
    const struct gemini_state *state = answer->state;
    if (!state->cites)
        return ERROR_OK;
    read_recitation(answer, index, choice, yyjson_obj_get(candidate, "citationMetadata"));
    if (yyjson_arr_size(chunks) > 0 && !choice->cited) {
        yyjson_arr_foreach(supports, position, count, support)
        {
            if (position < SUPPORTS_MAX)
                read_support(answer, index, choice, support, chunks);
        }
        if (yyjson_arr_size(supports) == 0)
            read_chunks(answer, index, choice, chunks);
        choice->cited = true; /* a stream may repeat it */
    }
    return count_searches(answer, choice, grounding);
}

/* ---- logprobs ---- */

static void write_number(struct json_writer *json, const char *key, yyjson_val *value)
{
    json_key(json, text_from(key));
    if (yyjson_is_num(value))
        native_write_value(json, value);
    else
        json_raw(json, TEXT("0"));
}

static void write_token(struct json_writer *json, yyjson_val *entry)
{
    struct text token = member(entry, "token");
    json_member_text(json, "token", token);
    write_number(json, "logprob", yyjson_obj_get(entry, "logProbability"));
    json_key(json, TEXT("bytes"));
    json_begin_array(json);
    for (size_t i = 0; i < token.length; i++)
        json_unsigned(json, (unsigned char)token.data[i]);
    json_end_array(json);
}

static void write_position(struct json_writer *json, yyjson_val *chosen, yyjson_val *top)
{
    yyjson_val *entry;
    size_t index, count;
    json_begin_object(json);
    write_token(json, chosen);
    json_key(json, TEXT("top_logprobs"));
    json_begin_array(json);
    yyjson_arr_foreach(yyjson_obj_get(top, "candidates"), index, count, entry)
    {
        json_begin_object(json);
        write_token(json, entry);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

enum error gemini_read_logprobs(struct native_answer *answer, unsigned index, yyjson_val *result)
{
    yyjson_val *chosen = yyjson_obj_get(result, "chosenCandidates"), *entry;
    yyjson_val *top = yyjson_obj_get(result, "topCandidates");
    struct json_writer json;
    struct buffer out;
    size_t position, count;
    if (yyjson_arr_size(chosen) == 0)
        return ERROR_OK;
    buffer_open(&out, TRANSLATION_ANSWER_MAX);
    json_open(&json, &out);
    json_begin_array(&json);
    yyjson_arr_foreach(chosen, position, count, entry)
        write_position(&json, entry, yyjson_arr_get(top, position));
    json_end_array(&json);
    bool ok = json_done(&json);
    if (ok) /* without the brackets: items are added to those before */
        translation_logprobs(answer->translation, index, text_of(out.data + 1, out.length - 2));
    buffer_close(&out);
    return ok ? ERROR_OK : ERROR_MEMORY;
}
