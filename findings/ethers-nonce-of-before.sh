#!/bin/sh
# ethers 6.17.0 (npm)
#
# What it does: JsonRpcProvider keeps each answer of a node for 250 ms, also those that are about "pending". Who reads a nonce, sends a transaction by
# whatever way and reads the nonce again gets the number that is used already, and so the transaction that he signs with it is refused or takes the
# first one's place; a balance read after a payment is that of before. The node is not asked.
#
# What the documentation says: the option cacheTimeout is listed in JsonRpcApiProviderOptions with its default of 250; getTransactionCount() and
# getBalance() ("Get the number of transactions ever sent", "Get the account balance") say nothing of it. viem asks the node each time.
#
# What we do: the nonces of our own payments are rows that are counted under a lock (sql/functions/payments.sql), not a node's; what the tests read by this
# client is read with `cacheTimeout: -1`.
#
# Seen on 2026-11-29, with Node 20.20; the node's count goes from 5 to 6 between the first reading and the second:
#     by default: 5, then 5 (asked 1 time), after 300 ms 6
#     cacheTimeout -1: 5, then 6 (asked 2 times), after 300 ms 6
#     viem 2.57.20: 5, then 6 (asked 2 times), after 300 ms 6
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install ethers@6.17.0 viem@2.57.20 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const { createServer } = require("node:http"), { JsonRpcProvider } = require("ethers"), { createPublicClient, http } = require("viem");
let sent, asked;
const node = createServer(async (request, response) => {
	let body = "";
	for await (const part of request)
		body += part;
	const answer = ({ id, method }) => {
		if (method === "eth_getTransactionCount")
			asked++;
		return { jsonrpc: "2.0", id, result: method === "eth_getTransactionCount" ? `0x${sent.toString(16)}` : "0x1" };
	}, calls = JSON.parse(body);
	response.writeHead(200, { "Content-Type": "application/json" });
	response.end(JSON.stringify(Array.isArray(calls) ? calls.map(answer) : answer(calls)));
});
node.listen(0, "127.0.0.1", async () => {
	const url = `http://127.0.0.1:${node.address().port}`, address = "0x000000000000000000000000000000000000dEaD";
	const ways = {
		"by default": (p = new JsonRpcProvider(url)) => () => p.getTransactionCount(address, "pending"),
		"cacheTimeout -1": (p = new JsonRpcProvider(url, undefined, { cacheTimeout: -1 })) => () => p.getTransactionCount(address, "pending"),
		"viem 2.57.20": (p = createPublicClient({ transport: http(url) })) => () => p.getTransactionCount({ address, blockTag: "pending" }),
	};
	for (const [name, way] of Object.entries(ways)) {
		[sent, asked] = [5, 0];
		const count = way(), first = await count();
		sent = 6;
		const second = await count(), times = asked;
		await new Promise((resolve) => setTimeout(resolve, 300));
		console.log(`${name}: ${first}, then ${second} (asked ${times} time${times === 1 ? "" : "s"}), after 300 ms ${await count()}`);
	}
	process.exit();
});
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
