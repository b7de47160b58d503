/* Who a listener believes about where its callers come from. */
#include "config/build.h"
#include "identity/network.h"

/* How many ranges the list stands for at most: a name stands for those of its network. */
static size_t count_ranges(const struct config *config, const struct settings_forwarders *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->network_count; i++) {
        const struct config_network *named =
            config_find_network(config, settings->networks[i].value.text);
        count += named ? named->range_count : 1;
    }
    return count;
}

static void read_networks(struct settings_reader *reader, const struct config *config,
                          const struct settings_forwarders *settings, struct config_forwarders *out)
{
    size_t count = count_ranges(config, settings);
    struct network *networks = build_array(reader, count, sizeof(*networks));
    if (!networks)
        return;
    size_t list = report_enter(reader->report, TEXT("networks"));
    for (size_t i = 0; i < settings->network_count; i++) {
        const struct settings_value *value = &settings->networks[i].value;
        struct build_range range;
        size_t mark = report_enter_item(reader->report, i);
        if (!text_empty(value->text) && build_find_range(reader, config, value, &range)) {
            out->local |= range.local;
            for (size_t k = 0; k < range.range_count; k++)
                networks[out->network_count++] = range.ranges[k];
        }
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    out->networks = networks;
}

void build_forwarders(struct settings_reader *reader, const struct config *config,
                      const struct settings_listener *listener, struct config_forwarders *out)
{
    const struct settings_forwarders *settings = &listener->forwarders;
    const struct settings_value *tells =
        settings->header.node ? &settings->header : &settings->proxy_protocol;
    size_t mark = report_enter(reader->report, TEXT("forwarders"));
    out->header = (enum source_field)settings->header.choice;
    out->proxy_protocol = settings->proxy_protocol.choice == 1;
    read_networks(reader, config, settings, out);
    /* A word that was refused already did tell something. */
    bool wrong = (settings->header.node && text_empty(settings->header.text)) ||
                 (settings->proxy_protocol.node && text_empty(settings->proxy_protocol.text));
    bool told = out->header != SOURCE_FIELD_NONE || out->proxy_protocol || wrong;
    if (told && settings->network_count == 0)
        report_error(
            reader->report, settings_place(tells, &listener->entry),
            "\"networks\" is missing: anybody could write that header, so it says whose is "
            "believed");
    else if (!told && settings->network_count > 0)
        report_error(reader->report, settings_place(&settings->networks[0].value, &listener->entry),
                     "\"header\" or \"proxy_protocol\" is missing: how do they tell it?");
    report_leave(reader->report, mark);
}
