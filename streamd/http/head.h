/*
 * A request as nginx sends it: its head, and the small body of a poll of Engine.IO. http-parser is known to http.c alone. Every
 * connection carries one request; what follows the head of one that asks for another protocol is that protocol's.
 */
#ifndef STREAMD_HTTP_HEAD_H
#define STREAMD_HTTP_HEAD_H

#include <millrace/arena.h>

enum http_method_kind { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS };

/* The longest body that is read. A little more than Engine.IO's largest payload: what is too long for it is still read, so that its
   sender hears so. */
#define HTTP_BODY_MAX ((size_t)1024 * 1024)

struct http_parse;

struct http_head {
	struct arena *arena; /* the head's own; what is read from it may go there too */
	struct http_parse *parse;
	enum http_method_kind method;
	struct str path; /* up to '?' */
	struct str query; /* after it; absent where there is none */
	bool wants_upgrade; /* Upgrade: websocket, with Connection: upgrade */
	/* Headers; absent where they did not come. */
	struct str grant; /* X-Grant */
	struct str request_id;
	struct str origin;
	struct str type; /* Content-Type */
	struct str ws_key, ws_version, ws_extensions; /* Sec-WebSocket-… */
	struct str body;
	struct str rest; /* what came after the request, as given to http_head_feed */
};

enum http_state { HTTP_MORE, HTTP_READY, HTTP_BAD, HTTP_TOO_LARGE };

/* The caller frees it with http_head_free; NULL is ignored there. */
struct http_head *http_head_new(void);
void http_head_free(struct http_head *h);
/* Takes the next bytes, which must stay as long as `rest` is of use. After anything but HTTP_MORE no more may be given; the fields are
   whole after HTTP_READY. */
enum http_state http_head_feed(struct http_head *h, struct str bytes);
/* Has anything come? */
bool http_head_begun(const struct http_head *h);
/* "Not Found" for 404; a status that nobody knows is "Unknown". */
const char *http_reason(int status);

#endif
