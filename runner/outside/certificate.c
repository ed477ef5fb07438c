#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/outside/certificate.h"
#include "runner/outside/transfer.h"
#include "runner/queue/periodic.h"

#define WHOLE_MS 20000
#define RETRY_MS 60000
#define SOON_S (14 * 86400)

static atomic_llong end_s;

double
certificate_end(void)
{
	return (double)atomic_load(&end_s);
}

/*
 * Sees the certificate, whoever has signed it and whether or not it has ended, and accepts none:
 * the handshake ends there.
 */
static int
certificate_on_verify(int good, X509_STORE_CTX *context)
{
	const X509 *leaf = X509_STORE_CTX_get0_cert(context);
	struct tm tm;

	(void)good;
	if (leaf && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) == 1)
		atomic_store(&end_s, timegm(&tm));
	return 0;
}

static CURLcode
certificate_on_tls(CURL *easy, void *context, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificate_on_verify);
	return CURLE_OK;
}

int64_t
certificate_run(struct db *db, struct arena *a, struct stop *stop)
{
	int64_t left;
	struct transfer *t;
	CURLcode code;
	char days[24];

	(void)db;
	(void)a;
	if (strncmp(config()->public_url, "https://", 8) != 0)
		return PERIODIC_WHEN_WOKEN;
	atomic_store(&end_s, 0);
	t = transfer_acquire();
	curl_easy_setopt(t->easy, CURLOPT_URL, config()->public_url);
	curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, certificate_on_tls);
	curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	t->until_ms = clock_ms() + WHOLE_MS;
	(void)transfer_run(t, stop, &code);
	transfer_release(t);
	if (atomic_load(&end_s) == 0)
		return RETRY_MS;
	left = atomic_load(&end_s) - time(NULL);
	snprintf(days, sizeof(days), "%.1f", (double)left / 86400);
	if (left < SOON_S)
		log_warn("certificate: ends soon; renew it, and reload nginx", "at",
		    config()->public_url, "days", days);
	return PERIODIC_AS_TABLED;
}
