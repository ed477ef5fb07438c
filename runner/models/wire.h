/*
 * The formats that models' servers are spoken to in, a row of functions each: what a request looks
 * like, and what a document of the reply says. exchange.c makes the exchange, which is the same
 * for all: it asks, reads the reply (reply.h), tells what came of it, and asks again without what
 * the server refuses to be asked. All of it runs in the job's thread, and blocks it.
 */
#ifndef RUNNER_MODELS_WIRE_H
#define RUNNER_MODELS_WIRE_H

#include <json-c/json.h>

#include "runner/models/provider.h"
#include "runner/outside/refusal.h"
#include "runner/models/traits.h"
#include "runner/outside/http.h"

struct reply;

/* What a request has and a server may refuse. */
enum {
	PART_USAGE = 1, /* OpenAI's stream_options */
	PART_TOOLS = 2,
	PART_STREAM = 4,
	PART_EXTRA = 8, /* what came with earlier messages of the turn and goes back */
	PART_SYSTEM = 16, /* a message of that role; else it stands before the user's first */
	PART_SAMPLING = 32, /* temperature, top_p */
	PART_LIMIT = 64, /* the bound of the answer as the model's row has it; else another way */
	PART_FORMAT = 128, /* Google's responseJsonSchema; the system's message has it, too */
	PART_NULL = 256, /* a message of tool calls alone says that its text is null; else "" */
	PARTS_ALL = 511
};

struct wire {
	const char *kind; /* as in settings */
	const char *title; /* "an OpenAI-compatible server", for a person */
	/* The reply says why it ends: without a reason it was cut, however its bytes ended */
	bool says_end;
	const char *key_header; /* the header that the key stands in; NULL: Authorization */
	const char *header; /* one more, as a line; NULL: none */
	/* Both the call's arena's. `parts`: those that may be sent. */
	const char *(*url)(const struct call *c, unsigned parts);
	struct str (*request)(const struct call *c, unsigned parts);
	/* Takes the counts that a document of the reply gives. */
	void (*on_usage)(struct reply *r, json_object *o);
	/* Reads a document that is no error. False where the reply is to be read no further. */
	bool (*on_document)(struct reply *r, json_object *o);
};

extern const struct wire wire_openai, wire_anthropic, wire_google;

/* One call of c->provider. */
enum call_end wire_call(struct call *c);
/* The header lines of a request to c->provider, its key among them; NULL at the end. */
const char *const *wire_headers(const struct call *c, const char *content_type);
/*
 * A request that was not answered with status 2xx: what comes of the call, with c->problem; *why
 * is filled where the server has refused it.
 */
enum call_end wire_failed(
    struct call *c, const struct http_request *q, enum http_end how, struct refusal *why);
/*
 * The provider has refused: fills c->refused, c->problem and c->retry_after_ms. CALL_BUSY where the
 * same may be answered another time, else CALL_REFUSED.
 */
enum call_end wire_refuse(struct call *c, struct refusal r, int64_t retry_after_ms);
/* What the provider was found to refuse of requests and may be believed to still: parts. */
unsigned wire_refused(const struct provider *p);
#define REFUSED_MAX (2 * PROVIDERS_MAX + PROVIDERS_MORE)
/* Where that is remembered for the provider of this number, below REFUSED_MAX. */
struct refused *wire_refused_new(size_t i);

/* -- for wires -- */

/* How a JSON object begins that only one vendor's server wants back with a message or a call. */
#define EXTRA_ANTHROPIC S("{\"anthropic\":")
#define EXTRA_GOOGLE S("{\"thoughtSignature\":")
/* How signatures begin that the gateway gives to thoughts of models whose vendors give none. */
#define THOUGHTS_OURS S("millrace.")

/* Without the system's part where a message of the system's is all: servers want one of the user's,
 * and wire_messages() makes it that. */
unsigned wire_parts(const struct call *c, unsigned parts);
/*
 * The messages to send, *n of them: where a system's may not be sent, it stands before the user's
 * first; where an answer is to be continued, that and the wish to stand last.
 */
const struct message *wire_messages(const struct call *c, unsigned parts, size_t *n);
/* The call that messages[i], of ROLE_TOOL, answers; NULL: none. */
const struct tool_call *wire_call_of(const struct message *messages, size_t i);
/* A piece of what a user says: text, or an image's or a file's address, which may be a data URL. */
struct wire_part {
	struct str text, image, file;
};
/*
 * The i-th piece of a message, from 0 on; false: there is none. Without parts its content is the
 * one. *parts is for these calls alone: the list is read once, by the first.
 */
bool wire_part(struct arena *a, const struct message *m, struct json_object **parts, size_t i,
    struct wire_part *out);
/* Cuts a base64 data URL (RFC 2397) into its type and its data. */
bool wire_is_data_url(struct str url, struct str *type, struct str *data);
/* A function's name as all vendors allow it: models invent others, and servers refuse those. */
void wire_put_name(struct buf *b, struct str name);
/* `name`, a literal with its comma and quotes, and `value`, where that is there. */
void wire_put_number(struct buf *b, const char *name, struct str value);
/* The call's tools, between commas; `schema` is what the vendor calls a tool's parameters. */
void wire_put_tools(const struct call *c, struct buf *b, const char *schema);
/* The base URL without slashes at its end. */
struct str wire_base(const struct call *c);
struct str anthropic_request(const struct call *c, unsigned parts);
/* The address of one of Google's methods of c->provider's model. */
const char *google_url(const struct call *c, const char *method);
/* Is there nothing in it but blanks? */
bool wire_is_blank(struct str s);

#endif
