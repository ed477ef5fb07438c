/* What can be requested from streamd, for server->targets. */
#ifndef STREAMD_TARGETS_H
#define STREAMD_TARGETS_H

#include "streamd/http/dispatch.h"

#define TARGETS 5

extern const struct target targets[TARGETS];

#endif
