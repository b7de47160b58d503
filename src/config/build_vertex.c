/* Vertex AI: whose project, where, and which host that is. */
#include "config/build.h"

#define PART_MAX 63u /* a label of DNS, which a location becomes */

/* Both stand in paths, and the location in a host name. */
static bool is_plain(struct text text, bool project)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     (project && (c == ':' || c == '.')); /* of a domain: "example.com:name" */
        if (!plain)
            return false;
    }
    return text.length <= PART_MAX;
}

static void check(struct settings_reader *reader, const struct settings_value *value,
                  const char *name, bool project)
{
    size_t mark = report_enter(reader->report, text_from(name));
    if (!is_plain(value->text, project))
        report_error(reader->report, settings_place(value, NULL), "%s is no %s of Google Cloud",
                     report_quote(value->text), name);
    report_leave(reader->report, mark);
}

void build_vertex(struct settings_reader *reader, const struct settings_provider *from,
                  struct config_provider *provider)
{
    size_t section = report_enter(reader->report, TEXT("google"));
    check(reader, &from->google.project, "project", true);
    check(reader, &from->google.location, "location", false);
    report_leave(reader->report, section);
    if (text_empty(provider->google_location))
        provider->google_location = TEXT("global");
    if (text_empty(provider->google_project) && from->google.project.node == NULL)
        report_error(reader->report, settings_place(NULL, &from->entry),
                     "\"google.project\" is missing: Vertex AI wants to know whose call it is");
}

/* Regions have a host each, the world has one, and so have the unions of regions
 * (cloud.google.com/vertex-ai/docs/reference/rest, service endpoints). */
struct text build_vertex_url(struct settings_reader *reader, const struct config_provider *provider)
{
    struct text location = provider->google_location;
    if (text_equal(location, TEXT("global")))
        return TEXT("https://aiplatform.googleapis.com/v1");
    if (text_equal(location, TEXT("us")) || text_equal(location, TEXT("eu")))
        return arena_format(&reader->memory->arena, "https://aiplatform.%.*s.rep.googleapis.com/v1",
                            TEXT_ARG(location));
    return arena_format(&reader->memory->arena, "https://%.*s-aiplatform.googleapis.com/v1",
                        TEXT_ARG(location));
}
