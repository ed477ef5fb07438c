/* Leads and analytics. A handler answers its own route or returns the err of the error reply
 * (fcgi/request.h). */
#ifndef HANDLERS_INSIGHT_H
#define HANDLERS_INSIGHT_H

#include "fcgi/request.h"

/* leads.c */
extern const struct field_table lead_create_body, lead_change_body, lead_list_query;
enum err lead_create(struct req *r);
enum err lead_list(struct req *r);
enum err lead_show(struct req *r);
enum err lead_change(struct req *r);
enum err lead_delete(struct req *r);
enum err lead_analyze(struct req *r);

/* analytics.c */
extern const struct field_table analytics_overview_query, analytics_series_query,
    analytics_models_query, analytics_revenue_query;
enum err analytics_overview(struct req *r);
enum err analytics_series(struct req *r);
enum err analytics_models(struct req *r);
enum err analytics_revenue(struct req *r);

#endif
