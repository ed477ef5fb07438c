/* What a user is told. Rows are made by whatever has something to tell; their trigger publishes them to user:<id>. */
#include <millrace/fields.h>

#include "handlers/handlers.h"
#include "sql_api.h"

struct notifications_in {
	int64_t limit;
	struct uuid before;
	bool unread;
};

static const struct field list_fields[] = {
	F_INT(struct notifications_in, limit, 1, LIST_LIMIT_MAX, OPTIONAL),
	F_UUID(struct notifications_in, before, OPTIONAL),
	F_BOOL(struct notifications_in, unread, OPTIONAL),
};
const struct field_table notification_list_query =
    FIELD_TABLE(struct notifications_in, list_fields);

/* GET /api/notifications: ?unread=1 leaves out those that were read. */
enum err
notification_list(struct req *r)
{
	struct notifications_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, &in)) != ERR_OK)
		return e;
	return sql_notification_list(r, res_list,
	    list_rows(r, &(struct list_in){ in.limit, in.before }), in.before, in.unread);
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
