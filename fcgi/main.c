/* millrace-fcgi: reads its arguments and settings, and runs one worker. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "fcgi/openapi.h"
#include "fcgi/worker.h"

static void
help(void)
{
	fputs(
	    "usage: millrace-fcgi --pool NAME\n"
	    "       millrace-fcgi --routes | --paths | --pools | --openapi | --version | --help\n\n"
	    "One worker of a pool: a FastCGI application behind nginx. It has its listening "
	    "socket as\n"
	    "descriptor 3 (systemd socket activation, or millrace-spawn), and ends on SIGTERM "
	    "once nginx has\n"
	    "closed its kept connections.\n\n"
	    "  --pool NAME    the pool whose routes it serves\n"
	    "  --routes       print METHOD PATH MODE of every route (I immediate, D deferred, "
	    "SSE, WS)\n"
	    "  --paths        print POOL PATH of every route\n"
	    "  --pools        print the name of every pool and what it serves\n"
	    "  --openapi      print the OpenAPI 3.1 document\n\n",
	    stdout);
	config_help(stdout, CONFIG_WORKER);
}

static void
print_openapi(void)
{
	struct arena *a = arena_new();
	struct str text = openapi_document(a);

	fwrite(text.p, 1, text.n, stdout);
	putchar('\n');
	arena_free(a);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pool", required_argument, NULL, 'n' },
		{ "routes", no_argument, NULL, 'r' },
		{ "paths", no_argument, NULL, 'a' },
		{ "pools", no_argument, NULL, 'p' },
		{ "openapi", no_argument, NULL, 'o' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *pool = NULL;
	int c;

	routes_check();
	opterr = 0;
	while ((c = getopt_long(argc, argv, "n:h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			pool = optarg;
			break;
		case 'r':
			routes_print(stdout);
			return 0;
		case 'a':
			paths_print(stdout);
			return 0;
		case 'p':
			pools_print(stdout);
			return 0;
		case 'o':
			print_openapi();
			return 0;
		case 'v':
			puts("millrace-fcgi " MILLRACE_VERSION);
			return 0;
		case 'h':
			help();
			return 0;
		default:
			process_misused("millrace-fcgi");
		}
	}
	if (!pool || optind < argc)
		process_misused("millrace-fcgi");
	if (!pool_exists(pool))
		die("There is no pool \"%s\"; --pools lists what there is.", pool);
	if (sodium_init() < 0)
		die("libsodium cannot be set up.");
	log_open(pool, LOG_INFO);
	config_load(CONFIG_WORKER);
	log_open(pool, log_level_named(config()->log_level));
	worker_run(pool);
	return 0;
}
