/*
 * What the workers would make of millracectl's work. `verify token TOKEN` prints "user session" and
 * succeeds where token_verify takes it; `verify password HASH` reads a password from standard input
 * and succeeds where it matches.
 */
#include <stdio.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/token.h>

int
main(int argc, char **argv)
{
	char password[2048];
	struct claims claims;
	bool outdated;

	if (argc != 3)
		return 2;
	config_load(CONFIG_WORKER);
	if (strcmp(argv[1], "token") == 0) {
		if (token_verify(str_from(argv[2]), &claims) != ERR_OK)
			return 1;
		(void)printf("%s %s\n", claims.user.text, claims.session.text);
		return 0;
	}
	return !password_matches(arena_new(), str_from(argv[2]),
	    (struct str){ password, fread(password, 1, sizeof(password), stdin) }, &outdated);
}
