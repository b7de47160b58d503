#include "config/problem.h"

#include <yyjson.h>

#define PROBLEM_MEMORY 262144u /* bytes: 50 problems with their longest message and excerpt */

void config_problems_open(struct config_problems *problems)
{
    *problems = (struct config_problems){0};
    arena_open(&problems->arena, NULL, PROBLEM_MEMORY);
}

void config_problems_close(struct config_problems *problems)
{
    arena_close(&problems->arena);
    *problems = (struct config_problems){0};
}

/* The last warning, or the end when there is none. */
static size_t find_warning(const struct config_problems *problems)
{
    size_t i = problems->count;
    while (i > 0 && problems->items[i - 1].severity != CONFIG_WARNING)
        i--;
    return i > 0 ? i - 1 : CONFIG_PROBLEMS_MAXIMUM;
}

void config_problem_add(struct config_problems *problems, const struct config_problem *problem)
{
    size_t place = problems->count;
    if (problem->severity == CONFIG_ERROR)
        problems->error_count++;
    else
        problems->warning_count++;
    if (place == CONFIG_PROBLEMS_MAXIMUM && problem->severity == CONFIG_ERROR)
        place = find_warning(problems);
    if (place == CONFIG_PROBLEMS_MAXIMUM)
        return;
    /* Without memory the problem is still counted, so that nothing bad passes as good. */
    struct config_problem copy = *problem;
    copy.path = arena_copy(&problems->arena, problem->path);
    copy.message = arena_copy(&problems->arena, problem->message);
    copy.excerpt = arena_copy(&problems->arena, problem->excerpt);
    if (!copy.path.data || !copy.message.data || !copy.excerpt.data)
        return;
    problems->items[place] = copy;
    if (place == problems->count)
        problems->count++;
}

/* Indexes in the order of the file; equal places stay in the order in which they were found. */
static void sort(const struct config_problems *problems, unsigned char order[])
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        size_t place = i;
        for (; place > 0; place--) {
            const struct config_problem *before = &problems->items[order[place - 1]];
            if (before->line < problem->line ||
                (before->line == problem->line && before->column <= problem->column))
                break;
            order[place] = order[place - 1];
        }
        order[place] = (unsigned char)i;
    }
}

_Static_assert(CONFIG_PROBLEMS_MAXIMUM <= 255, "an index of a problem fits a byte");

static void write_excerpt(const struct config_problem *problem, struct buffer *out)
{
    buffer_append_format(out, "    %.*s\n    ", TEXT_ARG(problem->excerpt));
    unsigned column = 1;
    for (size_t i = 0; i < problem->excerpt.length && column < problem->column; i++) {
        char c = problem->excerpt.data[i];
        if (((unsigned char)c & 0xc0) == 0x80)
            continue; /* the rest of a character of UTF-8 */
        buffer_append_char(out, c == '\t' ? '\t' : ' ');
        column++;
    }
    buffer_append(out, TEXT("^\n"));
}

static void write_problem(const struct config_problems *problems,
                          const struct config_problem *problem, bool excerpts, struct buffer *out)
{
    buffer_append(out, problems->source);
    if (problem->line > 0)
        buffer_append_format(out, ":%u:%u", problem->line, problem->column);
    buffer_append(out, TEXT(": "));
    if (!text_empty(problem->path))
        buffer_append_format(out, "%.*s: ", TEXT_ARG(problem->path));
    if (problem->severity == CONFIG_WARNING)
        buffer_append(out, TEXT("warning: "));
    buffer_append_format(out, "%.*s\n", TEXT_ARG(problem->message));
    if (excerpts && problem->line > 0 && !text_empty(problem->excerpt))
        write_excerpt(problem, out);
}

void config_problems_write(const struct config_problems *problems, bool excerpts,
                           struct buffer *out)
{
    unsigned char order[CONFIG_PROBLEMS_MAXIMUM];
    sort(problems, order);
    for (size_t i = 0; i < problems->count; i++)
        write_problem(problems, &problems->items[order[i]], excerpts, out);
    size_t more = problems->error_count + problems->warning_count - problems->count;
    if (more > 0)
        buffer_append_format(out, "%.*s: and %zu more\n", TEXT_ARG(problems->source), more);
}

static void add_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key,
                     struct text value)
{
    yyjson_mut_obj_add_strn(document, object, key, value.data ? value.data : "", value.length);
}

static void add_problem(yyjson_mut_doc *document, yyjson_mut_val *list,
                        const struct config_problem *problem)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_str(document, object, "severity",
                           problem->severity == CONFIG_ERROR ? "error" : "warning");
    yyjson_mut_obj_add_uint(document, object, "line", problem->line);
    yyjson_mut_obj_add_uint(document, object, "column", problem->column);
    add_text(document, object, "path", problem->path);
    add_text(document, object, "message", problem->message);
}

void config_problems_write_json(const struct config_problems *problems, struct buffer *out)
{
    unsigned char order[CONFIG_PROBLEMS_MAXIMUM];
    sort(problems, order);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    add_text(document, root, "file", problems->source);
    yyjson_mut_obj_add_uint(document, root, "errors", problems->error_count);
    yyjson_mut_obj_add_uint(document, root, "warnings", problems->warning_count);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "problems");
    for (size_t i = 0; i < problems->count; i++)
        add_problem(document, list, &problems->items[order[i]]);
    size_t length = 0;
    char *json = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, &length);
    buffer_append(out, text_of(json, json ? length : 0));
    buffer_append_char(out, '\n');
    free(json);
    yyjson_mut_doc_free(document);
}
