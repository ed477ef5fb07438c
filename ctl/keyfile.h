/*
 * A private key on its way out of millracectl: into a new file that its owner alone may read, or to standard output; once, and never as
 * an argument of a process.
 */
#ifndef CTL_KEYFILE_H
#define CTL_KEYFILE_H

#include <stdbool.h>

#define KEYFILE_BYTES 32

/* Where `path` is NULL: is standard output something else than a terminal? */
bool keyfile_is_hidden(const char *path);
#define KEYFILE_ON_TERMINAL \
	"the private key would stand on the terminal: give --key-file, or redirect."

/* Writes the key in base64, a line, safely on the disk. False: it has said why not, and the file is not there. */
bool keyfile_write(const unsigned char key[KEYFILE_BYTES], const char *path);
/* The key that was just written has not come into force. */
void keyfile_undo(const char *path);

#endif
