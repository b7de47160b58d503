#include "tables/secrets.h"

const struct secret_row secret_rows[SECRET_KIND_COUNT] = {
#define SECRET(NAME, id, title, shown, length, alphabet, maximum, pattern) \
    {TEXT_INIT(id), TEXT_INIT(title), shown, length, maximum, SECRET_##alphabet, pattern},
#include "tables/secrets.def"
#undef SECRET
};

#define SECRET(NAME, id, title, shown, length, alphabet, maximum, pattern)           \
    _Static_assert((shown) < (length) && (length) <= (maximum), id ": its lengths"); \
    _Static_assert((maximum) < SECRETS_LENGTH_MAX, id ": raise SECRETS_LENGTH_MAX first");
#include "tables/secrets.def"
#undef SECRET

bool secret_alphabet_has(enum secret_alphabet alphabet, char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    switch (alphabet) {
    case SECRET_WORD: return c == '_';
    case SECRET_URL: return c == '_' || c == '-';
    case SECRET_BASE64: return c == '+' || c == '/';
    default: return false;
    }
}

bool secret_is_ours(enum secret_kind kind)
{
    return kind == SECRET_TURNPIKE_KEY || kind == SECRET_TURNPIKE_ADMIN_KEY;
}
