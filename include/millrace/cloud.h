/* Files at Google Drive and Microsoft's OneDrive, as workers and the runner name them. */
#ifndef MILLRACE_CLOUD_H
#define MILLRACE_CLOUD_H

#include <millrace/str.h>

#define CLOUD_ID_MAX 200 /* bytes */

/*
 * Has it the form of a file's, folder's or drive's id at either service, or of two with a colon
 * between? Nothing that means something in a URL or a query is among its characters. Any thread;
 * does not block.
 */
bool cloud_is_id(struct str id);

#endif
