#include <sodium.h>

#include <millrace/checkpoint.h>
#include <millrace/seal.h>

struct str
checkpoint_text(struct arena *a, const struct checkpoint *c)
{
	return arena_printf(a, "millrace audit checkpoint\n%lld\n%lld\n%.*s\n%lld\n",
	    (long long)c->n, (long long)c->seq, S_ARG(c->hash), (long long)c->at_us);
}

struct str
checkpoint_name(struct arena *a, const struct checkpoint *c)
{
	return arena_printf(
	    a, "%lld:%lld:%.*s", (long long)c->n, (long long)c->seq, S_ARG(c->hash));
}

bool
checkpoint_is_signed(
    struct arena *a, const struct checkpoint *c, struct str public_key, struct str signature)
{
	struct str text = checkpoint_text(a, c);

	return public_key.n == CHECKPOINT_KEY_BYTES && signature.n == CHECKPOINT_SIGNATURE_BYTES &&
	       crypto_sign_verify_detached((const unsigned char *)signature.p,
		   (const unsigned char *)text.p, text.n, (const unsigned char *)public_key.p) == 0;
}

const char *
checkpoint_fault(struct arena *a, const struct checkpoint *last, const struct checkpoint *c,
    struct str public_key, struct str signature, struct str row_hash)
{
	struct str key, bytes;

	if (c->n != last->n + 1)
		return "the checkpoint before it is missing";
	if (!hex_decode(a, public_key, &key) || !hex_decode(a, signature, &bytes) ||
	    !checkpoint_is_signed(a, c, key, bytes))
		return "its signature does not verify";
	if (c->seq < last->seq)
		return "it names an earlier row than the one before it";
	if (!row_hash.p)
		return "the row that it names was cut off";
	if (!str_eq(row_hash, c->hash))
		return "the row that it names, or one before that, is not what was signed";
	return NULL;
}
