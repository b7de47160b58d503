#include "identity/token_request.h"

#include "base/number.h"
#include "codec/json.h"

enum parameter {
    GRANT_TYPE,
    SUBJECT_TOKEN,
    SUBJECT_TOKEN_TYPE,
    REQUESTED_TOKEN_TYPE,
    ACTOR_TOKEN,
    EXPIRES_IN,
    PARAMETER_COUNT
};

static const struct text names[PARAMETER_COUNT] = {
    [GRANT_TYPE] = TEXT_INIT("grant_type"),
    [SUBJECT_TOKEN] = TEXT_INIT("subject_token"),
    [SUBJECT_TOKEN_TYPE] = TEXT_INIT("subject_token_type"),
    [REQUESTED_TOKEN_TYPE] = TEXT_INIT("requested_token_type"),
    [ACTOR_TOKEN] = TEXT_INIT("actor_token"),
    [EXPIRES_IN] = TEXT_INIT("expires_in"),
};

struct parameters {
    struct text values[PARAMETER_COUNT]; /* data NULL: not said */
};

static enum error fail(struct token_request *out, struct text param, const char *problem)
{
    out->param = param;
    out->problem = problem;
    return ERROR_SYNTAX;
}

static enum error take(struct parameters *parameters, struct text name, struct text value,
                       struct token_request *out)
{
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        if (!text_equal(name, names[i]))
            continue;
        if (parameters->values[i].data)
            return fail(out, names[i], "it stands there twice");
        parameters->values[i] = value;
    }
    return ERROR_OK;
}

/* ---- forms ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded (URL Standard, section 5.1). */
static enum error decode(struct text encoded, struct arena *arena, struct text *out)
{
    char *bytes = arena_take(arena, encoded.length + 1);
    size_t length = 0;

    if (!bytes)
        return ERROR_MEMORY;
    for (size_t i = 0; i < encoded.length; i++) {
        char c = encoded.data[i];
        int high = -1, low = -1;
        if (c == '%' && encoded.length - i > 2) {
            high = hex_digit(encoded.data[i + 1]);
            low = hex_digit(encoded.data[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        bytes[length++] = c;
    }
    *out = text_of(bytes, length);
    return ERROR_OK;
}

static enum error read_form(struct text body, struct arena *arena, struct parameters *parameters,
                            struct token_request *out)
{
    while (body.length > 0) {
        struct text pair = text_split(&body, '&');
        struct text encoded = text_split(&pair, '=');
        struct text name, value;
        enum error error = decode(encoded, arena, &name);
        if (error == ERROR_OK)
            error = decode(pair, arena, &value);
        if (error == ERROR_OK)
            error = take(parameters, name, value, out);
        if (error)
            return error;
    }
    return ERROR_OK;
}

/* ---- JSON ---- */

static enum error take_member(struct parameters *parameters, struct text name, yyjson_val *value,
                              struct arena *arena, struct token_request *out)
{
    struct text text;

    if (yyjson_is_null(value))
        return ERROR_OK;
    if (yyjson_is_uint(value))
        text = arena_format(arena, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_str(value))
        text = arena_copy(arena, text_of(yyjson_get_str(value), yyjson_get_len(value)));
    else
        text = arena_copy(arena, TEXT("?")); /* no parameter that is known takes it */
    return text.data ? take(parameters, name, text, out) : ERROR_MEMORY;
}

static enum error read_json(struct text body, struct arena *arena, struct parameters *parameters,
                            struct token_request *out)
{
    yyjson_doc *document = yyjson_read(body.data, body.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document), *name, *value;
    enum error error = ERROR_OK;
    size_t index, count;

    if (!yyjson_is_obj(root)) {
        yyjson_doc_free(document);
        return fail(out, text_of(NULL, 0), "the body is no JSON object");
    }
    yyjson_obj_foreach(root, index, count, name, value)
    {
        struct text said = text_of(yyjson_get_str(name), yyjson_get_len(name));
        if (error == ERROR_OK)
            error = take_member(parameters, said, value, arena, out);
    }
    yyjson_doc_free(document);
    return error;
}

/* ---- what they mean ---- */

static bool is_said(const struct parameters *parameters, enum parameter parameter)
{
    return parameters->values[parameter].length > 0; /* an empty one is none: RFC 6749, 3.2 */
}

static bool is_one_of(struct text value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(value, text_from(words[i])))
            return true;
    return false;
}

static enum error check_types(const struct parameters *parameters, struct token_request *out)
{
    static const char *const subjects[] = {TOKEN_REQUEST_JWT, TOKEN_REQUEST_ID_TOKEN,
                                           TOKEN_REQUEST_ACCESS_TOKEN};
    const struct text *values = parameters->values;

    if (is_said(parameters, GRANT_TYPE) &&
        !text_equal(values[GRANT_TYPE], TEXT(TOKEN_REQUEST_GRANT_TYPE)))
        return fail(out, names[GRANT_TYPE], "it must be " TOKEN_REQUEST_GRANT_TYPE);
    if (is_said(parameters, SUBJECT_TOKEN_TYPE) &&
        !is_one_of(values[SUBJECT_TOKEN_TYPE], subjects, ARRAY_LENGTH(subjects)))
        return fail(out, names[SUBJECT_TOKEN_TYPE],
                    "tokens are JWT here: it must be " TOKEN_REQUEST_JWT);
    if (is_said(parameters, REQUESTED_TOKEN_TYPE) &&
        !text_equal(values[REQUESTED_TOKEN_TYPE], TEXT(TOKEN_REQUEST_ACCESS_TOKEN)))
        return fail(out, names[REQUESTED_TOKEN_TYPE],
                    "what is given is a key: it must be " TOKEN_REQUEST_ACCESS_TOKEN);
    if (is_said(parameters, ACTOR_TOKEN))
        return fail(out, names[ACTOR_TOKEN],
                    "nobody acts for somebody else here: send the one token of who calls");
    return ERROR_OK;
}

/* As `curl --data-urlencode subject_token@FILE` has it. */
static struct text without_line_end(struct text token)
{
    while (token.length > 0 &&
           (token.data[token.length - 1] == '\n' || token.data[token.length - 1] == '\r'))
        token.length--;
    return token;
}

enum error token_request_read(struct text body, bool is_form, struct arena *arena,
                              struct token_request *out)
{
    struct parameters parameters = {0};
    enum error error = ERROR_OK;

    *out = (struct token_request){0};
    if (!text_empty(text_trim(body)))
        error = is_form ? read_form(body, arena, &parameters, out)
                        : read_json(body, arena, &parameters, out);
    if (error == ERROR_OK)
        error = check_types(&parameters, out);
    if (error)
        return error;
    if (is_said(&parameters, SUBJECT_TOKEN))
        out->subject_token = without_line_end(parameters.values[SUBJECT_TOKEN]);
    if (is_said(&parameters, EXPIRES_IN) &&
        (!number_parse_unsigned(parameters.values[EXPIRES_IN], &out->expires_in) ||
         out->expires_in == 0))
        return fail(out, names[EXPIRES_IN], "it must be a whole number of seconds, 1 or more");
    return ERROR_OK;
}
