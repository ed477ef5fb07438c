/* Health, readiness, and the OpenAPI document. */
#include <time.h>

#include <millrace/db.h>
#include <millrace/disk.h>
#include <millrace/process.h>

#include "fcgi/openapi.h"
#include "handlers/system/system.h"
#include "sql_api.h"

/* Each process writes its heartbeat every few seconds, and so notices a disk that is full still. */
#define DISK_FULL_SECONDS 30

/* GET /healthz: this process answers. */
enum err
system_health(struct req *r)
{
	return reply_json(r, 200, S("{\"status\":\"ok\",\"version\":\"" MILLRACE_VERSION "\"}"));
}

static enum err
system_ready_read(struct req *r)
{
	struct str missing = row_text(r, 0, 1);

	if (disk_full_at() > time(NULL) - DISK_FULL_SECONDS)
		return refuse(r, ERR_OVERLOADED, DB_DISK_FULL);
	if (missing.p)
		return refuse(
		    r, ERR_OVERLOADED, arena_printf(r->a, "Missing: %.*s.", S_ARG(missing)).p);
	return reply_json(r, 200, row_text(r, 0, 0));
}

/*
 * GET /readyz: the database answers and is at this version (else req_ask replies 503), has room as
 * far as this process knows, and every role is there.
 */
enum err
system_ready(struct req *r)
{
	return sql_system_ready(r, system_ready_read, S(MILLRACE_VERSION));
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
