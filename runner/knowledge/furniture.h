/*
 * What a document has beside what it tells: tables of contents, indexes, running heads. They hold
 * the words of any question, and answer none. Pure.
 */
#ifndef RUNNER_KNOWLEDGE_FURNITURE_H
#define RUNNER_KNOWLEDGE_FURNITURE_H

#include <millrace/arena.h>

/* A line that leads to a page: dots or the like, then its number. */
bool furniture_is_entry(struct str line);
/* Can the line be a heading? It begins as one, and does not end as a sentence does. */
bool furniture_is_title(struct str line);
/* Hardly anything but addresses of the web, with numbers: notes to other sentences. */
bool furniture_is_address(struct str s);
/* Capitals alone: a running head, more likely than what the text says. */
bool furniture_is_shouted(struct str s);

/*
 * Whether most of a passage are lines of a table of contents, of an index or of notes: with dots to
 * a page's number; addresses; numbered in two levels and more, or questions, each without a text;
 * under a heading that says so, lines that end with a number.
 */
bool furniture_is_contents(struct str headings, struct str text);

#endif
