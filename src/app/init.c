/* turnpike init: a configuration file to start from. */
#include "app/quick_start.h"
#include "app/verb.h"

#define OUTPUT_MAXIMUM 1048576u /* bytes; four local servers with 64 models each are a fraction */

static int init_run(const struct verb_call *call)
{
    struct buffer yaml;
    struct buffer found;
    buffer_open(&yaml, OUTPUT_MAXIMUM);
    buffer_open(&found, OUTPUT_MAXIMUM);
    bool good = quick_start_config(TEXT("127.0.0.1:8080"), TEXT("127.0.0.1:8081"), &yaml, &found);
    for (struct text rest = buffer_text(&found); rest.data && rest.length > 0;) {
        struct text line = text_split(&rest, '\n');
        fprintf(stderr, "found %.*s\n", TEXT_ARG(line));
    }
    good = good && fwrite(yaml.data, 1, yaml.length, stdout) == yaml.length;
    buffer_close(&yaml);
    buffer_close(&found);
    return good ? VERB_OK : verb_fail("the configuration could not be written");
}

const struct verb verb_init = {
    .name = "init",
    .summary = "Print a configuration file made from what is found here",
    .description =
        "Looks for providers' keys in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY,\n"
        "GEMINI_API_KEY, AZURE_OPENAI_API_KEY with AZURE_OPENAI_ENDPOINT) and for Ollama, vLLM,\n"
        "llama.cpp and LM Studio on this machine, and prints what `turnpike serve` without "
        "--config\n"
        "would use. Keys stay where they are: the file refers to them.",
    .examples = "turnpike init > turnpike.yaml",
    .run = init_run,
};
