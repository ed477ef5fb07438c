/*
 * runner/outside/http.c against a server of this test's own: whole and streamed replies, tries,
 * bounds, the guard, the breaker, the stop.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>

#include "runner/outside/http.h"
#include "runner/outside/transfer.h"
#include "runner/thread.h"
#include "test.h"

#define LONG ((size_t)300 * 1024)
#define OPEN "127.0.0.3" /* to users' addresses, as a network of MILLRACE_FETCH_NETWORKS */

static int listening, port;
static atomic_int n_asked; /* requests since the last case began */
static pthread_mutex_t request_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_request[4096];
static struct stop stop;

/* -- the server -- */

static void
send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void
send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

static void
send_long(int fd)
{
	char *bytes = xmalloc(LONG);

	memset(bytes, 'x', LONG);
	send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	send_all(fd, bytes, LONG);
	free(bytes);
}

static void
reply(int fd, const char *path, int nth)
{
	if (strcmp(path, "/ok") == 0)
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
			      "Connection: close\r\n\r\nhello");
	else if (strcmp(path, "/long") == 0)
		send_long(fd);
	else if (strcmp(path, "/third") == 0 && nth < 3)
		send_text(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
			      "busy");
	else if (strcmp(path, "/second") == 0 && nth < 2)
		send_text(fd, "HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n");
	else if (strcmp(path, "/hour") == 0)
		send_text(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n");
	else if (strcmp(path, "/cut") == 0)
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");
	else if (strcmp(path, "/moved") == 0)
		send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n");
	else if (strcmp(path, "/silent") == 0)
		sleep_ms(2000);
	else if (strcmp(path, "/stream") == 0) {
		send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none ");
		sleep_ms(30);
		send_text(fd, "two");
	} else
		send_text(
		    fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast");
}

static void *
serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg, nth;
	char request[4096] = "", path[256] = "", *space;
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(request) - 1 && !strstr(request, "\r\n\r\n") &&
	       (got = recv(fd, request + n, sizeof(request) - 1 - n, 0)) > 0)
		n += (size_t)got;
	nth = atomic_fetch_add(&n_asked, 1) + 1;
	pthread_mutex_lock(&request_lock);
	memcpy(last_request, request, sizeof(request));
	pthread_mutex_unlock(&request_lock);
	if ((space = strchr(request, ' ')) != NULL)
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(space + 1, " "), space + 1);
	reply(fd, path, nth);
	close(fd);
	return NULL;
}

static void *
serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(listening, NULL, NULL)) >= 0)
		thread_start(NULL, serve_one, (void *)(intptr_t)fd, true);
	return NULL;
}

static void
start_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
	socklen_t len = sizeof(at);

	if ((listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    bind(listening, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listening, 100) != 0 ||
	    getsockname(listening, (struct sockaddr *)&at, &len) != 0)
		abort();
	port = ntohs(at.sin_port);
	thread_start(NULL, serve, NULL, true);
}

/*
 * A resolver whose answer for this name is another one each time that it is asked: first the
 * network that is open, then this host's own. All else is resolved as it is.
 */
#define CHANGING "changing.example"

static atomic_int n_resolved;

int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && strcmp(node, CHANGING) == 0)
		node = atomic_fetch_add(&n_resolved, 1) == 0 ? OPEN : "127.0.0.1";
	return real(node, service, hints, result);
}

/* -- the cases -- */

/* Did the last request hold this? */
static bool
asked_with(const char *text)
{
	bool found;

	pthread_mutex_lock(&request_lock);
	found = strstr(last_request, text) != NULL;
	pthread_mutex_unlock(&request_lock);
	return found;
}

static struct http_request
get(struct arena *a, const char *path)
{
	atomic_store(&n_asked, 0);
	return (struct http_request){ .url = arena_printf(a, "http://127.0.0.1:%d%s", port, path).p,
		.within_ms = 5000,
		.reply_max = 1024,
		.patience_ms = 2000 };
}

static void
whole(struct arena *a)
{
	static const char *const headers[] = { "X-One: 1", NULL };
	struct http_request q = get(a, "/ok");

	q.headers = headers;
	q.bearer = "secret";
	CHECK("a reply comes whole", http_call(&stop, a, &q) == HTTP_DONE && q.status == 200 &&
					 str_eq(q.reply, S("hello")) &&
					 strcmp(q.content_type, "text/plain") == 0);
	CHECK("with our headers", asked_with("GET /ok HTTP/1.1") &&
				      asked_with("\r\nX-One: 1\r\n") &&
				      asked_with("\r\nAuthorization: Bearer secret\r\n"));
	q = get(a, "/ok");
	q.body = S("{}");
	CHECK("a body makes it a POST",
	    http_call(&stop, a, &q) == HTTP_DONE && asked_with("POST /ok HTTP/1.1"));
	q = get(a, "/ok");
	q.method = "DELETE";
	CHECK("another method is named",
	    http_call(&stop, a, &q) == HTTP_DONE && asked_with("DELETE /ok HTTP/1.1"));
	q = get(a, "/long");
	CHECK("one that is too long is broken off", http_call(&stop, a, &q) == HTTP_TOO_LONG);
	q.reply_max = LONG;
	CHECK(
	    "one that just fits is not", http_call(&stop, a, &q) == HTTP_DONE && q.reply.n == LONG);
	q = get(a, "/moved");
	CHECK("no redirect is followed",
	    http_call(&stop, a, &q) == HTTP_DONE && q.status == 302 && atomic_load(&n_asked) == 1);
	q.url = "gopher://127.0.0.1/";
	CHECK("no other scheme goes out", http_call(&stop, a, &q) == HTTP_NO_CONNECT);
	q.url = "http://";
	CHECK("nor what is no URL", http_call(&stop, a, &q) == HTTP_NO_CONNECT);
}

static void
tries(struct arena *a)
{
	struct http_request q = get(a, "/third");
	int64_t start;

	q.tries = 3;
	q.idempotent = true;
	CHECK("what is idempotent is tried again",
	    http_call(&stop, a, &q) == HTTP_DONE && q.status == 200 && atomic_load(&n_asked) == 3);
	q = get(a, "/third");
	q.tries = 3;
	CHECK("what is not is sent once", http_call(&stop, a, &q) == HTTP_DONE && q.status == 503 &&
					      str_eq(q.reply, S("busy")) &&
					      atomic_load(&n_asked) == 1);
	q = get(a, "/cut");
	q.tries = 2;
	CHECK("nor again where the reply broke off",
	    http_call(&stop, a, &q) == HTTP_CUT && atomic_load(&n_asked) == 1);
	q.idempotent = true;
	CHECK("but where that does no harm",
	    http_call(&stop, a, &q) == HTTP_CUT && atomic_load(&n_asked) == 3);
	q = get(a, "/second");
	q.tries = 2;
	q.idempotent = true;
	start = clock_ms();
	CHECK("Retry-After is waited for",
	    http_call(&stop, a, &q) == HTTP_DONE && q.status == 200 && clock_ms() - start >= 1000);
	q = get(a, "/hour");
	q.tries = 3;
	q.idempotent = true;
	CHECK("unless that is too long", http_call(&stop, a, &q) == HTTP_DONE && q.status == 503 &&
					     q.retry_after_ms == 3600 * 1000 &&
					     atomic_load(&n_asked) == 1);
}

static enum http_want
take_all(void *arg, struct str bytes)
{
	buf_put(arg, bytes);
	return HTTP_MORE;
}

static enum http_want
take_first(void *arg, struct str bytes)
{
	buf_put(arg, bytes);
	return HTTP_NO_MORE;
}

static void
streamed(struct arena *a)
{
	struct buf b = { .a = a };
	struct http_request q = get(a, "/stream");

	q.on_body = take_all;
	q.arg = &b;
	CHECK("a reply is handed on as it comes",
	    http_call(&stop, a, &q) == HTTP_DONE && str_eq(buf_str(&b), S("one two")));
	b = (struct buf){ .a = a };
	q = get(a, "/stream");
	q.on_body = take_first;
	q.arg = &b;
	q.useful = true;
	CHECK("until no more is wanted",
	    http_call(&stop, a, &q) == HTTP_ENDED && str_eq(buf_str(&b), S("one ")));
	b = (struct buf){ .a = a };
	q = get(a, "/third");
	q.on_body = take_all;
	q.arg = &b;
	CHECK("another status is not handed on", http_call(&stop, a, &q) == HTTP_DONE &&
						     q.status == 503 && b.n == 0 &&
						     str_eq(q.reply, S("busy")));
}

static void *
set_stop(void *arg)
{
	sleep_ms(100);
	stop_set(arg, STOP_CANCELLED);
	return NULL;
}

/* Asks somebody else, by the same stop, and has had enough at the third time. */
static bool
on_tick(void *arg)
{
	struct arena *a = arena_new();
	struct http_request q = get(a, "/ok");
	int *ticks = arg;
	bool good = http_call(&stop, a, &q) == HTTP_DONE;

	arena_free(a);
	return good && ++*ticks < 3;
}

static void
ticks(struct arena *a)
{
	struct http_request q = get(a, "/silent");
	int n = 0;

	q.on_tick = on_tick;
	q.arg = &n;
	q.tick_ms = 50;
	CHECK("while nothing comes, others are asked, until it is enough",
	    http_call(&stop, a, &q) == HTTP_ENDED && n == 3);
	q = get(a, "/ok");
	q.socket = "/nonexistent";
	CHECK("a socket that is not there is not connected to",
	    http_call(&stop, a, &q) == HTTP_NO_CONNECT);
}

static void
bounds(struct arena *a)
{
	struct http_request q = get(a, "/silent");
	struct stop other;
	int64_t start = clock_ms();
	pthread_t t;

	q.within_ms = 200;
	CHECK("all of it has a time limit",
	    http_call(&stop, a, &q) == HTTP_SILENT && clock_ms() - start < 15000);
	q = get(a, "/silent");
	q.silence_ms = 200;
	start = clock_ms();
	CHECK(
	    "so has silence", http_call(&stop, a, &q) == HTTP_SILENT && clock_ms() - start < 15000);
	stop_init(&other);
	q = get(a, "/silent");
	start = clock_ms();
	thread_start(&t, set_stop, &other, true);
	CHECK("a stop ends it at once",
	    http_call(&other, a, &q) == HTTP_STOPPED && clock_ms() - start < 15000);
	pthread_join(t, NULL);
	stop_destroy(&other);
}

static void
foreign(struct arena *a)
{
	struct http_request q = get(a, "/ok");

	q.foreign = true;
	q.tries = 3;
	CHECK("a user's URL does not reach us",
	    http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_asked) == 0);
	q.url = arena_printf(a, "http://localhost:%d/ok", port).p;
	CHECK(
	    "by no name", http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_asked) == 0);
	q.url = arena_printf(a, "http://[::ffff:127.0.0.1]:%d/ok", port).p;
	CHECK("and not as IPv6",
	    http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_asked) == 0);
	q.url = arena_printf(a, "http://2130706433:%d/ok", port).p;
	CHECK("nor as a number",
	    http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_asked) == 0);
	setenv("http_proxy", arena_printf(a, "http://127.0.0.1:%d", port).p, 1);
	CHECK("nor by a proxy",
	    http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_asked) == 0);
	unsetenv("http_proxy");
	q = get(a, "/ok");
	q.foreign = true;
	q.url = arena_printf(a, "http://" CHANGING ":%d/ok", port).p;
	CHECK("an address that the administrator has opened is reached by a name",
	    http_call(&stop, a, &q) == HTTP_DONE && atomic_load(&n_asked) == 1);
	/* An address is known for a minute, by name and port. */
	q.url = "http://" CHANGING ":9/ok";
	CHECK("and not where the name points elsewhere the next time",
	    http_call(&stop, a, &q) == HTTP_FORBIDDEN && atomic_load(&n_resolved) == 2);
}

/* Forty hosts that nobody listens at. */
static void
dead_hosts(struct arena *a)
{
	struct http_request q;
	bool good = true;
	int none = port == 9 ? 10 : 9;

	for (int host = 2; host <= 41; host++) {
		q = get(a, "/ok");
		q.url = arena_printf(a, "http://127.0.0.%d:%d/", host, none).p;
		for (int i = 0; i < 8; i++)
			EACH(good, http_call(&stop, a, &q) == HTTP_NO_CONNECT, "%s", q.url);
		EACH(good, http_call(&stop, a, &q) == HTTP_OPEN, "%s", q.url);
	}
	CHECK("each of forty dead hosts is called no more", good);
	q = get(a, "/ok");
	CHECK("and shuts nobody out", http_call(&stop, a, &q) == HTTP_DONE && q.status == 200);
}

int
main(void)
{
	struct arena *a = arena_new();

	setenv("no_proxy", "*", 1);
	setenv("MILLRACE_FETCH_NETWORKS", OPEN, 1);
	config_load(CONFIG_NO_SECRETS);
	transfer_init();
	stop_init(&stop);
	start_server();
	whole(a);
	tries(a);
	streamed(a);
	bounds(a);
	ticks(a);
	foreign(a);
	dead_hosts(a);
	arena_free(a);
	return test_end();
}
