#!/bin/sh
# json-c 0.16 (Debian 12: libjson-c-dev 0.16-2) with glibc 2.36: json_tokener_parse_ex() copies the caller's locale for each document, by
# duplocale() and newlocale(), so that numbers are read by the rules of "C". glibc takes a write lock of the whole process for that, so threads
# that parse small documents wait in turn for it, spinning: many of them together take several times the processor time of the work.
#
# What the documentation says: json_tokener.h has each tokener for one thread at a time, and names nothing that all tokeners share.
#
# What we do: each thread has for its own locale the one that newlocale(LC_ALL_MASK, "C", 0) returns. glibc copies that one without the lock
# (runner/thread.c).
#
# Seen on 28 November 2026, 256 threads of 2,000 documents each on two processors:
#	the process's locale       2.4 s of processor time
#	the C locale, in each      0.9 s
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 777 .
apt-get -q download libjson-c-dev=0.16-2 libjson-c5=0.16-2 >/dev/null 2>&1 || exit 2
for deb in ./*.deb; do dpkg -x "$deb" .; done
cat >parse.c <<'END'
#include <json-c/json.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static int own_locale;

static void *
run(void *arg)
{
	if (own_locale)
		uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
	for (int i = 0; i < 2000; i++) {
		struct json_tokener *t = json_tokener_new();

		json_object_put(json_tokener_parse_ex(t, "{\"a\":{\"b\":\"c\",\"n\":1.5}}", 23));
		json_tokener_free(t);
	}
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t t[256];

	(void)argv;
	own_locale = argc > 1;
	for (int i = 0; i < 256; i++)
		pthread_create(&t[i], NULL, run, NULL);
	for (int i = 0; i < 256; i++)
		pthread_join(t[i], NULL);
	printf("%ld\n", (long)(clock() * 10 / CLOCKS_PER_SEC));
	return 0;
}
END
lib=$(dirname "$(find . -name 'libjson-c.so.5')")
cc -O2 -Iusr/include -o parse parse.c "$lib/libjson-c.so.5" -pthread || exit 2
shared=$(LD_LIBRARY_PATH=$lib ./parse)
own=$(LD_LIBRARY_PATH=$lib ./parse own)
echo "the process's locale: $shared tenths of a second of processor time; the C locale, in each thread: $own"
[ "$shared" -gt $((own * 3 / 2)) ]
