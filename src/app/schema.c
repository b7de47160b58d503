/* turnpike schema: the configuration file's keys, for editors and for readers. */
#include "config/schema.h"

#include "app/manual.h"
#include "app/verb.h"

#define OUTPUT_MAXIMUM 4194304u /* bytes; the schema has about 40,000 */

struct schema_options {
    bool json;
    bool markdown;
    bool man;
};

static const struct option schema_option_rows[] = {
    OPTION_FLAG_ROW("json", struct schema_options, json, "print the JSON Schema (default)"),
    OPTION_FLAG_ROW("markdown", struct schema_options, markdown,
                    "print the reference page instead"),
    OPTION_FLAG_ROW("man", struct schema_options, man, "print the manual page instead"),
    OPTION_END,
};

static int schema_run(const struct verb_call *call)
{
    const struct schema_options *options = call->options;
    if (options->json + options->markdown + options->man > 1)
        return verb_misused(call->verb, "--json, --markdown and --man exclude each other");
    if (options->man) {
        manual_print_config();
        return VERB_OK;
    }
    struct buffer out;
    buffer_open(&out, OUTPUT_MAXIMUM);
    bool good = true;
    if (options->markdown)
        schema_write_markdown(&out);
    else
        good = schema_write_json(&out);
    good = good && !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length;
    buffer_close(&out);
    return good ? VERB_OK : verb_fail("the schema could not be written");
}

const struct verb verb_schema = {
    .name = "schema",
    .summary = "Print the JSON Schema of the configuration file",
    .options = schema_option_rows,
    .options_size = sizeof(struct schema_options),
    .description = "The schema lets editors complete and check turnpike.yaml. With the YAML "
                   "extension of most\n"
                   "editors, this first line in the file is enough:\n"
                   "  # yaml-language-server: $schema=./turnpike.schema.json",
    .examples = "turnpike schema > turnpike.schema.json\n"
                "turnpike schema --markdown  # docs/reference/config.md\n"
                "turnpike schema --man | man -l -",
    .run = schema_run,
};
