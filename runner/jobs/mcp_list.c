/* Asks a server of tools what it has, for whoever has just added it. */
#include "runner/jobs/kinds.h"
#include "runner/jobs/remote.h"
#include "sql_job.h"

struct list_in {
	struct str server; /* its name */
};

static const struct field list_fields[] = {
	F_STR(struct list_in, server, 1, INT32_MAX, REQUIRED),
};

struct outcome
mcp_list_run(struct job *j)
{
	struct list_in in = { 0 };
	struct outcome o;
	enum err e;

	if (!job_input(j, list_fields, 1, &in, &o))
		return o;
	e = remote_list(j, in.server);
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	if (e != ERR_OK)
		return job_db_error(j, e, "a server's tools could not be stored");
	return job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
}
