/*
 * Files at Google Drive and OneDrive, and those that were saved as documents. The runner asks the
 * services. A handler answers its own route or returns the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_CLOUD_H
#define HANDLERS_CLOUD_H

#include "fcgi/request.h"

#define CLOUD_FILES_AT_ONCE 100
extern const struct field_table cloud_list_query, cloud_all_query, cloud_save_body;
enum err cloud_drive_list(struct req *r);
enum err cloud_drive_file(struct req *r);
enum err cloud_onedrive_list(struct req *r);
enum err cloud_onedrive_file(struct req *r);
enum err cloud_all(struct req *r);
enum err cloud_saved_list(struct req *r);
enum err cloud_save(struct req *r);
enum err cloud_saved_delete(struct req *r);

#endif
