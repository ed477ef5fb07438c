/*
 * Writes a new private key: to a new file that only its owner may read, or to standard output.
 * Once, and never as a process's argument.
 */
#ifndef CTL_KEYFILE_H
#define CTL_KEYFILE_H

#include <stdbool.h>

#define KEYFILE_BYTES 32

/* Is the key kept off the terminal? A `path` of NULL is standard output. */
bool keyfile_is_hidden(const char *path);
#define KEYFILE_ON_TERMINAL \
	"the private key would be shown on the terminal: give --key-file FILE, or redirect."

/*
 * Writes the key, a line of base64, and syncs it to disk. False: it has printed why, and there is
 * no file.
 */
bool keyfile_write(const unsigned char key[KEYFILE_BYTES], const char *path);
/* Takes back a key that was written but has not come into force: removes the file, or says so. */
void keyfile_undo(const char *path);

#endif
