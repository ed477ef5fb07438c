/*
 * The page of the web, or the file at a cloud service, that a document is: fetched into a file, and
 * kept in the database as an upload's file is. A job's thread; blocks.
 */
#ifndef RUNNER_JOBS_INGEST_PAGE_H
#define RUNNER_JOBS_INGEST_PAGE_H

#include "runner/outside/cloud.h"
#include "runner/queue/job.h"

/* What a document's page was when it was fetched last: "" for what is not known. */
struct page_before {
	struct str url;
	const char *etag, *last_modified;
	const char *sha256; /* hexadecimal */
	const struct cloud_service *service; /* whose `file` it is; NULL: it is the URL's page */
	struct str file;
};

/* How to read it; the job's arena's. */
struct page_read {
	const char *name, *charset; /* extract()'s */
	struct str facts; /* JSON: `page` of document_ready()'s metadata */
};

/*
 * Fetches the page into `file` and stores it. True: *in says how to read it. False: the job has
 * ended, or is to, with *o; what is not to be had, or is the same as before, leaves what is
 * indexed.
 */
bool ingest_page(struct job *j, const struct page_before *before, int file, struct page_read *in,
    struct outcome *o);

#endif
