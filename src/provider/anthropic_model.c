/* What a model of which generation takes; Anthropic's model overview, "Adaptive thinking",
 * "Effort", "Structured outputs", "Migration guide". */
#include "provider/anthropic_parts.h"

#include "base/number.h"

/* The first row that fits counts. Haiku 5.5 is taken for its generation, as nothing else is said of
 * it. What a newer model takes is assumed of what comes after it. */
static const struct anthropic_model rows[] = {
    {.family = TEXT_INIT("fable"),
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .thinks_unasked = true,
     .thinks_always = true,
     .fixed_sampling = true,
     .system_turns = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.family = TEXT_INIT("mythos"),
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .thinks_unasked = true,
     .thinks_always = true,
     .fixed_sampling = true,
     .system_turns = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.family = TEXT_INIT("opus"),
     .version = 48,
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .fixed_sampling = true,
     .system_turns = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.family = TEXT_INIT("sonnet"),
     .version = 50,
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .thinks_unasked = true,
     .fixed_sampling = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.version = 47,
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .fixed_sampling = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.version = 46,
     .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
     .effort = ANTHROPIC_EFFORT_MAX,
     .lacks_xhigh = true,
     .one_sampling = true,
     .takes_schema = true,
     .output_largest = 128000},
    {.family = TEXT_INIT("opus"),
     .version = 45,
     .thinking = ANTHROPIC_THINKS_BY_BUDGET,
     .effort = ANTHROPIC_EFFORT_HIGH,
     .one_sampling = true,
     .takes_prefill = true,
     .takes_schema = true,
     .output_largest = 64000},
    {.version = 45,
     .thinking = ANTHROPIC_THINKS_BY_BUDGET,
     .one_sampling = true,
     .takes_prefill = true,
     .takes_schema = true,
     .output_largest = 64000},
    {.version = 41,
     .thinking = ANTHROPIC_THINKS_BY_BUDGET,
     .one_sampling = true,
     .takes_prefill = true,
     .takes_schema = true,
     .output_largest = 32000},
    {.family = TEXT_INIT("opus"),
     .version = 40,
     .thinking = ANTHROPIC_THINKS_BY_BUDGET,
     .takes_prefill = true,
     .output_largest = 32000},
    {.version = 37,
     .thinking = ANTHROPIC_THINKS_BY_BUDGET,
     .takes_prefill = true,
     .output_largest = 64000},
    {.version = 35, .takes_prefill = true, .output_largest = 8192},
    {.version = 10, .takes_prefill = true, .output_largest = 4096},
};

/* A deployment whose name does not tell what it is: nothing is forbidden that some model takes, and
 * the provider has the last word. As many tokens as every model of the last two years writes. */
static const struct anthropic_model unknown = {
    .thinking = ANTHROPIC_THINKS_ADAPTIVELY,
    .effort = ANTHROPIC_EFFORT_MAX,
    .takes_prefill = true,
    .takes_schema = true,
    .output_largest = 32000,
};

static const struct text families[] = {TEXT_INIT("fable"), TEXT_INIT("mythos"), TEXT_INIT("opus"),
                                       TEXT_INIT("sonnet"), TEXT_INIT("haiku")};

struct spelling {
    struct text family;
    unsigned version; /* major times ten and minor */
    unsigned numbers;
};

/* "4", "1@20250805", "5@default"; a date or a revision ("20250929", "v1:0") is no version. */
static bool read_number(struct text word, unsigned *number)
{
    uint64_t value;
    struct text digits = text_split(&word, '@');
    if (digits.length > 2 || !number_parse_unsigned(digits, &value))
        return false;
    *number = (unsigned)value;
    return true;
}

static void read_word(struct spelling *spelling, struct text word)
{
    unsigned number;
    struct text name = word;
    name = text_split(&name, '@');
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++)
        if (text_equal(families[i], name))
            spelling->family = families[i];
    if (spelling->numbers < 2 && read_number(word, &number)) {
        spelling->version += spelling->numbers == 0 ? number * 10 : number;
        spelling->numbers++;
    }
}

/* "claude-opus-4-1-20250805", "us.anthropic.claude-opus-4-6-v1", "claude-3-5-sonnet-latest". */
static bool read_spelling(struct text name, struct spelling *spelling)
{
    static const struct text brand = TEXT_INIT("claude-");
    ptrdiff_t at = text_find(name, brand);
    *spelling = (struct spelling){0};
    if (at < 0)
        return false;
    struct text rest = text_from_index(name, (size_t)at + brand.length);
    while (rest.data != NULL)
        read_word(spelling, text_split(&rest, '-'));
    return !text_empty(spelling->family);
}

const struct anthropic_model *anthropic_model_find(struct text name)
{
    struct spelling spelling;
    if (!read_spelling(name, &spelling))
        return &unknown;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (spelling.version >= rows[i].version &&
            (text_empty(rows[i].family) || text_equal(rows[i].family, spelling.family)))
            return &rows[i];
    return &unknown;
}

static const struct text effort_names[] = {
    [ANTHROPIC_EFFORT_NONE] = TEXT_INIT("none"),     [ANTHROPIC_EFFORT_LOW] = TEXT_INIT("low"),
    [ANTHROPIC_EFFORT_MEDIUM] = TEXT_INIT("medium"), [ANTHROPIC_EFFORT_HIGH] = TEXT_INIT("high"),
    [ANTHROPIC_EFFORT_XHIGH] = TEXT_INIT("xhigh"),   [ANTHROPIC_EFFORT_MAX] = TEXT_INIT("max"),
};

struct text anthropic_effort_name(enum anthropic_effort effort)
{
    return effort_names[effort];
}

bool anthropic_effort_find(struct text name, enum anthropic_effort *effort)
{
    if (text_equal(name, TEXT("minimal")))
        name = effort_names[ANTHROPIC_EFFORT_LOW];
    for (size_t i = 0; i < ARRAY_LENGTH(effort_names); i++)
        if (text_equal(effort_names[i], name)) {
            *effort = (enum anthropic_effort)i;
            return true;
        }
    return false;
}
