/* lib/environment.c: a file of settings, read as systemd reads it. */
#include <errno.h>

#include <millrace/environment.h>

#include "test.h"

static char path[] = "/tmp/millrace-unit-XXXXXX";
static char why[200];

/* Reads a file of these bytes; the lines as "NAME=value@number|", or "! why". */
static const char *
reads(const char *text, size_t n)
{
	static char out[1000];
	FILE *f = fopen(path, "we");
	struct environment e;
	size_t len = 0;

	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
		abort();
	out[0] = '\0';
	if (!environment_read(path, &e, why, sizeof(why)))
		snprintf(out, sizeof(out), "! %s", why);
	else
		for (size_t i = 0; i < e.n; i++)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s=%s@%zu|",
			    e.lines[i].name, e.lines[i].value, e.lines[i].number);
	environment_free(&e);
	return out;
}

static void
forms(void)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "A=1", "A=1@1|" },
		{ "A=\nB=2\r\n_c9 = x y \t\n", "A=@1|B=2@2|_c9=x y@3|" },
		{ "\n# no\n ; no = x\n  A=1\n", "A=1@4|" },
		{ "A=\" x # y \" \nB='a\\b\"'\n", "A= x # y @1|B=a\\b\"@2|" },
		{ "A=a\"b\"'c'\n", "A=a\"b\"'c'@1|" },
		{ "A='a'\"b\" 'c'\n", "A=abc@1|" },
		{ "A=\"\\\"\\\\\\$\\`\\n\"\n", "A=\"\\$`\\n@1|" },
		{ "A=a\\ \\\\\\b\n", "A=a \\b@1|" },
		{ "A=a\\\nb\nB=2", "A=ab@1|B=2@3|" },
		{ "A='two\nlines'\nB=2", "A=two\nlines@1|B=2@3|" },
		{ "A=x\nA=y=z", "A=x@1|A=y=z@2|" },
		{ "A=1\nNAME\n", "! line 2 is not NAME=value" },
		{ "=1", "! line 1 is not NAME=value" },
		{ "1A=1", "! line 1 is not NAME=value" },
		{ "export A=1", "! line 1 is not NAME=value" },
		{ "A=1\nB=\"x\nC=2\n", "! line 2 has a quote without an end" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		EACH(good, strcmp(reads(pairs[i][0], strlen(pairs[i][0])), pairs[i][1]) == 0,
		    "%s: %s", pairs[i][0], reads(pairs[i][0], strlen(pairs[i][0])));
	CHECK("lines, comments, quotes, backslashes", good);
	CHECK("a NUL is none of it", *reads("A=1\0B", 5) == '!');
}

static void
applying(void)
{
	struct environment e;
	FILE *f = fopen(path, "we");

	if (!f || fputs("U_A=1\nU_A=2\nU_B=3\n", f) < 0 || fclose(f) != 0 ||
	    setenv("U_B", "", 1) != 0 || !environment_read(path, &e, why, sizeof(why)))
		abort();
	environment_apply(&e);
	CHECK("of a name's lines the last counts",
	    strcmp(getenv("U_A"), "2") == 0 && !e.lines[0].applied && e.lines[1].applied);
	CHECK(
	    "what is there already keeps its value", *getenv("U_B") == '\0' && !e.lines[2].applied);
	environment_free(&e);
	CHECK("no file: the reason, and which error",
	    !environment_read("/nonexistent", &e, why, sizeof(why)) && errno == ENOENT &&
		strcmp(why, "it cannot be read: No such file or directory") == 0);
	environment_free(&e);
	CHECK("a directory is none", !environment_read("/", &e, why, sizeof(why)) && errno == 0);
	environment_free(&e);
}

int
main(void)
{
	int fd = mkstemp(path);

	if (fd < 0 || close(fd) != 0)
		abort();
	forms();
	applying();
	if (unlink(path) != 0)
		abort();
	return test_end();
}
