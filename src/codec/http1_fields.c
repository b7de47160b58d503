#include "codec/http1_fields.h"

#include <stdlib.h>

void http1_fields_clear(struct http1_fields *fields)
{
    fields->length = 0;
    fields->count = 0;
    fields->headers[0] = (struct http1_header){0};
}

struct http1_fields *http1_fields_make(void)
{
    struct http1_fields *fields = malloc(sizeof(*fields));
    if (fields == NULL)
        return NULL;
    fields->bytes = fields->first_bytes;
    fields->capacity = HTTP1_FIRST_BYTES;
    fields->headers = fields->first_headers;
    fields->header_capacity = HTTP1_FIRST_HEADERS;
    http1_fields_clear(fields);
    return fields;
}

void http1_fields_free(struct http1_fields *fields)
{
    if (fields == NULL)
        return;
    if (fields->bytes != fields->first_bytes)
        free(fields->bytes);
    if (fields->headers != fields->first_headers)
        free(fields->headers);
    free(fields);
}

static void move_text(struct text *t, const char *from, size_t size, char *to)
{
    if (t->data >= from && t->data <= from + size)
        t->data = to + (t->data - from);
}

bool http1_fields_grow(struct http1_fields *fields, struct http1_head *head)
{
    size_t capacity = fields->capacity * 2;
    char *bytes = malloc(capacity);
    if (bytes == NULL)
        return false;
    memcpy(bytes, fields->bytes, fields->length);
    for (size_t i = 0; i <= fields->count; i++) {
        move_text(&fields->headers[i].name, fields->bytes, fields->length, bytes);
        move_text(&fields->headers[i].value, fields->bytes, fields->length, bytes);
    }
    move_text(&head->target, fields->bytes, fields->length, bytes);
    move_text(&head->authority, fields->bytes, fields->length, bytes);
    move_text(&head->phrase, fields->bytes, fields->length, bytes);
    if (fields->bytes != fields->first_bytes)
        free(fields->bytes);
    fields->bytes = bytes;
    fields->capacity = capacity;
    return true;
}

static bool grow_headers(struct http1_fields *fields)
{
    size_t capacity = fields->header_capacity * 2;
    struct http1_header *headers = malloc(capacity * sizeof(*headers));
    if (headers == NULL)
        return false;
    memcpy(headers, fields->headers, fields->count * sizeof(*headers));
    if (fields->headers != fields->first_headers)
        free(fields->headers);
    fields->headers = headers;
    fields->header_capacity = capacity;
    return true;
}

bool http1_fields_add(struct http1_fields *fields)
{
    fields->count++;
    if (fields->count == fields->header_capacity && !grow_headers(fields)) {
        fields->count--;
        return false;
    }
    fields->headers[fields->count] = (struct http1_header){0};
    return true;
}
