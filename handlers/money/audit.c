/* What servers of other programs log of their requests, in the audit log's hash chain. */
#include <millrace/config.h>

#include "handlers/money/money.h"
#include "sql_api.h"

#define AUDIT_DATA_MAX (512 * KIB)

struct audit_in {
	struct str user_id, request_id, type, audit_data, timestamp;
};

static const struct field audit_fields[] = {
	F_STR(struct audit_in, user_id, 1, 200, OPTIONAL),
	F_STR(struct audit_in, request_id, 1, 200, REQUIRED),
	F_STR(struct audit_in, type, 1, 200, OPTIONAL),
	F_JSON(struct audit_in, audit_data, AUDIT_DATA_MAX, REQUIRED),
	F_TIME(struct audit_in, timestamp, OPTIONAL),
};
FIELD_TABLE(audit_body, struct audit_in, audit_fields, audit_add);

struct audit_list_in {
	int64_t limit;
	struct uuid before;
	struct str user_id, request_id, type, from, to;
};

static const struct field list_fields[] = {
	F_PAGE(struct audit_list_in),
	F_STR(struct audit_list_in, user_id, 1, 200, OPTIONAL),
	F_STR(struct audit_list_in, request_id, 1, 200, OPTIONAL),
	F_STR(struct audit_list_in, type, 1, 200, OPTIONAL),
	F_TIME(struct audit_list_in, from, OPTIONAL),
	F_TIME(struct audit_list_in, to, OPTIONAL),
};
FIELD_TABLE(audit_query, struct audit_list_in, list_fields, audit_list);

/* POST /api/v1/audit/logs */
enum err
audit_add(struct req *r)
{
	struct audit_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, audit_body, &in)) != ERR_OK)
		return e;
	return sql_audit_add(
	    r, res_one, in.user_id, in.request_id, in.type, in.audit_data, in.timestamp);
}

/* GET /api/v1/audit/logs: from a time on, and before another. */
enum err
audit_list(struct req *r)
{
	struct audit_list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, audit_query, &in)) != ERR_OK)
		return e;
	return sql_audit_list(r, res_list, in.user_id, in.request_id, in.type, in.from, in.to,
	    list_rows(r, in.limit), in.before);
}

static enum err
audit_verify_wait(struct req *r)
{
	return res_run_reply(r, 0);
}

/* GET /api/v1/audit/verify */
enum err
audit_verify(struct req *r)
{
	return sql_audit_verify_start(r, audit_verify_wait, config()->queue_max);
}
