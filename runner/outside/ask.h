/*
 * One small request to another host, and its reply whole: for what is asked of a provider beside models. Built upon http.h, which says what
 * is trusted and what stops it; with the circuit breaker of its host, and a time limit for all of it.
 */
#ifndef MILLRACE_RUNNER_ASK_H
#define MILLRACE_RUNNER_ASK_H

#include <millrace/arena.h>

struct job;

enum ask_end {
	ASK_DONE = 1, /* a reply has come; status says which */
	ASK_NO_CONNECT, /* nothing was sent */
	ASK_FAILED, /* no reply, and what became of the request is not known */
	ASK_STOPPED /* job_stop spoke */
};

struct ask {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *url;
	const char *bearer; /* or NULL */
	const char *const *headers; /* lines; NULL at the end */
	struct str body;
	bool repeatable; /* may be sent again where it is not known what became of it */

	int status;
	struct str
	    reply; /* at most 256 KiB, of another status than 200 the first 16; the job's arena's */
	char error[256]; /* why none came, for the log */
};

/* Tries up to three times where that does no harm. */
enum ask_end ask(struct job *j, struct ask *q);

#endif
