/* A set of keys as another host gives it out. What is taken from it is whole, and is read again the
 * same. */
#undef NDEBUG
#include <assert.h>

#include <millrace/external.h>
#include <millrace/json.h>
#include <millrace/jwk.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct jwk_set *set = arena_alloc(a, sizeof(*set));

	if (jwks_parse(a, (struct str){ (const char *)bytes, n }, set) != ERR_OK)
		set->n = 0;
	assert(set->n <= JWKS_KEYS_MAX);
	for (size_t i = 0; i < set->n; i++) {
		struct jwk *k = &set->keys[i], again;
		json_object *o;
		const char *why;

		assert(
		    k->kid.n > 0 && k->pem.n > 0 && str_starts(k->pem, S("-----BEGIN PUBLIC KEY")));
		assert(json_parse(a, k->json, &o, &why) == ERR_OK);
		assert(jwk_parse(a, o, &again) == ERR_OK);
		assert(str_eq(k->pem, again.pem) && str_eq(k->kid, again.kid) &&
		       strcmp(k->alg, again.alg) == 0);
	}
	arena_free(a);
	return 0;
}
