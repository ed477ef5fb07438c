/* Leads: people who may become customers. What happens to a row is published by its triggers. */
#include <millrace/address.h>
#include <millrace/fields.h>

#include "handlers/handlers.h"
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

static const char *const statuses[] = { "new", "contacted", "qualified", "converted", "lost",
	NULL };

#define LEAD_FIELDS(named)                                                       \
	F_STR(struct lead_in, name, 1, 200, named),                              \
	    F_CHECKED(struct lead_in, email, 3, 254, OPTIONAL, address_is_email, \
		"must be an e-mail address"),                                    \
	    F_STR(struct lead_in, phone, 1, 40, OPTIONAL),                       \
	    F_STR(struct lead_in, company, 1, 200, OPTIONAL),                    \
	    F_STR(struct lead_in, source, 1, 100, OPTIONAL),                     \
	    F_ENUM(struct lead_in, status, statuses, OPTIONAL),                  \
	    F_DECIMAL(struct lead_in, value, 0, VALUE_MAX, OPTIONAL),            \
	    F_STR(struct lead_in, notes, 0, 10000, OPTIONAL),                    \
	    F_JSON(struct lead_in, metadata, METADATA_MAX, OPTIONAL)

static const struct field create_fields[] = { LEAD_FIELDS(REQUIRED) };
const struct field_table lead_create_body = FIELD_TABLE(struct lead_in, create_fields);

static const struct field change_fields[] = { LEAD_FIELDS(OPTIONAL) };
const struct field_table lead_change_body = FIELD_TABLE(struct lead_in, change_fields);

struct leads_in {
	int64_t limit;
	struct uuid before;
	struct str status;
	struct str q;
};

static const struct field list_fields[] = {
	F_INT(struct leads_in, limit, 1, LIST_LIMIT_MAX, OPTIONAL),
	F_UUID(struct leads_in, before, OPTIONAL),
	F_ENUM(struct leads_in, status, statuses, OPTIONAL),
	F_STR(struct leads_in, q, 0, 254, OPTIONAL),
};
const struct field_table lead_list_query = FIELD_TABLE(struct leads_in, list_fields);

/* POST /api/leads */
enum err
lead_create(struct req *r)
{
	struct lead_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
		return e;
	return sql_lead_create(r, res_created, in.name, in.email, in.phone, in.company, in.source,
	    in.status, in.value, in.notes, in.metadata);
}

/* GET /api/leads: all, or those of ?status=, or that hold ?q=. */
enum err
lead_list(struct req *r)
{
	struct leads_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, &in)) != ERR_OK)
		return e;
	return sql_lead_list(r, res_list, list_rows(r, &(struct list_in){ in.limit, in.before }),
	    in.before, in.status, in.q);
}

/* GET /api/leads/{id} */
enum err
lead_show(struct req *r)
{
	return sql_lead_show(r, res_one, path_uuid(r, 0));
}

/* PATCH /api/leads/{id}: any subset; null clears what may be empty. */
enum err
lead_change(struct req *r)
{
	struct lead_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, &in)) != ERR_OK)
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
