#include <sodium.h>

#include <millrace/checkpoint.h>

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
