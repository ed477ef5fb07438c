/*
 * --jq: the input is an expression of jq's, a NUL, and a JSON text; the reply is the expression's
 * first result as JSON, or null where it has none. The expression is a stranger's: it runs in the
 * sandbox, within JQ_SECONDS_MAX and JQ_MEMORY_MAX.
 */
#ifndef MILLRACE_EXTRACT_JQ_H
#define MILLRACE_EXTRACT_JQ_H

#include "extract/extract.h"

#define JQ_SECONDS_MAX 5 /* processor time */
#define JQ_MEMORY_MAX (256 * MIB) /* address space, with the libraries */
#define JQ_OUTPUT_MAX MIB

/* Writes 'T' and the result to `fd`, and ends the worker. */
_Noreturn void jq_reply(struct bytes all, int fd);

#endif
