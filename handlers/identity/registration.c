/* Who may make an account: MILLRACE_REGISTRATION, and the invitations that it may ask for. */
#include <millrace/config.h>

#include "handlers/identity/identity.h"

struct str
registration_token(struct req *r, struct str invitation)
{
	return invitation.p ? sha256(r->a, invitation) : invitation;
}

struct str
registration_password(struct req *r, struct str password, struct str invitation)
{
	const char *mode = config()->registration;

	if (strcmp(mode, "open") == 0 || (strcmp(mode, "invited") == 0 && invitation.p))
		return password_hash(r->a, password);
	return (struct str){ NULL, 0 };
}
