/* Who a listener believes about where its callers come from. */
#include "config/build.h"
#include "identity/network.h"

/* Network `i` of the list; false when it is none, or "unix". */
static bool read_network(struct settings_reader *reader, const struct settings_value *value,
                         struct config_forwarders *out, struct network *network)
{
    char text[NETWORK_TEXT_SIZE];
    if (text_equal(value->text, TEXT("unix"))) {
        out->local = true;
        return false;
    }
    enum error error = network_parse(value->text, network);
    if (error == ERROR_OK)
        return true;
    if (error == ERROR_ARGUMENT) {
        (void)network_format(network, text);
        report_error(reader->report, settings_place(value, NULL),
                     "%s has bits set behind its length; did you mean \"%s\"?",
                     report_quote(value->text), text);
    } else {
        report_error(reader->report, settings_place(value, NULL),
                     "%s is not a network: \"10.0.0.0/8\", \"2001:db8::/32\", one address, or "
                     "\"unix\"",
                     report_quote(value->text));
    }
    return false;
}

static void read_networks(struct settings_reader *reader,
                          const struct settings_forwarders *settings, struct config_forwarders *out)
{
    struct network *networks = build_array(reader, settings->network_count, sizeof(*networks));
    if (!networks)
        return;
    size_t list = report_enter(reader->report, TEXT("networks"));
    for (size_t i = 0; i < settings->network_count; i++) {
        const struct settings_value *value = &settings->networks[i].value;
        size_t mark = report_enter_item(reader->report, i);
        if (!text_empty(value->text) &&
            read_network(reader, value, out, &networks[out->network_count]))
            out->network_count++;
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    out->networks = networks;
}

void build_forwarders(struct settings_reader *reader, const struct settings_listener *listener,
                      struct config_forwarders *out)
{
    const struct settings_forwarders *settings = &listener->forwarders;
    const struct settings_value *tells =
        settings->header.node ? &settings->header : &settings->proxy_protocol;
    size_t mark = report_enter(reader->report, TEXT("forwarders"));
    out->header = (enum source_field)settings->header.choice;
    out->proxy_protocol = settings->proxy_protocol.choice == 1;
    read_networks(reader, settings, out);
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
