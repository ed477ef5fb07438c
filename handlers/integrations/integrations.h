/*
 * Integrations: where a chatbot answers beside the API. A handler answers its own route or returns
 * the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_INTEGRATIONS_H
#define HANDLERS_INTEGRATIONS_H

#include "fcgi/request.h"

/* integrations.c */
extern const struct field_table integration_website_body, integration_change_body;
enum err integration_list(struct req *r);
enum err integration_create_website(struct req *r);
enum err integration_show(struct req *r);
enum err integration_change(struct req *r);
enum err integration_delete(struct req *r);

/* telegram.c */
enum err telegram_connect(struct req *r);
enum err telegram_connected(struct req *r);
enum err telegram_disconnect(struct req *r);
enum err telegram_qr(struct req *r);
enum err telegram_webhook(struct req *r);

#endif
