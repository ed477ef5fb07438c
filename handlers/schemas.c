/* The JSON Schemas of replies, handlers/schemas/<resource>.json, joined by the Makefile. */
#include "fcgi/route.h"

#pragma GCC diagnostic ignored "-Woverlength-strings"

const char reply_schemas[] =
#include "schemas.h"
    ;
