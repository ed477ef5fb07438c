#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/provider_list.h>

#include "runner/outside/chain.h"
#include "runner/outside/http.h"
#include "runner/outside/refusal.h"

#define CALL_MS 15000
#define REPLY_MAX ((size_t)4 * 1024 * 1024)
#define NUMBER_MOST ((evm_int)INT64_MAX)

bool
chain_open(struct stop *stop, struct arena *a, struct str network, struct chain *c)
{
	struct str url;

	*c = (struct chain){ .stop = stop, .a = a };
	if (!payment_network_find(config()->payment_networks, network, &c->network) ||
	    !provider_list_find(config()->payment_urls, network, &url))
		return false;
	c->url = arena_cstr(a, url);
	return true;
}

static enum chain_end
away(struct chain *c, const char *problem)
{
	c->problem = arena_printf(c->a, "%s", problem);
	return CHAIN_AWAY;
}

/*
 * Does an error say that the node has too much to do, rather than what it says to the request? By
 * its status, or its code: EIP-1474's "limit exceeded" and "resource unavailable".
 */
static bool
is_passing(const struct http_request *q, json_object *error)
{
	json_object *code = json_at(error, "code");
	int64_t n = json_object_is_type(code, json_type_string) ||
			    json_object_is_type(code, json_type_double)
			? (int64_t)json_object_get_double(code)
			: json_int(error, "code", 0);

	return q->status == 429 || q->status >= 500 || n == 429 || n == -32005 || n == -32002;
}

/* Calls a method with the JSON of its parameters; *result is the reply's `result`, NULL for null.
 */
static enum chain_end
call(struct chain *c, const char *method, struct str params, json_object **result)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	struct http_request q = { .url = c->url,
		.headers = headers,
		.body = arena_printf(c->a,
		    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%.*s]}", method,
		    S_ARG(params)),
		.within_ms = CALL_MS,
		.reply_max = REPLY_MAX };
	json_object *o;

	if (http_call(c->stop, c->a, &q) != HTTP_DONE)
		return away(c, q.error);
	if (!mended_parse(c->a, &q.reply, &o) || !json_object_is_type(o, json_type_object))
		return away(c, arena_printf(c->a, "%s: status %d without JSON-RPC: %.*s", method,
				   q.status, S_ARG(refusal_words(c->a, q.reply)))
				   .p);
	if (json_at(o, "error")) {
		c->problem =
		    arena_printf(c->a, "%s: %.*s", method, S_ARG(refusal_words(c->a, q.reply)));
		return is_passing(&q, json_at(o, "error")) ? CHAIN_AWAY : CHAIN_REFUSED;
	}
	if (!json_has(o, "result"))
		return away(c, arena_printf(c->a, "%s: no result", method).p);
	*result = json_at(o, "result");
	return CHAIN_OK;
}

static struct str
text_of(json_object *o)
{
	if (!json_object_is_type(o, json_type_string))
		return (struct str){ NULL, 0 };
	return (struct str){ json_object_get_string(o), (size_t)json_object_get_string_len(o) };
}

static enum chain_end
call_quantity(struct chain *c, const char *method, struct str params, evm_int *out)
{
	json_object *result;
	enum chain_end end = call(c, method, params, &result);

	if (end == CHAIN_OK && !evm_quantity(text_of(result), out))
		return away(c, arena_printf(c->a, "%s: no quantity", method).p);
	return end;
}

static enum chain_end
call_number(struct chain *c, const char *method, struct str params, int64_t *out)
{
	evm_int n;
	enum chain_end end = call_quantity(c, method, params, &n);

	if (end != CHAIN_OK)
		return end;
	if (n > NUMBER_MOST)
		return away(c, arena_printf(c->a, "%s: out of range", method).p);
	*out = (int64_t)n;
	return CHAIN_OK;
}

enum chain_end
chain_check(struct chain *c)
{
	int64_t id;
	enum chain_end end = call_number(c, "eth_chainId", S(""), &id);

	if (end != CHAIN_OK)
		return CHAIN_AWAY;
	if ((uint64_t)id == c->network.chain_id)
		return CHAIN_OK;
	c->problem = arena_printf(c->a, "the node's chain is %lld, not %llu", (long long)id,
	    (unsigned long long)c->network.chain_id);
	return CHAIN_REFUSED;
}

enum chain_end
chain_head(struct chain *c, int64_t *block)
{
	return call_number(c, "eth_blockNumber", S(""), block);
}

enum chain_end
chain_count(struct chain *c, struct str address, bool safely, int64_t *count)
{
	return call_number(c, "eth_getTransactionCount",
	    arena_printf(c->a, "\"%.*s\",\"%s\"", S_ARG(address), safely ? "finalized" : "latest"),
	    count);
}

enum chain_end
chain_fees(struct chain *c, struct chain_fees *fees)
{
	json_object *block;
	enum chain_end end = call(c, "eth_getBlockByNumber", S("\"latest\",false"), &block);
	evm_int base;

	if (end != CHAIN_OK)
		return end;
	if (!json_object_is_type(block, json_type_object))
		return away(c, "eth_getBlockByNumber: no block");
	*fees = (struct chain_fees){ .legacy = !json_at(block, "baseFeePerGas") };
	if (fees->legacy)
		return call_quantity(c, "eth_gasPrice", S(""), &fees->fee);
	if (!evm_quantity(json_text(block, "baseFeePerGas"), &base) || base >> 100 != 0)
		return away(c, "eth_getBlockByNumber: no base fee");
	/* A network without tips (Arc) may have no such method. */
	end = call_quantity(c, "eth_maxPriorityFeePerGas", S(""), &fees->tip);
	if (end == CHAIN_AWAY || fees->tip >> 100 != 0)
		return CHAIN_AWAY;
	/* The base fee may double within six full blocks. */
	fees->fee = 2 * base + fees->tip;
	return CHAIN_OK;
}

static struct str
quantity_text(struct arena *a, evm_int n)
{
	uint64_t high = (uint64_t)(n >> 64), low = (uint64_t)n;

	return high ? arena_printf(
			  a, "0x%llx%016llx", (unsigned long long)high, (unsigned long long)low)
		    : arena_printf(a, "0x%llx", (unsigned long long)low);
}

enum chain_end
chain_gas(
    struct chain *c, struct str from, struct str to, evm_int value, struct str data, int64_t *gas)
{
	return call_number(c, "eth_estimateGas",
	    arena_printf(c->a,
		"{\"from\":\"%.*s\",\"to\":\"%.*s\",\"value\":\"%.*s\",\"data\":\"%.*s\"}",
		S_ARG(from), S_ARG(to), S_ARG(quantity_text(c->a, value)),
		S_ARG(evm_hex(c->a, data))),
	    gas);
}

enum chain_end
chain_native_balance(struct chain *c, struct str address, evm_int *balance)
{
	return call_quantity(c, "eth_getBalance",
	    arena_printf(c->a, "\"%.*s\",\"latest\"", S_ARG(address)), balance);
}

/* The end of a word of the ABI; more than 128 bits are as good as the most that these hold. */
static bool
read_word(struct arena *a, struct str text, evm_int *out)
{
	struct str word;

	if (!evm_hex_decode(a, text, &word) || word.n != EVM_WORD_BYTES)
		return false;
	*out = 0;
	for (size_t i = 0; i < EVM_WORD_BYTES; i++) {
		if (*out >> 120 != 0)
			*out = ~(evm_int)0;
		else
			*out = *out << 8 | (uint8_t)word.p[i];
	}
	return true;
}

enum chain_end
chain_balance(struct chain *c, struct str address, evm_int *balance)
{
	struct evm_address of;
	json_object *result;
	enum chain_end end;

	if (!c->network.has_token)
		return chain_native_balance(c, address, balance);
	if (!evm_address_parse(address, &of))
		return away(c, "the account's address is none");
	end = call(c, "eth_call",
	    arena_printf(c->a, "{\"to\":\"%.*s\",\"data\":\"%.*s\"},\"latest\"",
		S_ARG(evm_address_text(c->a, &c->network.token)),
		S_ARG(evm_hex(c->a, evm_balance_data(c->a, &of)))),
	    &result);
	if (end == CHAIN_OK && !read_word(c->a, text_of(result), balance))
		return away(c, "eth_call: no balance; is MILLRACE_PAYMENT_NETWORKS' token one?");
	return end;
}

enum chain_end
chain_send(struct chain *c, struct str raw)
{
	json_object *result;

	return call(
	    c, "eth_sendRawTransaction", arena_printf(c->a, "\"%.*s\"", S_ARG(raw)), &result);
}

/* A quantity of a receipt's that is a number of ours. */
static bool
receipt_number(json_object *o, const char *name, int64_t *out)
{
	evm_int n;

	if (!evm_quantity(json_text(o, name), &n) || n > NUMBER_MOST)
		return false;
	*out = (int64_t)n;
	return true;
}

enum chain_end
chain_receipt(struct chain *c, struct str hash, struct chain_receipt *r)
{
	json_object *o;
	enum chain_end end =
	    call(c, "eth_getTransactionReceipt", arena_printf(c->a, "\"%.*s\"", S_ARG(hash)), &o);
	int64_t status;

	*r = (struct chain_receipt){ 0 };
	if (end != CHAIN_OK || !o)
		return end;
	r->block_hash = json_text(o, "blockHash");
	if (!str_eq_nocase(json_text(o, "transactionHash"), hash) ||
	    r->block_hash.n != 2 + 2 * EVM_HASH_BYTES || !receipt_number(o, "status", &status) ||
	    !receipt_number(o, "blockNumber", &r->block_number) ||
	    !receipt_number(o, "gasUsed", &r->gas_used) ||
	    !evm_quantity(json_text(o, "effectiveGasPrice"), &r->gas_price))
		return away(c, "eth_getTransactionReceipt: no receipt of this transaction");
	r->found = true;
	r->good = status == 1;
	return CHAIN_OK;
}
