/* Leads: people who may become customers. A row's triggers publish what happens to it. */
#include <string.h>

#include <millrace/config.h>

#include "handlers/insight/insight.h"
#include "sql_api.h"

#define METADATA_MAX 16384 /* bytes */
#define VALUE_MAX 999999999999999

struct lead_in {
	struct str name;
	struct str email;
	struct str phone;
	struct str company;
	struct str source;
	struct str status;
	struct str value; /* decimal digits */
	struct str notes;
	struct str metadata; /* an object */
};

static const char *const lead_statuses[] = { "new", "contacted", "qualified", "converted", "lost",
	NULL };

#define LEAD_FIELDS(named)                                                                   \
	F_SHOWN(struct lead_in, name, 200, named), F_EMAIL(struct lead_in, email, OPTIONAL), \
	    F_STR(struct lead_in, phone, 1, 40, OPTIONAL),                                   \
	    F_STR(struct lead_in, company, 1, 200, OPTIONAL),                                \
	    F_STR(struct lead_in, source, 1, 100, OPTIONAL),                                 \
	    F_ENUM(struct lead_in, status, lead_statuses, OPTIONAL),                         \
	    F_DECIMAL(struct lead_in, value, 0, VALUE_MAX, OPTIONAL),                        \
	    F_STR(struct lead_in, notes, 0, 10000, OPTIONAL),                                \
	    F_JSON(struct lead_in, metadata, METADATA_MAX, OPTIONAL)

static const struct field create_fields[] = { LEAD_FIELDS(REQUIRED) };
FIELD_TABLE(lead_create_body, struct lead_in, create_fields, lead_create);

static const struct field change_fields[] = { LEAD_FIELDS(OPTIONAL) };
FIELD_TABLE(lead_change_body, struct lead_in, change_fields, lead_change);

struct leads_in {
	int64_t limit;
	struct uuid before;
	struct str status;
	struct str q;
};

static const struct field list_fields[] = {
	F_PAGE(struct leads_in),
	F_ENUM(struct leads_in, status, lead_statuses, OPTIONAL),
	F_SEARCH(struct leads_in, q),
};
FIELD_TABLE(lead_list_query, struct leads_in, list_fields, lead_list);

/* POST /api/leads */
enum err
lead_create(struct req *r)
{
	struct lead_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, lead_create_body, &in)) != ERR_OK)
		return e;
	return sql_lead_create(r, res_created, in.name, in.email, in.phone, in.company, in.source,
	    in.status, in.value, in.notes, in.metadata);
}

static enum err
leads_searched(struct req *r)
{
	struct leads_in *in = r->state;

	if (!list_goes_on(r, &in->before))
		return res_list(r);
	return sql_lead_search(
	    r, leads_searched, list_rows(r, in->limit), in->before, in->status, in->q, LIST_LOOK);
}

/* GET /api/leads: all, or those of ?status=, or that hold ?q=. */
enum err
lead_list(struct req *r)
{
	struct leads_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	*in = (struct leads_in){ 0 };
	if ((e = query_bind(r, lead_list_query, in)) != ERR_OK)
		return e;
	if (!in->status.p && !in->q.p)
		return sql_lead_list(r, res_list, list_rows(r, in->limit), in->before);
	r->state = in;
	return sql_lead_search(
	    r, leads_searched, list_rows(r, in->limit), in->before, in->status, in->q, LIST_LOOK);
}

/* GET /api/leads/{id} */
enum err
lead_show(struct req *r)
{
	return sql_lead_show(r, res_one, path_uuid(r, 0));
}

/* PATCH /api/leads/{id}: any subset; null clears, so the database gets the body as it came, too. */
enum err
lead_change(struct req *r)
{
	struct lead_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, lead_change_body, &in)) != ERR_OK)
		return e;
	return sql_lead_change(r, res_one, path_uuid(r, 0), in.name, in.email, in.phone, in.company,
	    in.source, in.status, in.value, in.notes, in.metadata, r->body);
}

/* DELETE /api/leads/{id} */
enum err
lead_delete(struct req *r)
{
	return sql_lead_delete(r, res_empty, path_uuid(r, 0));
}

static enum err
lead_analyzed(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/leads/{id}/analyze: the analysis, which the lead then has, too. */
enum err
lead_analyze(struct req *r)
{
	return sql_lead_analyze(r, lead_analyzed, path_uuid(r, 0), config()->queue_max,
	    strcmp(config()->credits, "required") == 0);
}
