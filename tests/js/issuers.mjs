/* Stand-ins for those who issue tokens elsewhere: a host that gives out keys, pairs of keys, and tokens signed by them (jose). */
import http from "node:http";
import { once } from "node:events";
import * as jose from "jose";
import { until } from "./expect.mjs";

/* What the providers' hosts give out: sets of keys by path, and how they behave. */
export class KeyHost {
	sets = {};
	hits = {};
	mode = "well";          /* or: error, garbage, slow */
	hanging = new Set();

	async start(port = 0) {
		this.server = http.createServer((request, response) => this.answer(request, response)).listen(port, "127.0.0.1");
		await once(this.server, "listening");
		this.port = this.server.address().port;
	}

	answer({ url }, response) {
		this.hits[url] = (this.hits[url] ?? 0) + 1;
		response.setHeader("connection", "close");
		if (this.mode === "slow")
			this.hanging.add(response);
		else if (this.mode === "error")
			response.writeHead(503).end('{"keys":[]}');
		else if (this.mode === "garbage")
			response.end('{"keys": "none"');
		else
			response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: this.sets[url] ?? [] }));
	}

	async stop() {
		for (const response of this.hanging)
			response.destroy();
		this.hanging.clear();
		this.server.close();
		this.server.closeAllConnections();
		await once(this.server, "close");
	}
}

/* Until every process of a pool answers with the status what `ask` gives of a number: several rounds, since one that is late to hear of new
   keys may be late to take connections, too, and so be missed by one. */
export async function everywhere(status, ask) {
	let rounds = 0;
	await until(async () => {
		const replies = await Promise.all(Array.from({ length: 24 }, (_, i) => ask(i)));
		rounds = replies.every((r) => r.status === status) ? rounds + 1 : 0;
		return rounds === 5;
	}, `status ${status} of all processes`);
}

/* A pair of keys whose public half is in no set yet. */
export async function pair(alg, kid) {
	const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
	return { alg, kid, publicKey, privateKey, jwk: { ...await jose.exportJWK(publicKey), kid, alg, use: "sig" } };
}

/* A token of `claims` by such a key. */
export function sign(key, claims, header = {}) {
	const jwt = new jose.SignJWT(claims).setProtectedHeader({ alg: key.alg, typ: "JWT", ...key.kid && { kid: key.kid }, ...header });
	return jwt.sign(key.privateKey);
}

/* The same with the claims as JSON text, for numbers as JavaScript does not write them. */
export function signText(key, claims) {
	const jws = new jose.CompactSign(new TextEncoder().encode(claims)).setProtectedHeader({ alg: key.alg, typ: "JWT", ...key.kid && { kid: key.kid } });
	return jws.sign(key.privateKey);
}
