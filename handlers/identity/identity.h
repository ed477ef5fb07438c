/*
 * Identity: own accounts' tokens and cookie sessions, sign-in by providers, forgotten passwords.
 * A handler answers its own route or returns the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_IDENTITY_H
#define HANDLERS_IDENTITY_H

#include "fcgi/request.h"

/* --- auth.c --- */

extern const struct field_table auth_register_body, auth_login_body;
enum err auth_register(struct req *r);
enum err auth_login(struct req *r);
enum err auth_logout(struct req *r);
enum err auth_me(struct req *r);

struct signing_in;
/*
 * Opens a session for the password that was checked, and answers. Where the account has another
 * hash by then, the answer is auth_refused's.
 */
typedef enum err auth_open_fn(struct req *r, const struct signing_in *in);
/* A sign-in under way. */
struct signing_in {
	struct str name; /* or address, as it is compared */
	struct str password;
	auth_open_fn *open;
	answer_fn *refused; /* where the password is wrong */
	/* Of the account that there is; the password is right once open(…) is called. */
	struct uuid user;
	struct str hash;
	struct str device; /* device_nonce's */
};

/*
 * Checks a password by the account's address or name, slowed after wrong ones; then open(…), or
 * refused(r). Takes some 100 ms of processor, so its routes belong to the pool `login`. Uses
 * r->state.
 */
enum err auth_sign_in(
    struct req *r, struct str name, struct str password, auth_open_fn *open, answer_fn *refused);
/* 401 in the words for a wrong address and a wrong password alike. */
enum err auth_refused(struct req *r);
/* The network that the caller's wrong passwords count for; absent where it has none. */
struct str auth_client(struct req *r);
/*
 * ERR_RATE_LIMITED with Retry-After, where the first row's `column` (seconds for the account) or
 * the one behind it (for the network) is above zero; else ERR_OK.
 */
MUST_CHECK enum err auth_check_wait(struct req *r, int column);
/*
 * Ends the caller's session, or denies an external token until it ends by itself, and then calls
 * `answer`. An API key: ERR_BAD_REQUEST.
 */
enum err auth_sign_out(struct req *r, answer_fn *answer);

/* --- registration.c --- */

/* The token of an invitation's link. */
#define F_INVITATION(type, m) F_STR(type, m, 1, 200, OPTIONAL)
/* What the database knows of the token; absent where none was given. */
struct str registration_token(struct req *r, struct str invitation);
/*
 * A new account's password, hashed; absent where the database refuses the account in any case, in
 * its words, so that it costs no hash. Takes some 100 ms of processor.
 */
struct str registration_password(struct req *r, struct str password, struct str invitation);

/* --- session.c --- */

extern const struct field_table session_login_body, session_register_body;
enum err session_login(struct req *r);
enum err session_logout(struct req *r);
enum err session_register(struct req *r);

/*
 * A field's `prepare`, for unicode_name's form. Letters, digits and . _ - of ASCII: never an
 * address, so nobody can use another's as a name.
 */
bool session_username(struct arena *a, struct str given, struct str *out);
#define F_USERNAME(type, m, req)                          \
	F_PREPARED(type, m, 3, 64, req, session_username, \
	    "must be letters, digits, and . _ - after the first")

/* Sets a session's two cookies, and clears one of the old name; for 0 seconds clears all three. */
void session_set_cookies(struct req *r, struct str token, struct str csrf, int64_t seconds);

/* --- device.c --- */

/* By what this browser's wrong passwords for the user's account count; absent where it never signed
   in to it. Points into the request. */
struct str device_nonce(struct req *r, const struct uuid *user);
/* Sets the cookie by which the browser is known the next time. After each sign-in. */
void device_set_cookie(struct req *r, const struct uuid *user);

/* --- oauth.c --- */

extern const struct field_table oauth_start_query, oauth_callback_query;
enum err oauth_start(struct req *r);
enum err oauth_callback(struct req *r);
enum err oauth_disconnect(struct req *r);

/* --- reset.c --- */

extern const struct field_table reset_request_body, reset_confirm_body;
enum err reset_request(struct req *r);
enum err reset_confirm(struct req *r);

#endif
