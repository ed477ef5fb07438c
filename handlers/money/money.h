/*
 * Money: users and projects as service accounts name them, with budgets, policies and spending;
 * prices, approvals; what they log of requests; use, credits, and what is sold. Amounts are text of
 * decimal digits, from the field table to PostgreSQL's numeric: never a double. A handler answers
 * its own route or returns the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_MONEY_H
#define HANDLERS_MONEY_H

#include "fcgi/request.h"

#define MONEY_MAX 1000000000 /* US dollars, of one amount */

/* projects.c */
extern const struct field_table budget_query, budget_body, policies_body, spending_body;
enum err user_money(struct req *r);
enum err budget_show(struct req *r);
enum err budget_set(struct req *r);
enum err policies_show(struct req *r);
enum err policies_set(struct req *r);
enum err spending_add(struct req *r);

/* prices.c */
extern const struct field_table price_body;
enum err provider_list(struct req *r);
enum err price_show(struct req *r);
enum err price_set(struct req *r);
enum err price_list(struct req *r);

/* approvals.c */
extern const struct field_table approval_query;
enum err approval_list(struct req *r);
enum err approval_decide(struct req *r);

/* payments.c */
extern const struct field_table payment_body;
enum err payment_execute(struct req *r);
enum err payment_status(struct req *r);

/* audit.c */
extern const struct field_table audit_body, audit_query;
enum err audit_add(struct req *r);
enum err audit_list(struct req *r);
enum err audit_verify(struct req *r);

/* credits.c */
extern const struct field_table usage_query, grant_body;
enum err usage_show(struct req *r);
enum err credit_list(struct req *r);
enum err credits_grant(struct req *r);

/* packages.c */
extern const struct field_table package_create_body, package_change_body, campaign_create_body,
    campaign_change_body;
enum err package_list(struct req *r);
enum err package_create(struct req *r);
enum err package_change(struct req *r);
enum err package_delete(struct req *r);
enum err campaign_list(struct req *r);
enum err campaign_create(struct req *r);
enum err campaign_change(struct req *r);
enum err campaign_delete(struct req *r);
enum err subscription_list(struct req *r);

/* stripe.c */
extern const struct field_table checkout_body, purchase_body, stripe_event_body;
enum err payment_checkout(struct req *r);
enum err credits_purchase(struct req *r);
enum err payment_portal(struct req *r);
enum err payment_webhook(struct req *r);

#endif
