/* Health, readiness, and the OpenAPI document. */
#include <millrace/process.h>

#include "fcgi/openapi.h"
#include "handlers/system/system.h"
#include "sql_api.h"

/* GET /healthz: this process answers. */
enum err
system_health(struct req *r)
{
	return reply_json(r, 200, S("{\"status\":\"ok\",\"version\":\"" MILLRACE_VERSION "\"}"));
}

static enum err
system_state_read(struct req *r)
{
	return reply_json(r, 200,
	    arena_printf(r->a, "{\"status\":\"ready\",\"migration\":%.*s,\"queued\":%.*s}",
		S_ARG(row_text(r, 0, 0)), S_ARG(row_text(r, 0, 1))));
}

/* GET /readyz: the database answers and is at this version (else req_ask replies 503). */
enum err
system_ready(struct req *r)
{
	return sql_system_state(r, system_state_read);
}

/* GET /api/openapi.json: made once in a process. */
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
