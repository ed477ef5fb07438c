/*
 * What this build is called. The Makefile takes the text from the file VERSION.
 */
#ifndef MILLRACE_VERSION_H
#define MILLRACE_VERSION_H

#ifndef MILLRACE_VERSION
#define MILLRACE_VERSION "unknown"
#endif

#endif
