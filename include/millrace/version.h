/*
 * The version of this build. The Makefile takes it from the file VERSION.
 */
#ifndef MILLRACE_VERSION_H
#define MILLRACE_VERSION_H

#ifndef MILLRACE_VERSION
#define MILLRACE_VERSION "unknown"
#endif

#endif
