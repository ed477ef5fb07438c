/*
 * Fetching what a user's URL names: a page or a file of the web. Redirects are followed, each under
 * the guard of millrace/guard.h; size and time are bounded. Blocks the calling thread; its
 * stop ends that at once. Any thread.
 */
#ifndef RUNNER_OUTSIDE_PAGE_H
#define RUNNER_OUTSIDE_PAGE_H

#include <millrace/arena.h>

#include "runner/queue/stop.h"

enum page_end {
	PAGE_FETCHED = 1, /* its bytes are in the file */
	PAGE_SAME, /* it has not changed since it had that etag, or was modified (RFC 9110, 13) */
	PAGE_REFUSED, /* it is not to be had; why says it, for a person */
	PAGE_LATER, /* the same, but may pass */
	PAGE_STOPPED /* the stop is set */
};

struct page {
	/* What is asked. */
	struct str url; /* http or https */
	/* Of the fetch before, or "": the page is wanted only where it differs. */
	const char *etag_before, *last_modified_before;
	int file; /* a descriptor that is written from its beginning, and emptied first */
	int64_t bytes_max;
	/* Lines that are sent to the URL's own origin alone; NULL at the end, or NULL; never
	 * logged. */
	const char *const *secret_headers;

	/* What came; the arena's. */
	struct str final_url; /* after redirects */
	const char *content_type, *etag, *last_modified; /* "" for none */
	int64_t size; /* bytes in the file */
	const char *why;
};

/* Fills in what came, which after PAGE_FETCHED is the whole page. */
enum page_end page_fetch(struct stop *stop, struct arena *a, struct page *p);

/*
 * The URL as it is asked for (RFC 3986): what cannot stand in one is percent-encoded, the host is
 * in ASCII; without fragment, user and password. The arena's; absent: it is none of http or https.
 */
struct str page_url(struct arena *a, struct str url);

/*
 * The name that tells the extractor what text with that media type, of that URL, is: "page.html";
 * what is no text is told by its content. Static.
 */
const char *page_file_name(const char *content_type, struct str url);
/* The parameter charset of a media type, or "" where there is none; the arena's. */
const char *page_charset(struct arena *a, const char *content_type);

#endif
