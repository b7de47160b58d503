/* From where a listener takes calls. */
#include "config/build.h"

/* Bytes of "listeners.NAME.network_rules[N]". */
#define ID_SIZE (CONFIG_NETWORK_NAME_MAXIMUM + 64u)

static struct text make_id(struct settings_reader *reader, const struct config_listener *listener,
                           size_t index)
{
    char id[ID_SIZE];
    int length = snprintf(id, sizeof(id), "listeners.%.*s.network_rules[%zu]",
                          TEXT_ARG(listener->name), index);
    size_t kept = (size_t)length < sizeof(id) ? (size_t)length : sizeof(id) - 1;
    return arena_copy(&reader->memory->arena, text_of(id, kept));
}

/* False after reporting what is wrong. */
static bool read_rule(struct settings_reader *reader, const struct config *config,
                      const struct settings_network_rule *from, struct network_rule *rule)
{
    bool allows = from->allow.node != NULL, denies = from->deny.node != NULL;
    const struct settings_value *value = denies ? &from->deny : &from->allow;
    struct build_range range;
    if (allows && denies) {
        report_error(reader->report, from->deny.node->key_place,
                     "a rule allows or denies, not both; write two");
        return false;
    }
    if (!allows && !denies) {
        report_error(reader->report, settings_place(NULL, &from->entry),
                     "\"allow\" or \"deny\" is missing: which network is the rule about?");
        return false;
    }
    size_t mark = report_enter(reader->report, denies ? TEXT("deny") : TEXT("allow"));
    bool good = !text_empty(value->text) && build_find_range(reader, config, value, &range);
    report_leave(reader->report, mark);
    if (good)
        *rule = (struct network_rule){.network = value->text,
                                      .ranges = range.ranges,
                                      .range_count = range.range_count,
                                      .local = range.local,
                                      .denies = denies,
                                      .observed = from->mode.choice == 0};
    return good;
}

/* When the gateway took this rule back; 0: it did not. */
static uint64_t find_taken_back(const struct settings_reader *reader,
                                const struct config_listener *listener,
                                const struct network_rule *rule)
{
    for (size_t i = 0; i < reader->taken_back_count; i++) {
        const struct config_taken_back *taken = &reader->taken_back[i];
        if (taken->denies == rule->denies && text_equal(taken->listener, listener->name) &&
            text_equal(taken->network, rule->network))
            return taken->at;
    }
    return 0;
}

static void release_rules(void *rules)
{
    network_rules_free(rules);
}

static void make_rules(struct settings_reader *reader, const struct network_rule *rules,
                       size_t count, struct config_listener *listener)
{
    struct network_rules *made = network_rules_create(rules, count);
    if (config_memory_keep(reader->memory, made, release_rules))
        listener->network_rules = made;
    else
        report_error(reader->report, (struct report_place){0}, "out of memory");
}

static bool read_rules(struct settings_reader *reader, const struct config *config,
                       const struct settings_listener *from, struct config_listener *listener,
                       struct network_rule *rules, struct config_network_rule *written)
{
    bool good = true;
    size_t list = report_enter(reader->report, TEXT("network_rules"));
    for (size_t i = 0; i < from->network_rule_count; i++) {
        size_t mark = report_enter_item(reader->report, i);
        good &= read_rule(reader, config, &from->network_rules[i], &rules[i]);
        rules[i].id = make_id(reader, listener, i);
        uint64_t taken_back_at =
            rules[i].observed ? 0 : find_taken_back(reader, listener, &rules[i]);
        rules[i].observed = rules[i].observed || taken_back_at > 0;
        written[i] = (struct config_network_rule){rules[i].network, rules[i].denies,
                                                  rules[i].observed, taken_back_at};
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    return good;
}

void build_network_rules(struct settings_reader *reader, const struct config *config,
                         const struct settings_listener *from, struct config_listener *listener)
{
    size_t count = from->network_rule_count;
    struct network_rule *rules = arena_take_zeroed(reader->scratch, count * sizeof(*rules));
    struct config_network_rule *written = build_array(reader, count, sizeof(*written));
    if (!rules || !written || count == 0)
        return;
    listener->written_rules = written;
    listener->written_rule_count = count;
    if (read_rules(reader, config, from, listener, rules, written))
        make_rules(reader, rules, count, listener);
}
