#include "tables/refusals.h"

#include "base/ensure.h"

static const struct refusal_row rows[REFUSAL_COUNT] = {
#define REFUSAL(name, status, type, code, retry, text, advice)                                \
    [REFUSAL_##                                                                               \
        name] = {TEXT_INIT(#name), status,           TEXT_INIT(type), TEXT_INIT(code), retry, \
                 TEXT_INIT(text),  TEXT_INIT(advice)},
#include "tables/refusals.def"
#undef REFUSAL
};

const struct refusal_row *refusal_row(enum refusal refusal)
{
    ensure(refusal > REFUSAL_NONE && refusal < REFUSAL_COUNT);
    return &rows[refusal];
}
