/* Leads. A handler answers its own route or returns the err of the error reply (fcgi/request.h). */
#ifndef HANDLERS_INSIGHT_H
#define HANDLERS_INSIGHT_H

#include "fcgi/request.h"

extern const struct field_table lead_create_body, lead_change_body, lead_list_query;
enum err lead_create(struct req *r);
enum err lead_list(struct req *r);
enum err lead_show(struct req *r);
enum err lead_change(struct req *r);
enum err lead_delete(struct req *r);

#endif
