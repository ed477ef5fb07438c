#include <stdlib.h>

#include <openssl/ssl.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/log.h>
#include <millrace/version.h>

#include "runner/outside/transfer.h"

#define CONNECT_MS 10000L
#define IDLE_HANDLES 32 /* kept with their connections */

/*
 * The certificates that are trusted, read once for all connections: libcurl would read them for
 * each. They take a megabyte, so a runner that asks nobody does without.
 */
static X509_STORE *trusted;
static pthread_once_t trusted_once = PTHREAD_ONCE_INIT;

static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct transfer *idle;
static int n_idle;

void
transfer_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		die("libcurl cannot be started.");
}

static void
read_trusted(void)
{
	if ((trusted = X509_STORE_new()) == NULL || X509_STORE_set_default_paths(trusted) != 1)
		die("The system's certificates cannot be read.");
}

CURLcode
transfer_on_tls(CURL *easy, void *context, void *arg)
{
	(void)easy;
	(void)arg;
	pthread_once(&trusted_once, read_trusted);
	SSL_CTX_set1_cert_store(context, trusted);
	return CURLE_OK;
}

static void
set_up(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, transfer_on_tls);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	/* Nothing is to be compressed, but what a server keeps so, and sends so, is undone. */
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
}

struct transfer *
transfer_acquire(void)
{
	struct transfer *t;

	pthread_mutex_lock(&idle_lock);
	if ((t = idle) != NULL) {
		idle = t->next;
		n_idle--;
	}
	pthread_mutex_unlock(&idle_lock);
	if (!t) {
		t = xmalloc(sizeof(*t));
		*t = (struct transfer){ .multi = curl_multi_init(), .easy = curl_easy_init() };
		if (!t->multi || !t->easy)
			abort();
		curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, 1L);
	}
	set_up(t->easy);
	t->silence_ms = 0;
	t->until_ms = 0;
	t->on_tick = NULL;
	return t;
}

void
transfer_release(struct transfer *t)
{
	bool keep;

	curl_easy_reset(t->easy);
	pthread_mutex_lock(&idle_lock);
	if ((keep = n_idle < IDLE_HANDLES)) {
		t->next = idle;
		idle = t;
		n_idle++;
	}
	pthread_mutex_unlock(&idle_lock);
	if (keep)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	free(t);
}

static void
wake(void *arg)
{
	curl_multi_wakeup(arg);
}

static void
wake_on(struct transfer *t, struct stop *stop)
{
	stop_on_set(stop, wake, t->multi);
}

/* What on_tick asks has the stop to itself meanwhile. */
static bool
tick(struct transfer *t, struct stop *stop)
{
	bool more;

	stop_on_set(stop, NULL, NULL);
	more = t->on_tick(t->tick_arg);
	wake_on(t, stop);
	t->next_tick = clock_ms() + t->tick_ms;
	return more;
}

/* How long it may go on as it is; 0: no longer. */
static int64_t
time_left(const struct transfer *t, int64_t now)
{
	int64_t left = INT32_MAX;

	if (t->silence_ms > 0 && t->last_ms + t->silence_ms - now < left)
		left = t->last_ms + t->silence_ms - now;
	if (t->until_ms > 0 && t->until_ms - now < left)
		left = t->until_ms - now;
	return left > 0 ? left : 0;
}

static enum transfer_end
wait_for_end(struct transfer *t, struct stop *stop)
{
	int running = 1;

	for (;;) {
		int64_t now = clock_ms(), left;

		if (curl_multi_perform(t->multi, &running) != CURLM_OK)
			abort();
		if (running == 0)
			return TRANSFER_OVER;
		if (stop_why(stop) != STOP_NOT)
			return TRANSFER_STOPPED;
		if ((left = time_left(t, now)) == 0)
			return TRANSFER_SILENT;
		if (t->on_tick && t->next_tick <= now) {
			if (!tick(t, stop))
				return TRANSFER_ENDED;
			continue;
		}
		if (t->on_tick && t->next_tick - now < left)
			left = t->next_tick - now;
		curl_multi_poll(t->multi, NULL, 0, (int)left, NULL);
	}
}

enum transfer_end
transfer_run(struct transfer *t, struct stop *stop, CURLcode *code)
{
	enum transfer_end end;
	CURLMsg *msg;
	int left;

	*code = CURLE_OK;
	t->last_ms = clock_ms();
	t->next_tick = t->last_ms + t->tick_ms;
	curl_multi_add_handle(t->multi, t->easy);
	wake_on(t, stop);
	end = wait_for_end(t, stop);
	stop_on_set(stop, NULL, NULL);
	while ((msg = curl_multi_info_read(t->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			*code = msg->data.result;
	curl_multi_remove_handle(t->multi, t->easy);
	return end;
}
