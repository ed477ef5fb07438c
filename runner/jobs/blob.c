#include <unistd.h>

#include "runner/jobs/blob.h"
#include "sql_job.h"

enum err
blob_load(struct job *j, struct uuid blob, int64_t size, int file)
{
	int64_t have = 0;
	enum err e = ERR_OK;

	for (int64_t n = 0; have < size && e == ERR_OK; n++) {
		struct arena *a = arena_new();
		unsigned char *bytes;
		PGresult *res = NULL;
		size_t len = 0;

		e = job_runner_blob_part(j, a, &res, blob, n);
		if (e == ERR_OK && PQntuples(res) != 1)
			e = ERR_NOT_FOUND;
		if (e == ERR_OK &&
		    (bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(res, 0, 0), &len)) !=
			NULL) {
			if (len == 0 || pwrite(file, bytes, len, (off_t)have) != (ssize_t)len)
				e = ERR_INTERNAL;
			have += (int64_t)len;
			PQfreemem(bytes);
		}
		if (stop_why(&j->stop) != STOP_NOT)
			e = ERR_CONFLICT;
		arena_free(a);
	}
	return e;
}
