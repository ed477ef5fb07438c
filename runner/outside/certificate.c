#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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
static atomic_int fault;
static char host[256]; /* of MILLRACE_PUBLIC_URL; the periodic work's alone */

double
certificate_end(void)
{
	return (double)atomic_load(&end_s);
}

double
certificate_fault(void)
{
	return atomic_load(&fault);
}

static bool
is_for_host(X509 *leaf)
{
	return X509_check_host(leaf, host, 0, 0, NULL) == 1 ||
	       X509_check_ip_asc(leaf, host, 0) == 1;
}

/* The first error of the chain; a time's is told by the end. */
static enum certificate_fault
fault_of(X509 *leaf, int error)
{
	if (error != X509_V_OK && error != X509_V_ERR_CERT_HAS_EXPIRED &&
	    error != X509_V_ERR_CERT_NOT_YET_VALID)
		return CERTIFICATE_ISSUER;
	return is_for_host(leaf) ? CERTIFICATE_TAKEN : CERTIFICATE_NAME;
}

/*
 * Sees the certificate, whoever has signed it and whether or not it has ended, and accepts none:
 * the handshake ends there.
 */
static int
certificate_on_verify(int good, X509_STORE_CTX *context)
{
	X509 *leaf = X509_STORE_CTX_get0_cert(context);
	struct tm tm;

	if (!leaf || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return 0;
	atomic_store(&fault, fault_of(leaf, good ? X509_V_OK : X509_STORE_CTX_get_error(context)));
	atomic_store(&end_s, timegm(&tm));
	return 0;
}

static CURLcode
certificate_on_tls(CURL *easy, void *context, void *arg)
{
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, certificate_on_verify);
	return transfer_on_tls(easy, context, arg);
}

static void
find_host(void)
{
	CURLU *u = curl_url();
	char *found = NULL;

	host[0] = '\0';
	if (u && curl_url_set(u, CURLUPART_URL, config()->public_url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &found, 0) == CURLUE_OK)
		snprintf(host, sizeof(host), "%.*s", (int)strcspn(found + (*found == '['), "]"),
		    found + (*found == '['));
	curl_free(found);
	curl_url_cleanup(u);
}

static void
log_what_is_wrong(void)
{
	int64_t left = atomic_load(&end_s) - time(NULL);
	char days[24];

	snprintf(days, sizeof(days), "%.1f", (double)left / 86400);
	if (left < SOON_S)
		log_warn("certificate: ends soon; renew it, and reload nginx", "at",
		    config()->public_url, "days", days);
	if (atomic_load(&fault) == CERTIFICATE_ISSUER)
		log_warn("certificate: its issuer is not trusted, or its chain is not complete",
		    "at", config()->public_url);
	else if (atomic_load(&fault) == CERTIFICATE_NAME)
		log_warn("certificate: is for another name", "at", config()->public_url);
}

int64_t
certificate_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct transfer *t;
	CURLcode code;

	(void)db;
	(void)a;
	if (strncmp(config()->public_url, "https://", 8) != 0)
		return PERIODIC_WHEN_WOKEN;
	find_host();
	atomic_store(&end_s, 0);
	atomic_store(&fault, CERTIFICATE_TAKEN);
	t = transfer_acquire();
	curl_easy_setopt(t->easy, CURLOPT_URL, config()->public_url);
	curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, certificate_on_tls);
	curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	t->until_ms = clock_ms() + WHOLE_MS;
	(void)transfer_run(t, stop, &code);
	transfer_release(t);
	if (atomic_load(&end_s) == 0)
		return RETRY_MS;
	log_what_is_wrong();
	return PERIODIC_AS_TABLED;
}
