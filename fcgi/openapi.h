/* The OpenAPI document of the route table (spec.openapis.org, 3.1). */
#ifndef FCGI_OPENAPI_H
#define FCGI_OPENAPI_H

#include <millrace/arena.h>

/* Every route under every name, as JSON; the arena's. The same in every call. */
struct str openapi_document(struct arena *a);

#endif
