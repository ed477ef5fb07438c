/*
 * Uploads: the multipart body of a BODY_UPLOAD route (RFC 7578) is stored as a blob, 256 KiB at a
 * time, while other requests go on. The route's handler is called when the file is stored. So is a
 * JSON body beyond 1 MiB, where the route takes one: r->body is then what skeleton.h leaves of it,
 * and r->upload the whole.
 */
#ifndef FCGI_UPLOAD_H
#define FCGI_UPLOAD_H

#include "fcgi/request.h"

/* The stored file, r->upload; the arena's. */
struct upload {
	struct uuid blob;
	int64_t size; /* bytes */
	struct str sha256; /* 32 bytes; of JSON r->body_sha256 */
	struct str file_name; /* without directories; 1 to 255 bytes; absent for JSON */
	void *fields; /* the form's other parts, bound by the route's body table; NULL for JSON */
};

/* The bound fields as the table's struct; aborts for another table than the route's. */
#define upload_fields(r, table) ((const table##_struct *)upload_bound((r), &(table)))
const void *upload_bound(const struct req *r, const struct field_table *t);

/*
 * Begins the upload of a routed, identified request. ERR_TOO_LARGE or ERR_UNSUPPORTED_MEDIA_TYPE
 * before anything is read; what is found wrong later ends the request by itself.
 */
MUST_CHECK enum err upload_begin(struct req *r);
/* The request with r->upload is answered: gives the file up where no handler has taken it. */
void upload_ended(struct req *r, int status);

#endif
