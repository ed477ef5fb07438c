/* A steady load of requests that change something, over a number of connections. */
import https from "node:https";
import { Api } from "../js/client.mjs";

/*
 * Sends requests over `connections` until `total` are answered and `more()` is
 * false. `send(api, i)` makes one and gives its reply. Gives { n, failures }:
 * what was answered, and what was no 2xx.
 */
export async function load(base, { total, connections = 32, keepAlive = true, more = () => false, send }) {
	const agent = new https.Agent({ keepAlive, maxSockets: connections, rejectUnauthorized: false });
	const result = { n: 0, failures: [] };
	let next = 0;

	const client = async () => {
		const api = new Api(base, { agent });
		while (next < total || more()) {
			const i = next++;
			const reply = await send(api, i).catch((e) => ({ status: e.code ?? e.message, text: "" }));
			result.n++;
			if (!(reply.status >= 200 && reply.status < 300))
				result.failures.push(`${i}: ${reply.status} ${reply.text.slice(0, 100)}`);
		}
	};
	await Promise.all(Array.from({ length: connections }, client));
	agent.destroy();
	return result;
}
