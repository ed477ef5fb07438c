/* Characters of text that is well-formed UTF-8. Pure. */
#ifndef RUNNER_KNOWLEDGE_UTF8_H
#define RUNNER_KNOWLEDGE_UTF8_H

#include <millrace/str.h>

/* Decodes the first character of s, which is not empty; returns its length. */
size_t utf8_next(struct str s, uint32_t *c);

#endif
