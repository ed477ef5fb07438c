/*
 * The runner's vault for tests. `vault open` reads lines "OWNER NAME" from standard input and
 * prints each secret's value, or
 * "! not found", "! not opened", opened by vault_open as a job would, with the settings that the
 * runner has. `vault seal PUBLIC OWNER NAME` seals a value from standard input as a worker does,
 * and prints it; keys and boxes in hexadecimal digits.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/seal.h>

#include "runner/secrets/vault.h"

static int
open_all(void)
{
	struct db *db = db_open("millrace_runner", "vault test");
	struct arena *a = arena_new();
	char line[512];

	vault_init();
	while (fgets(line, sizeof(line), stdin)) {
		struct str owner, name = str_cut(str_from(line), ' ', &owner), value;
		struct uuid id;
		enum err e;

		name.n = strcspn(name.p, "\n");
		if (!uuid_parse(owner, &id))
			return 2;
		e = vault_open(db, a, id, name, "test", &value);
		if (e == ERR_OK)
			(void)printf("%.*s\n", S_ARG(value));
		else
			(void)puts(e == ERR_NOT_FOUND ? "! not found" : "! not opened");
		arena_reset(a);
	}
	db_close(db);
	arena_free(a);
	return 0;
}

static int
seal_one(char **argv)
{
	struct arena *a = arena_new();
	char value[16384];
	struct str key, box;
	struct uuid owner;

	if (!hex_decode(a, str_from(argv[2]), &key) || key.n != SEAL_KEY_BYTES ||
	    !uuid_parse(str_from(argv[3]), &owner))
		return 2;
	box = seal(a, key.p, seal_label(a, &owner, str_from(argv[4])),
	    (struct str){ value, fread(value, 1, sizeof(value), stdin) });
	for (size_t i = 0; i < box.n; i++)
		(void)printf("%02x", (unsigned char)box.p[i]);
	arena_free(a);
	return 0;
}

int
main(int argc, char **argv)
{
	if (sodium_init() < 0)
		return 1;
	log_open("vault test", LOG_INFO);
	config_load(CONFIG_RUNNER);
	if (argc == 2 && strcmp(argv[1], "open") == 0)
		return open_all();
	if (argc == 5 && strcmp(argv[1], "seal") == 0)
		return seal_one(argv);
	return 2;
}
