/* The rows of a statement, in the second half that it was queued with. None of these fails. */
#ifndef FCGI_ROWS_H
#define FCGI_ROWS_H

#include <millrace/str.h>

struct req;

/* 0 also where there was no statement. */
int row_count(const struct req *r);
/* A column's text, both counted from 0; valid until the next statement's rows or the reply. Absent
 * for NULL. */
struct str row_text(const struct req *r, int row, int column);
/* A boolean column; false for NULL. */
bool row_bool(const struct req *r, int row, int column);
/* A uuid column; "" for NULL. */
struct uuid row_uuid(const struct req *r, int row, int column);

#endif
