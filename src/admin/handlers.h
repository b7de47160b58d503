/* handlers: what each route of tables/admin_routes.def does. Each answers into the call, or sets
 * its problem and returns false (admin/call.h). */
#ifndef ADMIN_HANDLERS_H
#define ADMIN_HANDLERS_H

#include <stdbool.h>

struct admin_call;

/* handle_objects.c: any kind of object, by the route's row. */
bool handle_list(struct admin_call *call);
bool handle_create(struct admin_call *call);
bool handle_show(struct admin_call *call);
bool handle_edit(struct admin_call *call);
bool handle_delete(struct admin_call *call);
bool handle_key_sources(struct admin_call *call);
bool handle_rotate(struct admin_call *call);
bool handle_raise(struct admin_call *call);
bool handle_end_raise(struct admin_call *call);

/* handle_records.c */
bool handle_exchanges(struct admin_call *call);
bool handle_exchange(struct admin_call *call);
bool handle_audit(struct admin_call *call);

/* handle_playground.c */
bool handle_playground(struct admin_call *call);

/* handle_preview.c */
bool handle_rule_preview(struct admin_call *call);

/* handle_bounces.c */
bool handle_bounces(struct admin_call *call);
bool handle_bounce(struct admin_call *call);

/* handle_usage.c */
bool handle_usage(struct admin_call *call);

/* handle_attention.c */
bool handle_attention(struct admin_call *call);

/* handle_detail.c */
bool handle_exchange_detail(struct admin_call *call);

/* handle_events.c */
bool handle_events(struct admin_call *call);

/* handle_config.c */
bool handle_config(struct admin_call *call);
bool handle_config_versions(struct admin_call *call);
bool handle_config_restore(struct admin_call *call);

/* handle_overview.c */
bool handle_overview(struct admin_call *call);

/* handle_leaked_key.c */
bool handle_leaked_key(struct admin_call *call);

/* handle_live.c */
bool handle_live(struct admin_call *call);

/* handle_route.c */
bool handle_targets(struct admin_call *call);
bool handle_route(struct admin_call *call);

/* handle_prices.c */
bool handle_prices(struct admin_call *call);
bool handle_price(struct admin_call *call);

/* handle_sessions.c */
bool handle_sign_in(struct admin_call *call);
bool handle_session_create(struct admin_call *call);
bool handle_session_list(struct admin_call *call);
bool handle_session_end(struct admin_call *call);

/* sso.c */
bool handle_sso(struct admin_call *call);
bool handle_sso_callback(struct admin_call *call);

/* handle_status.c */
bool handle_me(struct admin_call *call);
bool handle_status(struct admin_call *call);

/* openapi.c */
bool handle_openapi(struct admin_call *call);

#endif
