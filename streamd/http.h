/*
 * A request's head, as nginx sends it. http-parser is known to http.c alone. Bodies are not read: the requests that come here
 * have none, and every connection carries one request.
 */
#ifndef STREAMD_HTTP_H
#define STREAMD_HTTP_H

#include <millrace/arena.h>

enum http_method_kind { METHOD_OTHER, METHOD_GET, METHOD_HEAD };

struct http_parse;

struct http_head {
	struct arena *arena; /* the head's own; what is read from it may go there too */
	struct http_parse *parse;
	enum http_method_kind method;
	struct str path; /* up to '?' */
	struct str grant; /* X-Grant; absent where there is none */
	struct str request_id;
};

enum http_state { HTTP_MORE, HTTP_READY, HTTP_BAD, HTTP_TOO_LARGE };

/* The caller frees it with http_head_free; NULL is ignored there. */
struct http_head *http_head_new(void);
void http_head_free(struct http_head *h);
/* Takes the next bytes. After anything but HTTP_MORE no more may be given; the fields are whole after HTTP_READY. */
enum http_state http_head_feed(struct http_head *h, struct str bytes);
/* Has anything come? */
bool http_head_begun(const struct http_head *h);
/* "Not Found" for 404; a status that nobody knows is "Unknown". */
const char *http_reason(int status);

#endif
