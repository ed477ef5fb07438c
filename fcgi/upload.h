/*
 * Uploads: a route of BODY_UPLOAD gets its multipart body written into a blob, 256 KiB at a time, while other requests go on.
 * Its handler is called when the file is stored; r->state is then a struct upload.
 */
#ifndef FCGI_UPLOAD_H
#define FCGI_UPLOAD_H

#include "fcgi/request.h"

struct upload {
	struct uuid blob;
	int64_t size;
	struct str sha256; /* 32 bytes */
	struct str file_name;
	void *fields; /* the route's body table, filled from the form's other parts */
};

/* Begins the upload of a routed, identified request. An err before anything was stored becomes the reply. */
MUST_CHECK enum err upload_begin(struct req *r);

#endif
