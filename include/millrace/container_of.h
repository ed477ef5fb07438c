/*
 * container_of: the object that a member is embedded in, as in the kernel's lists and timers.
 */
#ifndef MILLRACE_CONTAINER_OF_H
#define MILLRACE_CONTAINER_OF_H

#include <stddef.h>
#include <stdint.h>

/* `pointer` points to the member `member` of a `type`; gives that `type *`. */
#define container_of(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

#endif
