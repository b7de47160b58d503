#include "admin/key_source.h"

#include "base/clock.h"

static void write_moment(struct json_writer *json, const char *name, uint64_t time)
{
    char moment[CLOCK_RFC3339_SIZE];
    size_t length = time ? clock_format_rfc3339(time, moment) : 0;
    json_member_text(json, name, text_of(time ? moment : NULL, length));
}

void key_source_write(struct json_writer *json, const struct key_source *source)
{
    json_member_text(json, "network", source->network);
    json_member_signed(json, "calls", source->calls);
    write_moment(json, "first_seen_at", source->first_at);
    write_moment(json, "last_seen_at", source->last_at);
    write_moment(json, "last_good_at", source->good_at);
}
