/* The same as reply.c, in Google's format. */
#define WIRE wire_google
#include "reply.c"
