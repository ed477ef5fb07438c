/*
 * A chain for tests: anvil, and a node in front of it that sees every call, and fails as it is told:
 *
 *   faults.push({ method, lose: true })        the call is made, and the reply lost
 *   faults.push({ method, hold: promise })     the call waits for the promise, and is lost where that gives false
 *   faults.push({ method, error: {…}, status }) the node's own error, without the call
 *   change.set(method, (result) => result)     what stands in its replies, until it is deleted
 *
 * A fault is of one call; `always: true` of each until it is taken out.
 */
import http from "node:http";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { until } from "../js/expect.mjs";

export const CHAIN_ID = 5042002;

const require = createRequire(import.meta.url);

/* A token whose balances are in the slots of their holders' addresses: transfer and balanceOf of ERC-20, and no more. */
const TOKEN = assemble(`
	PUSH1:00 CALLDATALOAD PUSH1:e0 SHR
	DUP1 PUSH4:70a08231 EQ PUSH1:@balance JUMPI
	PUSH4:a9059cbb EQ PUSH1:@transfer JUMPI
	fail: PUSH1:00 DUP1 REVERT
	balance: PUSH1:04 CALLDATALOAD SLOAD PUSH1:00 MSTORE PUSH1:20 PUSH1:00 RETURN
	transfer: PUSH1:24 CALLDATALOAD CALLER SLOAD DUP2 DUP2 LT PUSH1:@fail JUMPI
	DUP2 SWAP1 SUB CALLER SSTORE
	DUP1 PUSH1:04 CALLDATALOAD SLOAD ADD PUSH1:04 CALLDATALOAD SSTORE
	PUSH1:00 MSTORE
	PUSH1:04 CALLDATALOAD CALLER PUSH32:ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef PUSH1:20 PUSH1:00 LOG3
	PUSH1:01 PUSH1:00 MSTORE PUSH1:20 PUSH1:00 RETURN`);

function assemble(text) {
	const codes = { ADD: 0x01, SUB: 0x03, LT: 0x10, EQ: 0x14, SHR: 0x1c, CALLER: 0x33, CALLDATALOAD: 0x35, MSTORE: 0x52, SLOAD: 0x54, SSTORE: 0x55, JUMPI: 0x57,
		JUMPDEST: 0x5b, PUSH1: 0x60, PUSH4: 0x63, PUSH32: 0x7f, DUP1: 0x80, DUP2: 0x81, SWAP1: 0x90, LOG3: 0xa3, RETURN: 0xf3, REVERT: 0xfd };
	const bytes = [], labels = new Map(), wanted = [];
	for (const word of text.trim().split(/\s+/)) {
		if (word.endsWith(":")) {
			labels.set(word.slice(0, -1), bytes.length);
			bytes.push(codes.JUMPDEST);
			continue;
		}
		const [name, value] = word.split(":");
		bytes.push(codes[name]);
		if (value?.startsWith("@")) {
			wanted.push([bytes.length, value.slice(1)]);
			bytes.push(0);
		} else if (value) {
			bytes.push(...Buffer.from(value, "hex"));
		}
	}
	for (const [at, label] of wanted)
		bytes[at] = labels.get(label);
	return `0x${Buffer.from(bytes).toString("hex")}`;
}

class Chain {
	calls = [];
	faults = [];
	change = new Map();

	async start() {
		const program = require.resolve(`@foundry-rs/anvil-linux-${{ x64: "amd64", arm64: "arm64" }[process.arch]}/bin/anvil`);
		this.anvil = spawn(program, ["--port", "0", "--chain-id", String(CHAIN_ID), "--accounts", "1"], { stdio: ["ignore", "pipe", "inherit"] });
		process.on("exit", () => this.anvil.kill("SIGKILL"));
		for await (const line of createInterface({ input: this.anvil.stdout })) {
			const [, address] = /Listening on (\S+)/.exec(line) ?? [];
			if (address) {
				this.node = `http://${address}`;
				break;
			}
		}
		this.anvil.stdout.resume();
		this.server = http.createServer((req, res) => this.serve(req, res).catch(() => res.destroy())).listen(0, "127.0.0.1");
		await once(this.server, "listening");
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		return this;
	}

	async serve(req, res) {
		let text = "";
		for await (const part of req)
			text += part;
		const call = JSON.parse(text), { method } = call;
		this.calls.push(call);
		const at = this.faults.findIndex((f) => f.method === method), fault = this.faults[at];
		if (fault && !fault.always)
			this.faults.splice(at, 1);
		if (fault?.hold && !await fault.hold)
			return res.destroy();
		if (fault?.error) {
			res.statusCode = fault.status ?? 200;
			return this.answer(res, { jsonrpc: "2.0", id: call.id, error: fault.error });
		}
		const reply = await this.ask(call);
		if (fault?.lose)
			return res.destroy();
		if (reply.result && this.change.has(method))
			reply.result = this.change.get(method)(reply.result);
		return this.answer(res, reply);
	}

	answer(res, reply) { res.setHeader("content-type", "application/json").end(JSON.stringify(reply)); }

	async ask(call) {
		const reply = await fetch(this.node, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(call) });
		return reply.json();
	}

	/* Asks anvil itself. */
	async rpc(method, ...params) {
		const { result, error } = await this.ask({ jsonrpc: "2.0", id: 1, method, params });
		if (error)
			throw new Error(`${method}: ${error.message}`);
		return result;
	}

	/* Holds the next such call; `held` resolves when it has come, go() lets it through, lose() loses it. */
	hold(method) {
		const seen = this.of(method).length;
		let settle;
		this.faults.push({ method, hold: new Promise((resolve) => { settle = resolve; }) });
		return { held: () => until(() => this.of(method).length > seen, `${method} is called`), go: () => settle(true), lose: () => settle(false) };
	}

	of(method) { return this.calls.filter((c) => c.method === method); }

	/* The token, at an address. */
	async putToken(address) { await this.rpc("anvil_setCode", address, TOKEN); }
	async setTokens(token, of, units) { await this.rpc("anvil_setStorageAt", token, `0x${of.slice(2).padStart(64, "0")}`, `0x${units.toString(16).padStart(64, "0")}`); }

	stop() {
		this.server?.closeAllConnections();
		this.server?.close();
		this.anvil?.kill("SIGKILL");
	}
}

export const startChain = () => new Chain().start();
