/* What machines ask: is it up, can it work, how much, what is there. */
#include <millrace/json.h>
#include <millrace/process.h>

#include "handlers/handlers.h"
#include "sql_api.h"

/* GET /healthz: this process answers. */
enum err
system_health(struct req *r)
{
	return reply_json(r, 200, S("{\"status\":\"ok\",\"version\":\"" MILLRACE_VERSION "\"}"));
}

static enum err
state_read(struct req *r)
{
	return reply_json(r, 200,
	    arena_printf(r->a, "{\"status\":\"ready\",\"migration\":%.*s,\"queued\":%.*s}",
		S_ARG(row_text(r, 0, 0)), S_ARG(row_text(r, 0, 1))));
}

/* GET /readyz: the database answers and is at this version (a worker asks nothing of another one). */
enum err
system_ready(struct req *r)
{
	return sql_system_state(r, state_read);
}

/* One sample; `stats` names may carry labels of their own: name{a="b"}. */
static void
put_sample(struct buf *b, struct str role, struct str pid, const char *name, json_object *value)
{
	struct str labels = str_cut(str_from(name), '{', &(struct str){ NULL, 0 });
	size_t bare = labels.p ? (size_t)(labels.p - name - 1) : strlen(name);

	buf_printf(b, "%.*s{role=\"%.*s\",pid=\"%.*s\"%s%.*s %s\n", (int)bare, name, S_ARG(role),
	    S_ARG(pid), labels.p ? "," : "", labels.p ? (int)labels.n : 1,
	    labels.p ? labels.p : "}", json_object_get_string(value));
}

static enum err
processes_read(struct req *r)
{
	struct buf *b = r->state;
	const char *why;

	for (int i = 0; i < row_count(r); i++) {
		json_object *stats;

		buf_printf(b,
		    "millrace_process_up{role=\"%.*s\",pid=\"%.*s\",version=\"%.*s\"} 1\n",
		    S_ARG(row_text(r, i, 0)), S_ARG(row_text(r, i, 1)), S_ARG(row_text(r, i, 2)));
		if (json_parse(r->a, row_text(r, i, 3), &stats, &why) != ERR_OK)
			continue;
		json_object_object_foreach (stats, name, value) {
			if (json_object_is_type(value, json_type_int) ||
			    json_object_is_type(value, json_type_double))
				put_sample(b, row_text(r, i, 0), row_text(r, i, 1), name, value);
		}
	}
	return reply_body(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(b));
}

static enum err
metrics_state_read(struct req *r)
{
	static const char *const names[] = {
		"millrace_migration",
		"millrace_jobs_queued",
		"millrace_jobs_leased",
		"millrace_jobs_dead",
		"millrace_queue_oldest_seconds",
		"millrace_runs_open",
	};
	struct buf *b = arena_alloc(r->a, sizeof(*b));

	b->a = r->a;
	for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
		buf_printf(
		    b, "# TYPE %s gauge\n%s %.*s\n", names[i], names[i], S_ARG(row_text(r, 0, i)));
	r->state = b;
	return sql_system_processes(r, processes_read, str_from(process_host()));
}

/* GET /metrics: Prometheus text; nginx lets local addresses only come here. */
enum err
system_metrics(struct req *r)
{
	return sql_system_state(r, metrics_state_read);
}

/* GET /api/openapi.json: made of the route table once a process. */
enum err
system_openapi(struct req *r)
{
	static struct arena *kept;
	static struct str document;

	if (!kept) {
		kept = arena_new();
		document = openapi_document(kept);
	}
	return reply_json(r, 200, document);
}
