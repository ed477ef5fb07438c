/*
 * The caller's secrets. A worker seals each to the runner's public key before it goes to the
 * database, and neither it nor its database role can read one back; what is shown is the name, and
 * the value behind a mask.
 */
#include <millrace/seal.h>

#include "handlers/account/account.h"
#include "sql_api.h"

#define VALUE_MAX 8192 /* bytes */
#define SECRETS_MAX 200 /* of one user */
#define TAIL 4 /* characters that the mask shows, of at least four times as many */

struct put_in {
	struct str key;
	struct str value;
};

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return str_trim(s).n == s.n;
}

static bool
is_value(struct str s)
{
	return s.n <= VALUE_MAX;
}

static const struct field put_fields[] = {
	F_CHECKED(struct put_in, key, 1, 100, REQUIRED, is_name,
	    "must have no control characters, and no spaces at its ends"),
	F_CHECKED(
	    struct put_in, value, 1, VALUE_MAX, REQUIRED, is_value, "must have at most 8192 bytes"),
};
FIELD_TABLE(vault_put_body, struct put_in, put_fields, vault_put);
FIELD_TABLE(vault_put_shared_body, struct put_in, put_fields, vault_put_shared);

struct delete_in {
	struct uuid id;
};

static const struct field delete_fields[] = {
	F_UUID(struct delete_in, id, REQUIRED),
};
FIELD_TABLE(vault_delete_query, struct delete_in, delete_fields, vault_delete);

/* The key that was last seen to be in force. The database refuses a secret under another key, and
   this one is then read again. */
static struct {
	struct uuid id;
	char bytes[SEAL_KEY_BYTES];
} public_key;

#define TRIES 3

struct sealing {
	struct put_in in;
	bool everybody;
	int tries;
};

/* GET /api/vault */
enum err
vault_list(struct req *r)
{
	return sql_vault_list(r, res_one);
}

/* Dots, and the end of a value that is long enough to be recognised by it. */
static struct str
masked(struct arena *a, struct str value)
{
	size_t at = value.n, left = TAIL;

	if (str_chars(value) < (size_t)4 * TAIL)
		return S("••••••••");
	while (at > 0 && left > 0)
		if (((unsigned char)value.p[--at] & 0xC0) != 0x80)
			left--;
	return arena_printf(a, "••••••••%.*s", (int)(value.n - at), value.p + at);
}

static enum err vault_seal(struct req *r);

static enum err
vault_key_read(struct req *r)
{
	struct str bytes;

	if (row_count(r) == 0)
		return refuse(r, ERR_OVERLOADED,
		    "The vault has no key yet; an administrator runs: millracectl vault init");
	if (!hex_decode(r->a, row_text(r, 0, 1), &bytes) || bytes.n != SEAL_KEY_BYTES)
		return ERR_INTERNAL;
	public_key.id = row_uuid(r, 0, 0);
	memcpy(public_key.bytes, bytes.p, SEAL_KEY_BYTES);
	return vault_seal(r);
}

static enum err
vault_stored(struct req *r)
{
	struct sealing *p = r->state;

	if (row_count(r) > 0)
		return reply_json(r, 200, row_text(r, 0, 1));
	/* A new key has come into force meanwhile. */
	if (++p->tries == TRIES)
		return ERR_OVERLOADED;
	return sql_vault_key_in_force(r, vault_key_read);
}

static enum err
vault_seal(struct req *r)
{
	const struct sealing *p = r->state;
	struct str label = seal_label(r->a, &r->caller.user, p->in.key);

	return sql_vault_put(r, vault_stored, p->in.key,
	    seal(r->a, public_key.bytes, label, p->in.value), public_key.id,
	    masked(r->a, p->in.value), SECRETS_MAX, p->everybody);
}

/* Whose an API key is comes with the first rows, and the seal's label needs it. */
static enum err
put(struct req *r, const struct put_in *in, bool everybody)
{
	struct sealing *p = arena_alloc(r->a, sizeof(*p));

	*p = (struct sealing){ .in = *in, .everybody = everybody };
	r->state = p;
	if (!public_key.id.text[0] || !r->caller.user.text[0])
		return sql_vault_key_in_force(r, vault_key_read);
	return vault_seal(r);
}

/* POST /api/vault: a new secret, or another value for one of this name. */
enum err
vault_put(struct req *r)
{
	struct put_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, vault_put_body, &in)) != ERR_OK)
		return e;
	return put(r, &in, false);
}

/* POST /api/v1/admin/vault: a provider's key, with which everybody is answered. */
enum err
vault_put_shared(struct req *r)
{
	struct put_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, vault_put_shared_body, &in)) != ERR_OK)
		return e;
	return put(r, &in, true);
}

/* DELETE /api/vault?id= */
enum err
vault_delete(struct req *r)
{
	struct delete_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, vault_delete_query, &in)) != ERR_OK)
		return e;
	return sql_vault_delete(r, res_one, in.id);
}
