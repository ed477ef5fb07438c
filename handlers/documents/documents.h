/*
 * Documents. A handler answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_DOCUMENTS_H
#define HANDLERS_DOCUMENTS_H

#include "fcgi/request.h"

extern const struct field_table document_body, document_page_body, document_upload_query,
    document_search_query;
enum err document_upload(struct req *r);
enum err document_page(struct req *r);
enum err document_list(struct req *r);
enum err document_show(struct req *r);
enum err document_delete(struct req *r);
enum err document_reindex(struct req *r);
enum err document_search(struct req *r);

#endif
