/*
 * A request as nginx sends it (RFC 9112): its head, and the small body of an Engine.IO POST. Only
 * head.c knows http-parser. A connection carries one request; what follows a request for an
 * upgrade belongs to the other protocol.
 */
#ifndef STREAMD_HTTP_HEAD_H
#define STREAMD_HTTP_HEAD_H

#include <millrace/arena.h>

enum http_method_kind { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS };

/* The longest body that is read, in bytes. It exceeds Engine.IO's largest payload, so that a
   payload that is too long is still read and its sender gets the response. */
#define HTTP_BODY_MAX ((size_t)1024 * 1024)

struct http_parse;

/* All strs are the arena's, but for `rest`. */
struct http_head {
	struct arena *arena; /* the head's own, for what is derived from it, too */
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
	struct str rest; /* what came after the request; points into http_head_feed's bytes */
};

enum http_state { HTTP_MORE, HTTP_READY, HTTP_BAD, HTTP_HEAD_TOO_LARGE, HTTP_TOO_LARGE };

/* Never NULL. The caller frees it with http_head_free, which ignores NULL. */
struct http_head *http_head_new(void);
void http_head_free(struct http_head *h);
/* Parses the next bytes, which must stay as long as `rest` is used. Feed nothing more after any
   result but HTTP_MORE. After HTTP_READY the fields are set; a head over 64 KiB is
   HTTP_HEAD_TOO_LARGE, a body over HTTP_BODY_MAX HTTP_TOO_LARGE, anything that is not HTTP
   HTTP_BAD. */
enum http_state http_head_feed(struct http_head *h, struct str bytes);
/* Has any byte been fed? */
bool http_head_begun(const struct http_head *h);
/* The status's reason phrase ("Not Found"), or "Unknown". */
const char *http_reason(int status);

#endif
