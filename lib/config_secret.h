/* Secrets in files and in the environment, as lib/config.c reads them; one thread, at the start. */
#ifndef LIB_CONFIG_SECRET_H
#define LIB_CONFIG_SECRET_H

/*
 * A file's first line without its line end; NULL where it cannot be read: errno says why. The
 * caller frees it. Blocks.
 */
char *config_secret_read(const char *path);
/* Takes a secret, and the name of its file, out of the environment. */
void config_secret_forget(const char *name);

#endif
