/*
 * Files at Google Drive and OneDrive, as the request's reply: a folder's, one file's facts, or
 * those of both services together, where one that fails is named and the other's are shown.
 */
#include <string.h>

#include <millrace/cloud.h>
#include <millrace/config.h>
#include <millrace/oauth.h>

#include "runner/jobs/cloud_access.h"
#include "runner/jobs/kinds.h"
#include "sql_job.h"

#define WITHIN_MS 20000 /* of each service, at most */

struct cloud_in {
	struct str do_;
	struct str platform;
	struct str id; /* a folder's or file's */
	struct str cursor;
	int64_t limit;
};

static const struct field cloud_fields[] = {
	{ .name = "do",
	    .kind = FIELD_STR,
	    .required = REQUIRED,
	    .min = 1,
	    .max = 64,
	    .offset = offsetof(struct cloud_in, do_) },
	F_STR(struct cloud_in, platform, 1, 64, OPTIONAL),
	F_CHECKED(struct cloud_in, id, 1, CLOUD_ID_MAX, OPTIONAL, cloud_is_id, "must be an id"),
	F_STR(struct cloud_in, cursor, 0, INT32_MAX, OPTIONAL),
	F_INT(struct cloud_in, limit, 1, 1000, OPTIONAL),
};

/* What is asked of one service, and what came. */
struct fetching {
	const struct cloud_service *service;
	const struct cloud_in *in;
	struct cloud_files files;
	struct cloud_file file;
	const char *why;
};

static enum err
fetch_list(struct cloud *c, void *arg)
{
	struct fetching *x = arg;

	x->files = (struct cloud_files){ 0 };
	return x->service->list(c, x->in->id, x->in->cursor, x->in->limit, &x->files);
}

static enum err
cloud_fetch_file(struct cloud *c, void *arg)
{
	struct fetching *x = arg;

	return x->service->show(c, x->in->id, &x->file);
}

static void
put_file(struct buf *b, const struct cloud_service *s, const struct cloud_file *f)
{
	buf_put(b, S("{\"id\":"));
	buf_json(b, f->id);
	buf_put(b, S(",\"name\":"));
	buf_json(b, f->name);
	buf_put(b, S(",\"mimeType\":"));
	buf_json(b, f->mime_type);
	if (f->size >= 0)
		buf_printf(b, ",\"size\":%lld", (long long)f->size);
	else
		buf_put(b, S(",\"size\":null"));
	buf_put(b, S(",\"modifiedAt\":"));
	buf_json(b, f->modified_at);
	buf_printf(b,
	    ",\"isFolder\":%s,\"provider\":\"%s\",\"webUrl\":", f->is_folder ? "true" : "false",
	    s->name);
	buf_json(b, f->web_url);
	buf_put(b, S("}"));
}

/* What came without an id or a name is nothing that could be shown, or asked for. */
static void
put_files(struct buf *b, const struct fetching *x)
{
	for (size_t i = 0; i < x->files.n; i++) {
		const struct cloud_file *f = &x->files.p[i];

		if (!f->name.p || !cloud_is_id(f->id))
			continue;
		buf_put(b, b->n > 1 && b->p[b->n - 1] == '}' ? S(",") : S(""));
		put_file(b, x->service, f);
	}
}

/* Where the next page of one service's list is. */
static struct str
next_path(struct arena *a, const struct fetching *x)
{
	struct buf b = { .a = a }, query = { .a = a };

	if (x->in->id.n > 0)
		form_put(&query, "folder_id", x->in->id);
	form_put(&query, "cursor", x->files.next);
	buf_printf(&query, "&limit=%lld", (long long)x->in->limit);
	buf_printf(&b, "/api/v1/drive/%sfiles?%.*s", x->service == &cloud_graph ? "microsoft/" : "",
	    S_ARG(buf_str(&query)));
	return buf_str(&b);
}

static struct outcome
end_with(struct job *j, struct str headers, struct str body)
{
	struct buf b = { .a = j->a };

	buf_put(&b, S("{\"status\":200,\"headers\":{"));
	buf_put(&b, headers);
	buf_put(&b, S("},\"body\":"));
	buf_put(&b, body);
	buf_put(&b, S("}"));
	return job_end_runner_job_end_done(j, S("{}"), buf_str(&b));
}

static struct outcome
end_refused(struct job *j, enum err e, const char *why)
{
	const struct err_info *info = err_info(e);

	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	if (!*why)
		return job_db_error(j, e, "a user's files could not be asked for");
	return job_end_runner_job_end_refused(j, info->status, str_from(info->code), str_from(why));
}

/* For each of so many services that are asked: whoever waits is answered after all of them. */
static int64_t
within_ms(int services)
{
	int64_t share = config()->reply_seconds * 1000 * 4 / 5 / services;

	return share < WITHIN_MS ? share : WITHIN_MS;
}

static struct outcome
list(struct job *j, struct fetching *x)
{
	struct buf body = { .a = j->a }, headers = { .a = j->a };
	enum err e = cloud_use(j, x->service, within_ms(1), fetch_list, x, &x->why);

	if (e != ERR_OK)
		return end_refused(j, e, x->why);
	buf_put(&body, S("["));
	put_files(&body, x);
	buf_put(&body, S("]"));
	if (x->files.next.n > 0) {
		struct str path = next_path(j->a, x);

		buf_put(&headers, S("\"Link\":"));
		buf_json(&headers, arena_printf(j->a, "<%.*s>; rel=\"next\"", S_ARG(path)));
	}
	return end_with(j, buf_str(&headers), buf_str(&body));
}

static struct outcome
file(struct job *j, struct fetching *x)
{
	struct buf body = { .a = j->a };
	enum err e = cloud_use(j, x->service, within_ms(1), cloud_fetch_file, x, &x->why);

	if (e != ERR_OK)
		return end_refused(j, e, x->why);
	put_file(&body, x->service, &x->file);
	return end_with(j, S(""), buf_str(&body));
}

static void
put_failed(struct buf *b, const struct fetching *x, enum err e)
{
	buf_printf(b, "%s{\"provider\":\"%s\",\"code\":\"%s\",\"error\":", b->n > 0 ? "," : "",
	    x->service->name, err_info(e)->code);
	buf_json(b, *x->why ? str_from(x->why) : S("It could not be asked."));
	buf_put(b, S("}"));
}

static void
put_next(struct buf *b, const struct fetching *x, struct str path)
{
	buf_printf(b, "%s\"%s\":", b->n > 0 ? "," : "", x->service->name);
	buf_json(b, path);
}

/* Of both: `platform` names those that the user has connected, separated by a space. */
static struct outcome
all(struct job *j, const struct cloud_in *in)
{
	struct buf files = { .a = j->a }, failed = { .a = j->a }, next = { .a = j->a },
		   body = { .a = j->a };
	struct str name, rest = in->platform;

	while (rest.p) {
		struct fetching x = { .in = in, .why = "" };
		enum err e;

		rest = str_cut(rest, ' ', &name);
		if (!(x.service = cloud_service(name)))
			continue;
		e = cloud_use(j, x.service, within_ms(2), fetch_list, &x, &x.why);
		if (stop_why(&j->stop) != STOP_NOT)
			return job_stopped();
		if (e != ERR_OK)
			put_failed(&failed, &x, e);
		else
			put_files(&files, &x);
		if (x.files.next.n > 0 && e == ERR_OK)
			put_next(&next, &x, next_path(j->a, &x));
	}
	buf_printf(&body, "{\"files\":[%.*s],\"failed\":[%.*s],\"next\":{%.*s}}",
	    S_ARG(buf_str(&files)), S_ARG(buf_str(&failed)), S_ARG(buf_str(&next)));
	return end_with(j, S(""), buf_str(&body));
}

struct outcome
cloud_run(struct job *j)
{
	struct cloud_in in = { .limit = 100 };
	struct fetching x = { .in = &in, .why = "" };
	struct outcome o;

	if (!job_input(j, cloud_fields, sizeof(cloud_fields) / sizeof(*cloud_fields), &in, &o))
		return o;
	if (str_eq(in.do_, S("all")))
		return all(j, &in);
	x.service = cloud_service(in.platform);
	if (x.service && str_eq(in.do_, S("list")))
		return list(j, &x);
	if (x.service && in.id.n > 0 && str_eq(in.do_, S("file")))
		return file(j, &x);
	return job_failed("BAD_REQUEST", "There is no such work.");
}
