/* What Converse does not make alike. Sources: Bedrock user guide, "Supported models and features"
 * and the models' own pages. Where it says nothing, a model is taken to have what Converse has. The
 * first row whose part is in the id counts. What one Claude takes and another does not is in
 * anthropic_model.c. */
#include "base/attributes.h"
#include "provider/bedrock_parts.h"

#define CLAUDE                                                                      \
    (BEDROCK_CLAUDE | BEDROCK_CACHES | BEDROCK_CACHES_TOOLS | BEDROCK_FORCED_TOOL | \
     BEDROCK_RESULT_STATUS)
#define NOVA (BEDROCK_CACHES | BEDROCK_FORCED_TOOL | BEDROCK_RESULT_STATUS)
#define OPEN (BEDROCK_SCHEMA | BEDROCK_FORCED_TOOL)

static const struct bedrock_model models[] = {
    {TEXT_INIT("anthropic.claude"), CLAUDE, THINKING_CLAUDE, TOP_K_PLAIN},
    {TEXT_INIT("amazon.nova-2"), NOVA, THINKING_MAXIMUM, TOP_K_NESTED},
    {TEXT_INIT("amazon.nova"), NOVA, THINKING_NONE, TOP_K_NESTED},
    {TEXT_INIT("amazon.titan-text"), BEDROCK_NO_SYSTEM, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT("mistral.mistral-7b"), BEDROCK_NO_SYSTEM, THINKING_NONE, TOP_K_PLAIN},
    {TEXT_INIT("mistral.mixtral"), BEDROCK_NO_SYSTEM, THINKING_NONE, TOP_K_PLAIN},
    {TEXT_INIT("mistral."), OPEN, THINKING_NONE, TOP_K_PLAIN},
    {TEXT_INIT("cohere.command-text"), BEDROCK_NO_SYSTEM, THINKING_NONE, TOP_K_SHORT},
    {TEXT_INIT("cohere.command-light"), BEDROCK_NO_SYSTEM, THINKING_NONE, TOP_K_SHORT},
    {TEXT_INIT("cohere.command"), 0, THINKING_NONE, TOP_K_SHORT},
    {TEXT_INIT("openai.gpt"), OPEN | BEDROCK_THINKS_ALWAYS, THINKING_EFFORT, TOP_K_NONE},
    {TEXT_INIT("zai.glm"), OPEN, THINKING_EFFORT, TOP_K_NONE},
    {TEXT_INIT("qwen."), OPEN, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT("deepseek."), OPEN, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT("moonshot"), OPEN, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT("minimax"), OPEN, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT("google.gemma"), OPEN, THINKING_NONE, TOP_K_NONE},
    {TEXT_INIT(""), OPEN, THINKING_NONE, TOP_K_NONE},
};

const struct bedrock_model *bedrock_model_find(struct text id)
{
    size_t i = 0;
    while (i < ARRAY_LENGTH(models) - 1 && text_find(id, models[i].part) < 0)
        i++;
    return &models[i];
}
