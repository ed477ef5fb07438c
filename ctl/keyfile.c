#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ctl.h"

/* Includes the NUL, which the line feed replaces. */
#define LINE_LEN sodium_base64_ENCODED_LEN(KEYFILE_BYTES, sodium_base64_VARIANT_ORIGINAL)

bool
keyfile_is_hidden(const char *path)
{
	return path != NULL || !isatty(STDOUT_FILENO);
}

static bool
to_stdout(const char *line)
{
	/* A pipe cannot be synced. */
	if (fwrite(line, 1, LINE_LEN, stdout) == LINE_LEN && fflush(stdout) == 0 &&
	    (fsync(STDOUT_FILENO) == 0 || errno == EINVAL || errno == EROFS))
		return true;
	(void)ctl_fail("the private key could not be written: %s", strerror(errno));
	return false;
}

static bool
to_file(const char *line, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok;

	if (fd < 0) {
		(void)ctl_fail("the file %s cannot be made: %s", path, strerror(errno));
		return false;
	}
	ok = fchmod(fd, 0600) == 0 && write(fd, line, LINE_LEN) == (ssize_t)LINE_LEN &&
	     fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (!ok) {
		(void)ctl_fail(
		    "the private key could not be written to %s: %s", path, strerror(errno));
		(void)unlink(path);
	}
	return ok;
}

bool
keyfile_write(const unsigned char key[KEYFILE_BYTES], const char *path)
{
	char line[LINE_LEN];
	bool ok;

	sodium_bin2base64(line, sizeof(line), key, KEYFILE_BYTES, sodium_base64_VARIANT_ORIGINAL);
	line[LINE_LEN - 1] = '\n';
	ok = path == NULL ? to_stdout(line) : to_file(line, path);
	explicit_bzero(line, sizeof(line));
	return ok;
}

void
keyfile_undo(const char *path)
{
	if (path != NULL)
		(void)unlink(path);
	else
		(void)fputs("millracectl: the key that was printed is of no use.\n", stderr);
}
