/*
 * Payments in USDC, on anvil: what was asked for once is paid once, whatever is killed or lost on the way; and ethers and viem read
 * what was signed.
 */
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ethers } from "ethers";
import { createPublicClient, erc20Abi, http, parseTransaction, recoverTransactionAddress } from "viem";
import { ROOT, newUser, privateInstance } from "../js/instance.mjs";
import { newAdmin, newName } from "../js/accounts.mjs";
import { TIME, UUID7, assertError, assertStatus, until } from "../js/expect.mjs";
import { CHAIN_ID, startChain } from "../standin/chain.mjs";

const TOKEN = ethers.getAddress("0x3600000000000000000000000000000000000000"), PAYEE = ethers.Wallet.createRandom().address, PAYS = "openai";
/* On one chain: natively, by the token, with confirmations, and one whose account is nearly empty. */
const NETWORKS = ["arc", "token", "deep", "poor"];
const accounts = Object.fromEntries(NETWORKS.map((name) => [name, ethers.Wallet.createRandom()]));
const HASH = /^0x[0-9a-f]{64}$/, json = { "content-type": "application/json" };
let keys, oldKey, chain, millrace, api, admin, key, service, provider, client;

before(async () => {
	keys = mkdtempSync(join(tmpdir(), "millrace-keys-"));
	/* Where ./dev is root's, the runner is not, and reads this. */
	chmodSync(keys, 0o755);
	oldKey = join(keys, "old");
	writeFileSync(oldKey, "", { mode: 0o644 });
	chain = await startChain();
	const networks = `arc=${CHAIN_ID}/1 token=${CHAIN_ID}/1:${TOKEN} deep=${CHAIN_ID}/3 poor=${CHAIN_ID}/1 unset=${CHAIN_ID}`;
	[millrace] = await Promise.all([privateInstance("payments", { MILLRACE_PAYMENT_NETWORKS: networks,
		MILLRACE_PAYMENT_URLS: [...NETWORKS, "unset"].map((name) => `${name}=${chain.url}`).join(" "), MILLRACE_PAYMENT_BUMP_SECONDS: "1", MILLRACE_LEASE_SECONDS: "4", MILLRACE_VAULT_KEY_OLD_FILE: oldKey,
		MILLRACE_PAYMENT_RECIPIENTS: [...NETWORKS, "unset"].map((name) => `${PAYS}@${name}=${PAYEE}`).join(" ") }), chain.putToken(TOKEN)]);
	({ api } = millrace);
	admin = await newAdmin(millrace);
	const { stdout } = await millrace.ctl("key", "create", `${newName()}@example.org`, "--service");
	[key] = /mr_[\w-]+/.exec(stdout);
	service = api.fresh().as(key);
	for (const name of NETWORKS)
		await chain.rpc("anvil_setBalance", accounts[name].address, ethers.toQuantity(ethers.parseEther(name === "poor" ? "5" : "1000")));
	await chain.setTokens(TOKEN, accounts.token.address, 1000_000000n);
	await putKey("poor");
	await until(() => sql("SELECT low_since IS NOT NULL FROM chain_account").then((low) => low === "t"), "the balance was looked at");
	for (const name of NETWORKS.filter((n) => n !== "poor"))
		assert.equal((await putKey(name)).trim(), accounts[name].address);
	provider = new ethers.JsonRpcProvider(chain.node, CHAIN_ID, { cacheTimeout: -1, pollingInterval: 200, staticNetwork: true });
	client = createPublicClient({ transport: http(chain.node) });
});
after(async () => {
	provider?.destroy();
	await millrace?.stop();
	chain?.stop();
	rmSync(keys, { recursive: true, force: true });
});

const sql = async (text) => (await millrace.psql(text)).trim();
const verify = async () => assert.match((await millrace.ctl("ledger", "verify")).stdout, /^The ledger holds: \d+ entries\.$/m);
const numberOf = (reply, name) => new RegExp(`"${name}" ?: ?(-?[\\d.]+)`).exec(reply.text)[1];

async function putKey(network, key = accounts[network].privateKey) {
	const command = millrace.ctl("payments", "key", network);
	command.child.stdin.end(`${key}\n`);
	return (await command).stdout;
}

const bodyOf = (user, amount, { id = randomUUID(), network = "arc", provider: to = PAYS, currency = "USDC", ...more } = {}) => `{"user_id": "${user}", "amount": ${amount},
	"currency": "${currency}", "network": "${network}", "metadata": ${JSON.stringify({ request_id: id, provider: to, model: "gpt-4o", note: "x" })}${Object.entries(more)
    .map(([k, v]) => `, "${k}": ${JSON.stringify(v)}`).join("")}}`;
const ask = (body, from = service) => from.request("POST", "/api/v1/payments/execute", { headers: json, body });
const pay = (user, amount, more) => ask(bodyOf(user, amount, more));
const status = async (which, from = service) => assertStatus(await from.get(`/api/v1/payments/${which}/status`), 200).json;
/* An error that the run has come to, which the reply is told by. */
function assertFailed(reply, words) {
	assert.deepEqual([reply.status, reply.json.code], [502, "UPSTREAM_FAILED"], reply.text);
	assert.match(reply.json.error, words);
}
const confirmed = (which) => until(async () => { const s = await status(which); return s.status === "confirmed" && s; }, `${which} is confirmed`);
const paid = () => provider.getBalance(PAYEE);
/* What a user has spent, and what is held of theirs. */
const spent = async (user) => (await service.get(`/api/v1/users/${user}`)).json?.total_spending;
const heldOf = (user) => sql(`SELECT u.reserved_usd FROM app_user u JOIN service_user s ON s.user_id = u.id WHERE s.name = '${user}'`).then(Number);
const rawsOf = (id) => sql(`SELECT '0x' || encode(raw, 'hex') FROM chain_transaction WHERE transfer_id = '${id}' ORDER BY n`).then((t) => t.split("\n"));
const paymentOf = async ({ tx_hash }) => (await status(tx_hash)).payment_id;
const idOf = (request) => sql(`SELECT id FROM payment WHERE request_id = '${request}'`);

/* Payments by whatever it takes: those that went out since, of the payee's. */
async function onceOnly(units, fn) {
	const had = await paid();
	await fn();
	assert.equal(await paid() - had, units);
}

test("a payment is made natively, once a request_id; ethers and viem read what was signed", async () => {
	const id = randomUUID(), had = await paid();
	const all = await Promise.all(Array.from({ length: 4 }, () => pay("native", "0.0234", { id })));
	const first = assertStatus(all[0], 200).json;
	for (const reply of all.concat(await pay("native", "2.34e-02", { id })))
		assert.deepEqual(assertStatus(reply, 200).json, first);
	assert.deepEqual({ ...first, tx_hash: 0, block_number: 0, timestamp: 0 },
	    { success: true, tx_hash: 0, block_number: 0, amount_paid: 0.0234, gas_used: 21000, timestamp: 0 });
	const payment_id = await idOf(id), { gas_price } = await status(payment_id);
	assert.match(payment_id, UUID7);
	assert.match(first.tx_hash, HASH);
	assert.match(first.timestamp, TIME);
	assert.equal(await paid() - had, ethers.parseEther("0.0234"));
	const [raw, ...none] = await rawsOf(payment_id), read = ethers.Transaction.from(raw), parsed = parseTransaction(raw);
	assert.deepEqual(none, []);
	assert.deepEqual([read.hash, read.from, read.to, read.value, read.type, read.chainId, read.gasLimit, read.data],
	    [first.tx_hash, accounts.arc.address, PAYEE, ethers.parseEther("0.0234"), 2, BigInt(CHAIN_ID), 21000n, "0x"]);
	assert.deepEqual([parsed.type, ethers.getAddress(parsed.to), parsed.value, parsed.chainId, await recoverTransactionAddress({ serializedTransaction: raw })],
	    ["eip1559", PAYEE, ethers.parseEther("0.0234"), CHAIN_ID, accounts.arc.address]);
	const mined = await client.getTransactionReceipt({ hash: first.tx_hash });
	assert.deepEqual([mined.status, Number(mined.blockNumber), Number(mined.effectiveGasPrice)], ["success", first.block_number, gas_price]);
	for (const which of [first.tx_hash, payment_id]) {
		const { confirmations, timestamp, ...seen } = await status(which);
		assert.ok(confirmations >= 1 && TIME.test(timestamp));
		assert.deepEqual(seen, { tx_hash: first.tx_hash, payment_id, status: "confirmed", block_number: first.block_number, network: "arc",
			amount_paid: 0.0234, gas_used: 21000, gas_price, problem: null });
	}
	assert.equal(await spent("native"), 0.0234);
	assert.equal(await sql("SELECT kind, account, amount_usd FROM ledger_entry WHERE kind = 'payment' AND owner_id IS NULL ORDER BY seq LIMIT 1"), "payment|payments|0.0234");
	assertError(await pay("native", "0.0235", { id }), "CONFLICT");
	/* It was counted with the payment: reported again it adds nothing. */
	assertStatus(await service.post("/api/v1/users/native/projects/default/spending", { amount: 0.0234, request_id: id }), 200);
	assert.equal(await spent("native"), 0.0234);
	await verify();
});

test("a backend's client, as its documentation has it, by httpx", async () => {
	await onceOnly(ethers.parseEther("0.25"), async () => {
		const args = [join(ROOT, "tests/api/backend_client/pay.py"), millrace.url, key, "template", "0.25", randomUUID()];
		const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", SSL_CERT_FILE: join(millrace.dir, "tls/cert.pem") };
		const { paid: made, status: seen } = JSON.parse((await promisify(execFile)("/usr/bin/python3", args, { env })).stdout);
		assert.deepEqual([made.success, made.amount_paid, made.tx_hash], [true, 0.25, seen.tx_hash]);
	});
});

test("a payment by a token has six decimals, and its event is the token's", async () => {
	const reply = await pay("tokens", "12.000001", { network: "token" }), made = assertStatus(reply, 200).json;
	assert.equal(numberOf(reply, "amount_paid"), "12.000001");
	assert.equal(await client.readContract({ address: TOKEN, abi: erc20Abi, functionName: "balanceOf", args: [PAYEE] }), 12000001n);
	const { logs } = await provider.getTransactionReceipt(made.tx_hash), event = new ethers.Interface(erc20Abi).parseLog(logs[0]);
	assert.deepEqual([event.name, ...event.args], ["Transfer", accounts.token.address, PAYEE, 12000001n]);
	const [raw] = await rawsOf(await paymentOf(made)), read = ethers.Transaction.from(raw);
	assert.deepEqual([read.to, read.value, read.gasLimit >= BigInt(made.gas_used)], [TOKEN, 0n, true]);
	assertError(await pay("tokens", "0.0000001", { network: "token" }), "BAD_REQUEST");
	assert.equal(await spent("tokens"), 12.000001);
});

test("where blocks have no base fee a transaction is of EIP-155", async (t) => {
	chain.change.set("eth_getBlockByNumber", ({ baseFeePerGas, ...block }) => block);
	t.after(() => chain.change.delete("eth_getBlockByNumber"));
	const made = assertStatus(await pay("legacy", "1"), 200).json, [raw] = await rawsOf(await paymentOf(made)), read = ethers.Transaction.from(raw);
	assert.deepEqual([read.type, read.chainId, read.from, parseTransaction(raw).type], [0, BigInt(CHAIN_ID), accounts.arc.address, "legacy"]);
});

test("a node that has no block yet is asked again, and not taken for one whose blocks have no base fee", async (t) => {
	let asked = 0;
	chain.change.set("eth_getBlockByNumber", (block) => asked++ < 2 ? null : block);
	t.after(() => chain.change.delete("eth_getBlockByNumber"));
	const made = assertStatus(await pay("noblock", "1"), 200).json, raws = await rawsOf(await paymentOf(made));
	assert.deepEqual([asked > 2, raws.map((raw) => ethers.Transaction.from(raw).type)], [true, [2]]);
});

test("what is wrong is refused in words, and charges and sends nothing", async () => {
	const sent = () => new Set(chain.of("eth_sendRawTransaction").map((c) => c.params[0])).size, had = sent();
	for (const amount of ["-1", "0", "0.0", "NaN", "Infinity", "1e300", "12345678901234567890", "1000000001", '"1"', "null", "[]", "0.1234567890123456789", "1e-19"])
		assertError(await pay("wrong", amount), "BAD_REQUEST");
	for (const more of [{ currency: "EUR" }, { currency: "usdc" }, { network: "arctic" }, { network: "ARC" }, { network: "" }])
		assertError(await pay("wrong", "1", more), "BAD_REQUEST");
	for (const metadata of [{}, { request_id: "x" }, { provider: PAYS }, { request_id: "", provider: PAYS }, { request_id: 1, provider: PAYS }, { request_id: "x".repeat(201), provider: PAYS }, [],
		{ request_id: "x", provider: PAYS, note: "x".repeat(17000) }])
		assertError(await service.post("/api/v1/payments/execute", { user_id: "wrong", amount: 1, currency: "USDC", network: "arc", metadata }), "BAD_REQUEST");
	/* The request names no recipient: whatever it says, the settings' is paid, or nobody. */
	assertError(await pay("wrong", "1", { provider: "anthropic", recipient: PAYEE, to: PAYEE }), "CONFLICT");
	assertError(await pay("wrong", "1", { provider: "OpenAI" }), "CONFLICT");
	assertError(await pay("wrong", "1", { network: "unset" }), "CONFLICT");
	assertError(await service.get(`/api/v1/payments/0x${"0".repeat(64)}/status`), "NOT_FOUND");
	assertError(await service.get("/api/v1/payments/x/status"), "NOT_FOUND");
	const stranger = api.fresh().as((await millrace.ctl("key", "create", `${newName()}@example.org`, "--service")).stdout.match(/mr_[\w-]+/)[0]);
	const { tx_hash } = assertStatus(await pay("shown", "1"), 200).json;
	assertError(await stranger.get(`/api/v1/payments/${tx_hash}/status`), "NOT_FOUND");
	const user = await newUser(api);
	assertError(await ask(bodyOf(user.uid, "1"), user.api), "FORBIDDEN");
	assert.equal((await status(tx_hash, admin.api)).status, "confirmed");
	assert.ok(await spent("wrong") === undefined || await spent("wrong") === 0);
	assert.equal(sent(), had + 1);
	assert.equal(await sql("SELECT count(*) FROM payment p JOIN service_user s ON s.user_id = p.owner_id WHERE s.name = 'wrong'"), "0");
});

test("budgets, policies and approvals hold for payments as for calls", async () => {
	const at = "/api/v1/users/limits/projects/app", more = { project_id: "app" };
	assertStatus(await service.put(`${at}/budget`, { daily_limit: 3 }), 200);
	assertError(await pay("limits", "3.5", more), "BUDGET_EXCEEDED");
	assertStatus(await service.put(`${at}/policies`, { allowed_providers: ["anthropic"] }), 200);
	assertError(await pay("limits", "1", more), "FORBIDDEN");
	assertStatus(await service.put(`${at}/policies`, { forbidden_operations: ["payment"] }), 200);
	assertError(await pay("limits", "1", more), "FORBIDDEN");
	assertStatus(await service.put(`${at}/policies`, { require_approval_above: 0.5 }), 200);
	const id = randomUUID();
	assertError(await pay("limits", "1", { ...more, id }), "APPROVAL_REQUIRED");
	const waiting = (await admin.api.get("/api/v1/approvals?status=pending")).json.find((a) => a.request_id === id);
	assert.deepEqual([waiting.kind, waiting.amount, waiting.provider], ["payment", 1, PAYS]);
	assertStatus(await admin.api.post(`/api/v1/approvals/${waiting.id}/approve`), 200);
	assertStatus(await pay("limits", "1", { ...more, id }), 200);
	assert.equal((await service.get(`${at}/budget`)).json.current_daily_spending, 1);
	/* What was charged already may be paid, once and no more of it, and counts no second time. */
	const counted = randomUUID();
	assertStatus(await service.put(`${at}/policies`, {}), 200);
	assertStatus(await service.post(`${at}/spending`, { amount: 0.25, request_id: counted }), 200);
	assertError(await pay("limits", "0.26", { ...more, id: counted }), "CONFLICT");
	assertStatus(await pay("limits", "0.25", { ...more, id: counted }), 200);
	assert.equal((await service.get(`${at}/budget`)).json.current_daily_spending, 1.25);
	await verify();
});

test("an account that runs low is said to administrators and metrics; one that is empty pays nothing", async () => {
	const notes = assertStatus(await admin.api.get("/api/notifications"), 200).json;
	assert.match(notes.find((n) => /runs low/.test(n.title)).message, new RegExp(`${accounts.poor.address} has 5 USDC left on poor`));
	await until(async () => /^millrace_payment_accounts_low\{[^}]*\} [1-9]/m.test((await api.get("/metrics")).text), "the metric says so");
	const id = randomUUID();
	assertFailed(await pay("poor", "6", { network: "poor", id }), /does not hold enough/);
	assertError(await pay("poor", "6", { network: "poor", id }), "UPSTREAM_FAILED");
	const failed = await status(await idOf(id));
	assert.deepEqual([failed.status, failed.tx_hash, failed.confirmations], ["failed", null, 0]);
	assert.deepEqual([await heldOf("poor"), await spent("poor")], [0, 0]);
	assert.match((await millrace.ctl("payments", "accounts")).stdout, new RegExp(`^poor +${accounts.poor.address} +pays +5 `, "m"));
});

test("a node of another chain signs nothing", async (t) => {
	chain.change.set("eth_chainId", () => "0x1");
	t.after(() => chain.change.delete("eth_chainId"));
	const id = randomUUID();
	assertFailed(await pay("elsewhere", "1", { id }), /another chain/);
	assert.equal(await rawsOf(await idOf(id)).then(String), "");
	assert.equal(await heldOf("elsewhere"), 0);
	/* Nor does an account whose nonces are of another chain: the settings have changed below it. */
	chain.change.delete("eth_chainId");
	await sql("UPDATE chain_account SET chain_id = 1 WHERE network = 'poor'");
	assertFailed(await pay("elsewhere", "1", { network: "poor" }), /put for another chain/);
	assert.equal(await heldOf("elsewhere"), 0);
});

/* The runner is killed at each point of a payment's way; its successor makes it, once. */
const POINTS = {
	"between intent and nonce": () => chain.hold("eth_estimateGas"),
	"between signature and broadcast": () => chain.hold("eth_sendRawTransaction"),
	"between broadcast and store": () => chain.hold("eth_getTransactionReceipt"),
};
test("a runner that is killed on the way leaves one transfer", async () => {
	for (const [name, hold] of Object.entries(POINTS))
		await onceOnly(ethers.parseEther("2"), async () => {
			const id = randomUUID(), held = hold(), reply = pay("killed", "2", { id });
			await held.held();
			await millrace.replace("runner", { kill: true });
			held.lose();
			const made = assertStatus(await reply, 200).json;
			assert.equal(new Set((await rawsOf(await paymentOf(made))).map((raw) => ethers.Transaction.from(raw).nonce)).size, 1, name);
			assert.equal((await confirmed(made.tx_hash)).tx_hash, made.tx_hash);
		});
	assert.equal(await heldOf("killed"), 0);
	assert.equal(await spent("killed"), 6);
});

test("a runner that is killed with a nonce and no signature goes on with that nonce", async () => {
	await onceOnly(ethers.parseEther("2"), async () => {
		const id = randomUUID();
		await millrace.psql("SELECT 1");
		const lock = await millrace.connections.connect();
		await lock.query("BEGIN; LOCK chain_transaction IN EXCLUSIVE MODE");
		const reply = pay("locked", "2", { id });
		const nonce = await until(() => sql(`SELECT t.nonce FROM chain_transfer t JOIN payment p USING (id) WHERE p.request_id = '${id}' AND t.nonce IS NOT NULL`), "it has a nonce");
		await millrace.replace("runner", { kill: true });
		await lock.query("ROLLBACK");
		lock.release();
		const made = assertStatus(await reply, 200).json, [raw] = await rawsOf(await paymentOf(made));
		assert.equal(String(ethers.Transaction.from(raw).nonce), nonce);
	});
});

test("replies that are lost, and errors of a node that took it all the same, make no second transfer", async () => {
	await onceOnly(ethers.parseEther("3"), async () => {
		chain.faults.push({ method: "eth_sendRawTransaction", lose: true });
		assertStatus(await pay("lost", "1"), 200);
		chain.faults.push({ method: "eth_getTransactionReceipt", lose: true });
		assertStatus(await pay("lost", "1"), 200);
		const held = chain.hold("eth_sendRawTransaction"), reply = pay("lost", "1");
		await held.held();
		/* The node has it, and says that it is known. */
		await chain.rpc("eth_sendRawTransaction", chain.of("eth_sendRawTransaction").at(-1).params[0]);
		held.go();
		assertStatus(await reply, 200);
	});
});

test("a node that has too much to do refuses nothing; one that refuses does", async () => {
	const asked = () => chain.of("eth_estimateGas").length;
	/* The node's error has stood for a minute when the next runner comes. */
	async function stands(fault) {
		const id = randomUUID(), began = asked(), f = { method: "eth_estimateGas", always: true, ...fault };
		chain.faults.push(f);
		const reply = pay("busy", "1", { id });
		await until(() => asked() > began, "the node is asked");
		await sql(`UPDATE chain_transfer SET created_at = now() - interval '1 minute' WHERE id = '${await idOf(id)}'`);
		await millrace.replace("runner", { kill: true });
		return { reply, end: () => chain.faults.splice(chain.faults.indexOf(f), 1) };
	}
	const faults = [{ error: { code: "-32005", message: "limit exceeded" } }, { error: "slow down", status: 429 }];
	await onceOnly(ethers.parseEther("1") * BigInt(faults.length), async () => {
		for (const fault of faults) {
			const { reply, end } = await stands(fault), then = asked();
			await until(() => asked() > then + 1, "the next runner asks, and again");
			end();
			assertStatus(await reply, 200);
		}
		const { reply, end } = await stands({ error: { code: 3, message: "execution reverted" } });
		assertFailed(await reply, /refuses the transfer/);
		end();
	});
	assert.equal(await heldOf("busy"), 0);
});

test("that a node does not answer is logged when it begins and when it is over, in whichever words it says so", async () => {
	const id = randomUUID(), asked = () => chain.of("eth_estimateGas").length, began = asked();
	const fault = { method: "eth_estimateGas", always: true, status: 503, get error() { return { code: -32005, message: `after ${asked()} ms` }; } };
	chain.faults.push(fault);
	const reply = pay("waits", "1", { id });
	await until(() => asked() > began + 3, "the node is asked again and again");
	chain.faults.splice(chain.faults.indexOf(fault), 1);
	assertStatus(await reply, 200);
	const said = (await millrace.grepLogs(await idOf(id))).split("\n");
	assert.deepEqual(["payment: waits", "payment: goes on"].map((text) => said.filter((line) => line.includes(text)).length), [1, 1], said.join("\n"));
});

test("what no block takes is sent again with fees a tenth higher; one transfer comes of it, by whichever", async (t) => {
	await chain.rpc("evm_setAutomine", false);
	t.after(() => chain.rpc("evm_setAutomine", true));
	await onceOnly(ethers.parseEther("1"), async () => {
		const id = randomUUID(), reply = pay("slow", "1", { id });
		const raws = await until(async () => { const all = await rawsOf(await idOf(id) || randomUUID()); return all.length >= 3 && all; }, "it was signed again, twice");
		const all = raws.map((raw) => ethers.Transaction.from(raw));
		for (let i = 1; i < all.length; i++) {
			assert.deepEqual([all[i].nonce, all[i].to, all[i].value], [all[0].nonce, all[0].to, all[0].value]);
			for (const fee of ["maxFeePerGas", "maxPriorityFeePerGas"])
				assert.ok(all[i][fee] * 10n >= all[i - 1][fee] * 11n, `${fee}: ${all[i - 1][fee]}, then ${all[i][fee]}`);
		}
		assert.equal((await status(all[0].hash)).status, "pending");
		await chain.rpc("anvil_mine", "0x1");
		const made = assertStatus(await reply, 200).json;
		/* The first hash names the payment still. */
		assert.equal((await status(all[0].hash)).tx_hash, made.tx_hash);
	});
});

test("a block that is dropped takes no payment with it; it counts when enough blocks have it", async () => {
	const before = await chain.rpc("evm_snapshot");
	await onceOnly(ethers.parseEther("1"), async () => {
		const made = assertStatus(await pay("deep", "1", { network: "deep" }), 200).json;
		const { payment_id, ...first } = await status(made.tx_hash);
		assert.equal(first.status, "pending");
		assert.deepEqual([first.confirmations, await spent("deep"), await heldOf("deep")], [1, 0, 1]);
		await chain.rpc("evm_revert", before);
		/* One block more, so that it comes into another block than before. */
		await chain.rpc("anvil_mine", "0x1");
		const again = await until(async () => { const s = await status(payment_id); return s.block_number > made.block_number && s; }, "it is in another block");
		assert.equal(again.status, "pending");
		await chain.rpc("anvil_mine", "0x2");
		assert.ok((await confirmed(made.tx_hash)).confirmations >= 3);
		assert.deepEqual([await spent("deep"), await heldOf("deep")], [1, 0]);
	});
	await verify();
});

test("a nonce that another transaction of the account has taken fails the payment, and gives back what was held", async (t) => {
	await chain.rpc("evm_setAutomine", false);
	t.after(() => chain.rpc("evm_setAutomine", true));
	const id = randomUUID(), reply = pay("taken", "1", { id });
	const [raw] = await until(async () => { const all = await rawsOf(await idOf(id) || randomUUID()); return all[0] && all; }, "it is signed");
	const { nonce } = ethers.Transaction.from(raw), fee = ethers.parseUnits("400", "gwei");
	const other = await accounts.arc.signTransaction({ type: 2, chainId: CHAIN_ID, nonce, to: accounts.arc.address, value: 0, gasLimit: 21000, maxFeePerGas: fee, maxPriorityFeePerGas: fee });
	await chain.rpc("eth_sendRawTransaction", other);
	/* Behind what anvil calls final. */
	await chain.rpc("anvil_mine", "0x50");
	assert.equal((await provider.getTransactionReceipt(ethers.keccak256(other))).status, 1);
	await sql(`UPDATE chain_transfer SET created_at = now() - interval '11 minutes' WHERE id = '${await idOf(id)}'`);
	assertFailed(await reply, /has taken the nonce/);
	assert.deepEqual([(await status(await idOf(id))).status, await heldOf("taken"), await spent("taken")], ["failed", 0, 0]);
	await chain.rpc("evm_setAutomine", true);
	assertStatus(await pay("taken", "1"), 200);
});

test("a key comes by standard input, and is in no table or log; another one takes its place", async () => {
	for (const bad of ["", "0x12", "z".repeat(64), `${accounts.arc.privateKey}00`, "0".repeat(64)])
		await assert.rejects(putKey("arc", bad), bad);
	await assert.rejects(putKey("nowhere", accounts.arc.privateKey), /MILLRACE_PAYMENT_NETWORKS has no network nowhere/);
	assert.equal(await millrace.grepLogs(accounts.arc.privateKey.slice(2)), "");
	assert.equal(await sql(`SELECT count(*) FROM chain_account a WHERE strpos(encode(a.sealed, 'hex'), '${accounts.arc.privateKey.slice(2)}') > 0`), "0");
	const next = ethers.Wallet.createRandom();
	await chain.rpc("anvil_setBalance", next.address, ethers.toQuantity(ethers.parseEther("100")));
	await putKey("arc", next.privateKey.slice(2));
	const made = assertStatus(await pay("next", "1"), 200).json;
	assert.equal((await provider.getTransaction(made.tx_hash)).from, next.address);
	/* The vault's key is rotated: the account's goes with it. */
	const now = join(millrace.dir, "vault.key"), newer = join(keys, "newer");
	await millrace.ctl("vault", "rotate", "--key-file", newer);
	writeFileSync(oldKey, readFileSync(now));
	renameSync(newer, now);
	await millrace.replace("runner");
	await until(() => sql("SELECT count(*) FROM chain_account a JOIN vault_key k ON k.id = a.key_id WHERE k.retired_at IS NOT NULL").then((n) => n === "0"), "all is under the new key");
	writeFileSync(oldKey, "");
	await millrace.replace("runner");
	assertStatus(await pay("next", "1"), 200);
	const listed = JSON.parse((await millrace.ctl("payments", "accounts", "--json")).stdout).filter((a) => a.network === "arc");
	assert.deepEqual(listed.map((a) => [a.address, a.inForce]), [[next.address, true], [accounts.arc.address, false]]);
	await verify();
});
