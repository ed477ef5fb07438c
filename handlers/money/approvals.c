/* Requests that cost more than their project allows without an administrator's word. */
#include "handlers/money/money.h"
#include "sql_api.h"

struct approvals_in {
	int64_t limit;
	struct uuid before;
	struct str status;
};

static const char *const approval_statuses[] = { "pending", "approved", "rejected", "expired",
	"used", NULL };

static const struct field list_fields[] = {
	F_PAGE(struct approvals_in),
	F_ENUM(struct approvals_in, status, approval_statuses, OPTIONAL),
};
FIELD_TABLE(approval_query, struct approvals_in, list_fields, approval_list);

/* GET /api/v1/approvals */
enum err
approval_list(struct req *r)
{
	struct approvals_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, approval_query, &in)) != ERR_OK)
		return e;
	return sql_approval_list(r, res_list, in.status, list_rows(r, in.limit), in.before);
}

/* POST /api/v1/approvals/{id}/{approve|reject}: the same request passes once, or never. */
enum err
approval_decide(struct req *r)
{
	bool approves = str_eq(path_text(r, 1), S("approve"));

	return sql_approval_decide(
	    r, res_one, path_uuid(r, 0), approves ? S("approved") : S("rejected"));
}
