/* What a build for tests adds to the program. */
#ifndef STREAMD_MAIN_H
#define STREAMD_MAIN_H

#include <stdbool.h>

/* Linked in by the test build alone (tests/conformance): does what the arguments require and
   returns true, or false where they are not its own. */
bool streamd_test_mode(int argc, char **argv) __attribute__((weak));

#endif
