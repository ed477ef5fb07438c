/* A user's notifications. A row's trigger publishes it to user:<id>. */
#include "handlers/account/account.h"
#include "sql_api.h"

struct notifications_in {
	int64_t limit;
	struct uuid before;
	bool unread;
};

static const struct field list_fields[] = {
	F_PAGE(struct notifications_in),
	F_BOOL(struct notifications_in, unread, OPTIONAL),
};
FIELD_TABLE(notification_list_query, struct notifications_in, list_fields, notification_list);

/* GET /api/notifications: ?unread=1 leaves out those that are read. */
enum err
notification_list(struct req *r)
{
	struct notifications_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, notification_list_query, &in)) != ERR_OK)
		return e;
	return sql_notification_list(r, res_list, list_rows(r, in.limit), in.before, in.unread);
}

/* GET /api/notifications/{id} */
enum err
notification_show(struct req *r)
{
	return sql_notification_show(r, res_one, path_uuid(r, 0));
}

/* POST /api/notifications/{id}/read */
enum err
notification_read(struct req *r)
{
	return sql_notification_read(r, res_one, path_uuid(r, 0));
}

/* POST /api/notifications/read-all */
enum err
notification_read_all(struct req *r)
{
	return sql_notification_read_all(r, res_one);
}

/* DELETE /api/notifications/{id} */
enum err
notification_delete(struct req *r)
{
	return sql_notification_delete(r, res_empty, path_uuid(r, 0));
}
