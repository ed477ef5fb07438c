/*
 * Files at Google Drive (Drive API v3) and at Microsoft's OneDrive and SharePoint (Graph v1.0):
 * what a folder holds, one file's facts, its bytes, and what has changed. Requests are sent again
 * where the service says so, or is away, for as long as the caller lets them; 401 is the caller's
 * to handle, by a new access token. Each blocks the calling thread; its stop ends that at once. Any
 * thread.
 */
#ifndef RUNNER_OUTSIDE_CLOUD_H
#define RUNNER_OUTSIDE_CLOUD_H

#include <millrace/json.h>

#include "runner/outside/sink.h"

struct cloud_file {
	struct str id; /* "ITEM", or "DRIVE:ITEM" of a drive that is not the user's own */
	struct str name;
	struct str mime_type, modified_at, web_url; /* absent where the service does not say */
	/* id of the folder that it is in; absent where the service does not say */
	struct str parent;
	struct str version; /* differs where the content does */
	int64_t size; /* bytes; -1: not said */
	bool is_folder;
	bool is_link; /* it stands for what `id` is, which is elsewhere */
	bool is_removed; /* deleted, in the trash, or not this account's to see any more */
	bool has_no_form; /* `fetch` cannot give it */
};

struct cloud_files {
	struct cloud_file *p;
	size_t n, room;
	struct str next; /* cursor of the next page; absent after the last */
	bool is_last; /* of changes: `next` asks for those that are still to come */
};

/* One user's access, and how the last request went. What comes is the arena's. */
struct cloud {
	struct stop *stop;
	struct arena *a;
	const char *title; /* the service's */
	const char *token; /* for nobody's eyes */
	/* no try begins later, and but for a file's bytes none ends; clock_ms() */
	int64_t until_ms;
	const char *why; /* of an error: for a person */
	/* after ERR_UPSTREAM_FAILED: the service asked for so long; 0: it did not */
	int64_t wait_ms;
};

/*
 * Errors of all five: ERR_UNAUTHORIZED (the access token is not taken any more), ERR_NOT_CONNECTED
 * (it was never given for files), ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_BAD_REQUEST (a folder or cursor
 * that there is not), ERR_TOO_LARGE, ERR_UPSTREAM_FAILED (which may pass) and ERR_CONFLICT (the
 * stop is set).
 */
struct cloud_service {
	const char *name; /* of the platform, as data sources have it: "google_drive" */
	const char *provider; /* whose sign-in gives the token: "google" */
	const char *title; /* as people write it */
	/*
	 * A page of a folder. Without one, of the user's own files, behind the shared drives, which
	 * are folders. `cursor`: absent, or the one that came with the page before.
	 */
	enum err (*list)(struct cloud *c, struct str folder, struct str cursor, int64_t rows,
	    struct cloud_files *out);
	enum err (*show)(struct cloud *c, struct str id, struct cloud_file *out);
	/*
	 * Writes the bytes of a file that `show` gave into the sink. What has none of its own, as
	 * Google's documents, is exported: f->name then gets the form's ending.
	 */
	enum err (*fetch)(struct cloud *c, struct cloud_file *f, struct sink *into);
	/* Where changes of the drive that a folder is in are counted from, now. */
	enum err (*mark)(struct cloud *c, struct str folder, struct str *mark);
	/*
	 * A page of what has changed since: in any order, the last of one id counts. `mark` came
	 * from above, or as `next` of the page before. ERR_NOT_FOUND, ERR_BAD_REQUEST or
	 * ERR_FORBIDDEN: the service does not know any more.
	 */
	enum err (*changes)(
	    struct cloud *c, struct str folder, struct str mark, struct cloud_files *out);
};

extern const struct cloud_service cloud_drive, cloud_graph;

/* The service of this name, or NULL. */
const struct cloud_service *cloud_service(struct str name);

/* -- for the services -- */

/* "DRIVE:ITEM" in its halves; *drive is absent for "ITEM". */
void cloud_id_split(struct str id, struct str *drive, struct str *item);
/* The other way; the arena's. */
struct str cloud_id_join(struct arena *a, struct str drive, struct str item);
/* One more of the list, zeroed. */
struct cloud_file *cloud_file_add(struct arena *a, struct cloud_files *list);
/* Asks for a JSON object. */
MUST_CHECK enum err cloud_get(struct cloud *c, const char *url, json_object **out);
/* Sends q, which reads only, until the reply is a good one (2xx or 3xx); sets its times. */
MUST_CHECK enum err cloud_call(struct cloud *c, struct http_request *q);
/* Writes what the URL gives into the sink. `q` says the rest, and has what came. */
MUST_CHECK enum err cloud_download(struct cloud *c, struct http_request *q, struct sink *into);
/* The same, where no other place may be named instead: an empty reply is no empty file. */
MUST_CHECK enum err cloud_bytes(struct cloud *c, struct http_request *q, struct sink *into);

#endif
