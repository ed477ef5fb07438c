/*
 * Integrations: where a chatbot answers beside the API. A handler answers its own route or returns
 * the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_INTEGRATIONS_H
#define HANDLERS_INTEGRATIONS_H

#include "fcgi/request.h"

/* integrations.c */

/* MILLRACE_PUBLIC_URL, or the address by which the caller reaches this server. */
struct str server_url(struct req *r);
extern const struct field_table integration_create_body, integration_change_body;
enum err integration_list(struct req *r);
enum err integration_create(struct req *r);
enum err integration_show(struct req *r);
enum err integration_change(struct req *r);
enum err integration_delete(struct req *r);

/* slack.c */
extern const struct field_table slack_credentials_body, slack_event_body, slack_event_query;
enum err slack_credentials(struct req *r);
enum err slack_events(struct req *r);

/* telegram.c */
enum err telegram_connect(struct req *r);
enum err telegram_connected(struct req *r);
enum err telegram_disconnect(struct req *r);
enum err telegram_qr(struct req *r);
enum err telegram_webhook(struct req *r);

#endif
