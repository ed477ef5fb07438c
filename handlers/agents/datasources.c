/* Data sources: what a process reads its rows from. */
#include "handlers/agents/agents.h"
#include "sql_api.h"

#define CONFIG_MAX 16384 /* bytes */

struct datasource_in {
	struct uuid process_id;
	struct str platform;
	struct str resource_identifier;
	struct str resource_name;
	struct str config; /* an array */
	struct str secret; /* the vault's key of a bearer token */
	struct str headers; /* {name: the vault's key of its value} */
};

static const char *const platforms[] = { "google_drive", "onedrive", "url", "upload", "api", NULL };

#define DATASOURCE_FIELDS(named)                                              \
	F_UUID(struct datasource_in, process_id, OPTIONAL),                   \
	    F_ENUM(struct datasource_in, platform, platforms, named),         \
	    F_STR(struct datasource_in, resource_identifier, 1, 2048, named), \
	    F_STR(struct datasource_in, resource_name, 1, 500, OPTIONAL),     \
	    F_ARRAY(struct datasource_in, config, CONFIG_MAX, OPTIONAL),      \
	    F_STR(struct datasource_in, secret, 1, 200, OPTIONAL),            \
	    F_JSON(struct datasource_in, headers, AGENTS_HEADERS_MAX, OPTIONAL)

static const struct field create_fields[] = { DATASOURCE_FIELDS(REQUIRED) };
FIELD_TABLE(datasource_create_body, struct datasource_in, create_fields, datasource_create);

static const struct field change_fields[] = { DATASOURCE_FIELDS(OPTIONAL) };
FIELD_TABLE(datasource_change_body, struct datasource_in, change_fields, datasource_change);

struct datasources_in {
	int64_t limit;
	struct uuid before;
	struct uuid process_id;
};

static const struct field list_fields[] = {
	F_PAGE(struct datasources_in),
	F_UUID(struct datasources_in, process_id, OPTIONAL),
};
FIELD_TABLE(datasource_list_query, struct datasources_in, list_fields, datasource_list);

struct ids_in {
	struct str_list ids;
};

static const struct field ids_fields[] = {
	F_UUIDS(struct ids_in, ids, 1000, REQUIRED),
};
FIELD_TABLE(datasource_ids_body, struct ids_in, ids_fields, datasources_delete);

/* What was checked, as the database reads it. */
static void
put_datasource(struct buf *b, const struct datasource_in *in)
{
	buf_put(b, S("{\"process_id\":"));
	buf_json(b, in->process_id.text[0] ? uuid_str(&in->process_id) : (struct str){ NULL, 0 });
	buf_put(b, S(",\"platform\":"));
	buf_json(b, in->platform);
	buf_put(b, S(",\"resource_identifier\":"));
	buf_json(b, in->resource_identifier);
	buf_put(b, S(",\"resource_name\":"));
	buf_json(b, in->resource_name);
	buf_put(b, S(",\"config\":"));
	buf_put(b, in->config.p ? in->config : S("[]"));
	buf_put(b, S(",\"secret\":"));
	buf_json(b, in->secret);
	buf_put(b, S(",\"headers\":"));
	buf_put(b, in->headers.p ? in->headers : S("null"));
	buf_put(b, S("}"));
}

/* POST /api/datasources: one, answered with it, or an array, answered with all of them. */
enum err
datasource_create(struct req *r)
{
	struct buf b = { .a = r->a };
	void *items;
	size_t n;
	enum err e;

	if ((e = body_list(r, &datasource_create_body, &items, &n)) != ERR_OK)
		return e;
	if (str_trim(r->body).p[0] == '{') {
		put_datasource(&b, items);
		return sql_datasource_create(r, res_created, buf_str(&b), r->caller.key_hash);
	}
	for (size_t i = 0; i < n; i++) {
		buf_put(&b, i ? S(",") : S("["));
		put_datasource(&b, (const struct datasource_in *)items + i);
	}
	buf_put(&b, S("]"));
	return sql_datasources_create(r, res_created, buf_str(&b), r->caller.key_hash);
}

/* GET /api/datasources, /api/user/datasources: all, or those of ?process_id=. */
enum err
datasource_list(struct req *r)
{
	struct datasources_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, datasource_list_query, &in)) != ERR_OK)
		return e;
	return sql_datasource_list(r, res_list, list_rows(r, in.limit), in.before, in.process_id);
}

/* GET /api/datasources/{id} */
enum err
datasource_show(struct req *r)
{
	return sql_datasource_show(r, res_one, path_uuid(r, 0));
}

/* PUT /api/datasources/{id}: any subset; null clears. */
enum err
datasource_change(struct req *r)
{
	struct datasource_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, datasource_change_body, &in)) != ERR_OK)
		return e;
	return sql_datasource_change(r, res_one, path_uuid(r, 0), in.process_id, in.platform,
	    in.resource_identifier, in.resource_name, in.config, in.secret, in.headers, r->body,
	    r->caller.key_hash);
}

/* DELETE /api/datasources/{id} */
enum err
datasource_delete(struct req *r)
{
	return sql_datasource_delete(r, res_empty, path_uuid(r, 0));
}

/* DELETE /api/datasources: those of `ids` that are the caller's. */
enum err
datasources_delete(struct req *r)
{
	struct ids_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, datasource_ids_body, &in)) != ERR_OK)
		return e;
	return sql_datasources_delete(r, res_one, in.ids);
}
