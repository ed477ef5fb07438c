/* The same as reply.c, in Anthropic's format. */
#define WIRE wire_anthropic
#include "reply.c"
