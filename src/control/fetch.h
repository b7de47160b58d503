/* fetch: one small HTTP request, waited for.
 *
 * For threads that may block: token servers, metadata servers. TLS is verified, redirects are not
 * followed, answers have a largest size, everything has a time-out. Answers hold secrets: they are
 * read into one buffer that never moves and is wiped. Requests to others than https:// go to this
 * machine and to metadata servers alone. Any thread. */
#ifndef CONTROL_FETCH_H
#define CONTROL_FETCH_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

/* Bytes of an answer: the longest tokens (with many groups in them) have some tens of KiB. */
#define FETCH_ANSWER_MAX (256u << 10)
#define FETCH_URL_MAX    4096u
#define FETCH_FIELDS_MAX 4u
/* A token server that takes longer is down; a metadata server answers from the next room, or is not
 * there at all. */
#define FETCH_TIMEOUT_MILLISECONDS          10000u
#define FETCH_METADATA_TIMEOUT_MILLISECONDS 2000u
#define FETCH_PROBLEM_SIZE                  512u

struct fetch_field {
    const char *name;
    struct text value;
};

struct fetch_request {
    const char *method; /* "GET", "POST", "PUT" */
    struct text url;
    struct fetch_field fields[FETCH_FIELDS_MAX]; /* until one without a name */
    struct text body;                            /* empty: none; else its content-type is a field */
    struct text lines; /* further header lines, each ended by CR LF: a signature */
    bool metadata;     /* no proxy, the shorter time-out */
    const char
        *authority;   /* PEM file of who signs the server's certificate; NULL: the usual ones */
    const bool *stop; /* set by another thread (atomically): give up. NULL: never */
};

struct fetch_answer {
    unsigned status;
    struct buffer body;
    yyjson_doc *document; /* of fetch_parse */
};

/* Any status is an answer. `answer` is to be closed either way. On an error `problem` says what, in
 * words that hold no secret: of the URL the host alone. */
must_handle enum error fetch(const struct fetch_request *request, struct fetch_answer *answer,
                             char problem[FETCH_PROBLEM_SIZE]);
void fetch_close(struct fetch_answer *answer);
/* The root of a body that is a JSON object, valid while the answer is; else NULL. Once only. */
yyjson_val *fetch_parse(struct fetch_answer *answer);

/* "https://sts.example.com": of a URL what may be shown. */
#define FETCH_HOST_SIZE 300u
void fetch_show_host(struct text url, char out[FETCH_HOST_SIZE]);
/* Whether it may be asked at all, as above. */
bool fetch_is_safe(struct text url);

/* "&name=value" with the value encoded for a form (WHATWG URL, section 5.2); without "&" at the
 * start of `out`. */
void fetch_append_form(struct buffer *out, const char *name, struct text value);

#endif
