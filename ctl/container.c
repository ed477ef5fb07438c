/* millracectl container: the image of users' containers, for the engine of
 * MILLRACE_CONTAINER_SOCKET. */
#include "ctl.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include <millrace/config.h>
#include <millrace/json.h>

#define REPLY_MAX ((size_t)64 * 1024)

/* For work with text, files and data, without a network. */
static const char *const packages[] = { "bash", "bzip2", "coreutils", "dash", "diffutils", "file",
	"findutils", "gawk", "grep", "gzip", "jq", "patch", "python3", "sed", "sqlite3", "tar",
	"unzip", "xz-utils", "zip", NULL };

/* Begins the program that writes the image; *file gets what it writes. */
static pid_t
begin_root(struct ctl *c, FILE **file)
{
	size_t n = 1, room = (size_t)c->n_operands + sizeof(packages) / sizeof(*packages) + 2;
	const char **args = arena_alloc(c->a, room * sizeof(*args));
	int ends[2];
	pid_t pid;

	args[0] = arena_printf(c->a, "%s/millrace-container-root", config()->libexec_dir).p;
	for (int i = 0; i < c->n_operands; i++)
		args[n++] = c->operands[i];
	for (size_t i = 0; c->n_operands == 0 && packages[i]; i++)
		args[n++] = packages[i];
	args[n] = NULL;
	if (pipe(ends) != 0)
		return -1;
	if ((pid = fork()) == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(args[0], (char *const *)(uintptr_t)args);
		perror(args[0]);
		_exit(127);
	}
	close(ends[1]);
	*file = fdopen(ends[0], "r");
	return pid;
}

static size_t
on_reply(char *bytes, size_t one, size_t n, void *arg)
{
	struct buf *b = arg;

	(void)one;
	if (b->n < REPLY_MAX)
		buf_put(b, (struct str){ bytes, n });
	return n;
}

/* Has the engine made an image? It says 200 and then what went wrong. The last line counts. */
static bool
is_made(struct arena *a, struct str reply)
{
	json_object *o;
	const char *why;
	struct str line;

	while (reply.n > 0) {
		reply = str_cut(reply, '\n', &line);
		line = str_trim(line);
		if (line.n > 0 && (json_parse(a, line, &o, &why) != ERR_OK || json_has(o, "error")))
			return false;
	}
	return true;
}

static CURL *
set_up(struct ctl *c, FILE *file, struct buf *reply)
{
	CURL *easy = curl_easy_init();
	char *name = curl_easy_escape(easy, config()->container_image, 0);

	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, config()->container_socket);
	curl_easy_setopt(easy, CURLOPT_URL,
	    arena_printf(c->a, "http://engine/images/create?fromSrc=-&repo=%s", name).p);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_READDATA, file);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
	curl_free(name);
	return easy;
}

int
container_image_run(struct ctl *c)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-tar");
	struct buf reply = { .a = c->a };
	FILE *file = NULL;
	CURL *easy;
	CURLcode code;
	long status = 0;
	int made = 1;
	pid_t pid;

	if (!*config()->container_socket)
		return ctl_fail("MILLRACE_CONTAINER_SOCKET is not set, so there is no engine.");
	headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
	headers = curl_slist_append(headers, "Expect:");
	if ((pid = begin_root(c, &file)) == -1 || !file)
		return ctl_fail("no process could be started.");
	/* Of nothing the engine would make an image, too. */
	if (ungetc(fgetc(file), file) == EOF)
		return ctl_fail("the image could not be made of its packages.");
	easy = set_up(c, file, &reply);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	(void)fclose(file);
	(void)waitpid(pid, &made, 0);
	if (code == CURLE_OK && made != 0)
		return ctl_fail("the image could not be made of its packages.");
	if (code != CURLE_OK)
		return ctl_fail(
		    "the engine at %s: %s.", config()->container_socket, curl_easy_strerror(code));
	if (status != 200 || !is_made(c->a, buf_str(&reply)))
		return ctl_fail("the engine refuses the image: %ld %s", status,
		    arena_cstr(c->a, buf_str(&reply)));
	printf("The engine has the image %s.\n", config()->container_image);
	return CTL_OK;
}
