/* Who is turned away (admin/bounces_answer.h). The order is by calls, which move while somebody
 * reads page after page: a cursor is the place in that order, so that a row may come twice and none
 * that stands still is left out. */
#include "admin/bounces_answer.h"
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "base/number.h"

struct place {
    uint64_t calls;
    struct text word;
};

static bool read_question(struct admin_call *call, struct bounces_question *question)
{
    struct text by = call_query(call, "by"), network = call_query(call, "network"), nearest;
    char meant[NETWORK_TEXT_SIZE];

    *question = (struct bounces_question){
        .now = clock_wall(),
        .reason = call_query(call, "reason"),
        .listener = call_query(call, "listener"),
        .key_id = call_query(call, "key"),
        .team = call_query(call, "team"),
    };
    if (by.data && !bounces_by_parse(by, &question->by))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "by",
                           "that is nothing to add up by: group, network, reason, listener, key or "
                           "team");
    if (network.data && !bounces_read_network(network, question))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "network",
                           "that is no network: 10.0.0.0/8, 2001:db8::/32, one address, or a name "
                           "of the configuration");
    if (network.data && bounces_network_slipped(network, meant))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "network",
                           "that has bits set behind its length; did you mean %s?", meant);
    if (!text_empty(question->reason) && !bounces_knows_reason(question->reason, &nearest))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "reason",
                           "no call is turned away for that%s%.*s%s",
                           text_empty(nearest) ? "" : "; did you mean ", TEXT_ARG(nearest),
                           text_empty(nearest) ? "; docs/errors.md has the codes" : "?");
    const struct config_network *around =
        question->in_network ? config_network_of(call->office->config, &question->network) : NULL;
    if (around)
        question->around = around->name;
    return call_query_moment(call, "since", &question->since) &&
           call_narrow_team(call, &question->team);
}

/* "1204 bnc_0123abcd", "1204 10.1.2.0/24". */
static bool read_place(struct admin_call *call, struct place *place)
{
    struct text cursor;

    *place = (struct place){.calls = UINT64_MAX};
    if (!call_read_cursor(call, &cursor))
        return false;
    if (!cursor.data)
        return true;
    place->word = cursor;
    return number_parse_unsigned(text_split(&place->word, ' '), &place->calls) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "cursor", "that is no cursor of this list");
}

static bool is_behind(const struct bounces_row *row, enum bounces_by by, const struct place *place)
{
    if (row->calls != place->calls)
        return row->calls < place->calls;
    return text_compare(text_from(bounces_row_word(row, by)), place->word) > 0;
}

static bool write_page(struct admin_call *call, const struct bounces_answer *answer,
                       enum bounces_by by, size_t limit)
{
    const struct bounces_row *last = NULL;
    struct place place;
    size_t shown = 0, i = 0;
    struct buffer cursor;

    if (!read_place(call, &place))
        return false;
    call_begin_page(call);
    for (; i < answer->count && shown < limit; i++) {
        if (!is_behind(&answer->rows[i], by, &place))
            continue;
        last = &answer->rows[i];
        bounces_write_row(&call->json, last);
        shown++;
    }
    buffer_open(&cursor, NUMBER_DIGITS_MAX + 1 + BOUNCE_TEAM_SIZE);
    if (i < answer->count && last)
        buffer_append_format(&cursor, "%llu %s", (unsigned long long)last->calls,
                             bounces_row_word(last, by));
    call_end_page(call, buffer_text(&cursor));
    buffer_close(&cursor);
    return true;
}

bool handle_bounces(struct admin_call *call)
{
    struct bounces_question question;
    struct bounces_answer answer;
    size_t limit;

    if (!read_question(call, &question) || !call_query_limit(call, &limit) ||
        !call_store_answer(call, bounces_answer_read(call->office->store, &question, &answer)))
        return false;
    bool good = write_page(call, &answer, question.by, limit);
    bounces_answer_free(&answer);
    return good;
}

bool handle_bounce(struct admin_call *call)
{
    struct bounces_question question = {.now = clock_wall(), .id = call->id};
    struct bounces_answer answer;

    if (!call_narrow_team(call, &question.team) ||
        !call_store_answer(call, bounces_answer_read(call->office->store, &question, &answer)))
        return false;
    bool found = answer.count > 0;
    if (found)
        bounces_write_row(&call->json, &answer.rows[0]);
    bounces_answer_free(&answer);
    return found || call_refuse(call, ADMIN_PROBLEM_NOT_FOUND, "",
                                "there is no such group of calls; ids look like bnc_… and are in "
                                "the list");
}
