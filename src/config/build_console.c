/* How browsers reach the console. What is wrong with it would otherwise be seen only when somebody
 * cannot sign in. */
#include "config/build.h"

#include "config/endpoint.h"

/* An origin has no path, so that it can be compared to what browsers send. */
static void build_url(struct settings_reader *reader, const struct settings_value *value,
                      struct config_console *console)
{
    struct config_endpoint endpoint;
    struct text url = value->text;
    const char *problem;

    if (text_empty(url))
        return;
    problem = endpoint_parse(url, &reader->memory->arena, &endpoint);
    if (!problem && text_starts_with(endpoint.host, TEXT("unix:")))
        problem = "no browser opens a unix socket";
    if (!problem && !text_empty(endpoint.path))
        problem = "the console is at /console/ and its address has no path of its own";
    if (problem) {
        report_error(reader->report, settings_place(value, NULL), "%s: %s", report_quote(url),
                     problem);
        return;
    }
    while (text_ends_with(url, TEXT("/")))
        url.length--;
    *console = (struct config_console){.url = url, .host = endpoint.host, .secure = endpoint.tls};
}

void build_console(struct settings_reader *reader, const struct settings_admin *settings,
                   struct config *config)
{
    size_t key = report_enter(reader->report, TEXT("url"));

    build_url(reader, &settings->url, &config->console);
    report_leave(reader->report, key);
}
