/* The opening handshake, RFC 6455, sections 4.2.1 and 4.2.2: h, ours. */
import assert from "node:assert/strict";
import { SOON, within } from "../suite.mjs";
import { TEXT, Wire, bytes, checkOpen, frame, opening, readHead, request } from "../wire.mjs";
import { once } from "node:events";
import net from "node:net";

const PATH = "/echo";
const KEY = "dGhlIHNhbXBsZSBub25jZQ==", ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

async function ask(t, lines) {
	const reply = await request(t.target, lines);
	t.atEnd(() => reply.socket.destroy());
	return reply;
}

/* The handshake is refused with one of the statuses. */
const refused = (statuses, how, path = PATH) => async (t) => {
	const { status, headers } = await ask(t, opening(t.target, path, how));
	assert(statuses.includes(status), `got ${status}, not ${statuses.join(" or ")}`);
	assert(!headers.has("sec-websocket-accept"));
	return headers;
};

/* It is refused; a server that does as RFC 6455 would have but is laxer about HTTP is told so. */
const refusedOrLax = (statuses, how, what) => async (t) => {
	const { status } = await ask(t, opening(t.target, PATH, how));
	if (status === 101)
		return t.nonStrict(what);
	assert(statuses.includes(status), `got ${status}, not ${statuses.join(" or ")}`);
};

const accepted = (how, path = PATH) => async (t) => {
	const wire = await Wire.open(t, path, how);
	await wire.send(TEXT, "Hello");
	await wire.expectMessage(TEXT, "Hello");
	await wire.goodbye();
};

const KEYS = {
	none: null, empty: "", "of 15 octets": Buffer.alloc(15, 7).toString("base64"), "of 17 octets": Buffer.alloc(17, 7).toString("base64"),
	"of 16 octets without padding": KEY.slice(0, 22), "that is not base64": "!!!!!!!!!!!!!!!!!!!!!!==", "as a list of two": `${KEY}, ${KEY}`,
};

function keysAndVersions(suite) {
	Object.entries(KEYS).forEach(([name, key], i) =>
		suite.case(`h.2.${i + 1}`, `a key ${name}`, refused([400], { change: { "Sec-WebSocket-Key": key } })));
	for (const [i, version] of [null, "", "0", "12", "14", "abc", "113"].entries())
		suite.case(`h.3.${i + 1}`, `the version ${version ?? "missing"} is refused with the one that is spoken`, async (t) => {
			const headers = await refused([426, 400], { change: { "Sec-WebSocket-Version": version } })(t);
			assert.match(headers.get("sec-websocket-version")?.join() ?? "", /(^|[ ,])13($|[ ,])/);
		});
	for (const [i, method] of ["POST", "PUT", "HEAD", "OPTIONS", "DELETE"].entries())
		suite.case(`h.4.${i + 1}`, `the method ${method}`, refused([400, 404, 405, 426, 501], { method }));
}

function upgradeAndConnection(suite) {
	const wants = { "no Upgrade": { Upgrade: null }, "an Upgrade to another protocol": { Upgrade: "h2c" }, "an empty Upgrade": { Upgrade: "" },
		"no Connection": { Connection: null }, "a Connection without upgrade": { Connection: "keep-alive" },
		"a Connection whose token only contains upgrade": { Connection: "upgraded" }, "neither": { Upgrade: null, Connection: null } };
	Object.entries(wants).forEach(([name, change], i) => suite.case(`h.5.${i + 1}`, `${name}`, refused([400, 426], { change })));

	const takes = [{ Upgrade: "WebSocket" }, { Upgrade: "WEBSOCKET" }, { Connection: "upgrade" }, { Connection: "UPGRADE" },
		{ Connection: "keep-alive, Upgrade" }, { Connection: "Upgrade,keep-alive" }, { Connection: "foo , upgrade" }];
	takes.forEach((change, i) => suite.case(`h.6.${i + 1}`, Object.entries(change)[0].join(": "), accepted({ change })));
	suite.case("h.6.10", "a tab in Connection's list", async (t) => {
		const { status } = await ask(t, opening(t.target, PATH, { change: { Connection: "foo,\tupgrade" } }));
		if (status !== 101)
			t.nonStrict(`refused with ${status}`);
		assert([101, 400, 426].includes(status), `got ${status}`);
	});
	suite.case("h.6.8", "two Connection fields", accepted({ change: { Connection: null }, more: ["Connection: keep-alive", "Connection: Upgrade"] }));
	suite.case("h.6.9", "field names in other cases, values with space around them", async (t) => {
		const lines = opening(t.target, PATH, { key: KEY }).map((line, i) => (i === 0 ? line : `${line.replace(/^[^:]+/, (n) => n.toUpperCase()).replace(": ", ":  \t")} `));
		checkOpen(await ask(t, lines), KEY);
	});
}

export function handshake(suite) {
	suite.case("h.1", "the key of RFC 6455's example", async (t) => {
		const reply = await ask(t, opening(t.target, PATH, { key: KEY }));
		checkOpen(reply, KEY);
		assert.deepEqual(reply.headers.get("sec-websocket-accept"), [ACCEPT]);
	});
	keysAndVersions(suite);
	upgradeAndConnection(suite);

	suite.case("h.7.1", "HTTP/1.0", refusedOrLax([400, 426, 505], { version: "1.0" }, "HTTP/1.0 was upgraded"));
	suite.case("h.7.2", "no Host", refusedOrLax([400], { change: { Host: null } }, "a request without Host was upgraded"));
	suite.case("h.8.1", "a query after the path", accepted({}, `${PATH}?token=abc&x=%20`));
	suite.case("h.8.2", "another path", refused([400, 404, 426], {}, "/nothing-is-here"));
	suite.case("h.9", "a subprotocol is chosen from those offered, or none", async (t) => {
		const { status, headers } = await ask(t, opening(t.target, PATH, { more: ["Sec-WebSocket-Protocol: one, two"] }));
		assert.equal(status, 101);
		assert(["one", "two", ""].includes(headers.get("sec-websocket-protocol")?.join() ?? ""));
	});
	suite.case("h.10", "the request octet by octet", async (t) => {
		const socket = net.connect({ host: t.target.host, port: t.target.port, noDelay: true });
		t.atEnd(() => socket.destroy());
		await once(socket, "connect");
		const reply = readHead(socket);
		for (const octet of bytes(`${opening(t.target, PATH, { key: KEY }).join("\r\n")}\r\n\r\n`)) {
			socket.write(Buffer.of(octet));
			await new Promise(setImmediate);
		}
		checkOpen(await within(SOON, "a reply", reply), KEY);
	});
	suite.case("h.11", "frames in the same write as the request are not lost", async (t) => {
		const reply = await request(t.target, opening(t.target, PATH, { key: KEY }), { body: Buffer.concat([frame(TEXT, "first"), frame(TEXT, "second")]) });
		t.atEnd(() => reply.socket.destroy());
		checkOpen(reply, KEY);
		const wire = new Wire(reply.socket, reply.rest, { headers: reply.headers });
		await wire.expectMessage(TEXT, "first");
		await wire.expectMessage(TEXT, "second");
		await wire.goodbye();
	});
	for (const [i, [what, lines]] of [
		["what is not HTTP", ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]],
		["a request line of one word", ["GET", "Host: x"]],
		["a field without a colon", [`GET ${PATH} HTTP/1.1`, "Host: x", "Upgrade websocket"]],
		["a field's name with a space", [`GET ${PATH} HTTP/1.1`, "Host: x", "Upgrade : websocket", "Connection: Upgrade"]],
		["a NUL in a field", [`GET ${PATH} HTTP/1.1`, "Host: x", "X-A: a\0b"]],
		["fields of 128 KiB", [`GET ${PATH} HTTP/1.1`, "Host: x", `X-A: ${"a".repeat(128 << 10)}`]],
		["5,000 fields", [`GET ${PATH} HTTP/1.1`, "Host: x", ...Array.from({ length: 5000 }, (_, n) => `X-${n}: some value of a field`)]],
	].entries())
		suite.case(`h.12.${i + 1}`, `${what}: refused`, async (t) => {
			const { status } = await ask(t, lines);
			assert([0, 400, 413, 414, 426, 431].includes(status), `got ${status}`);
		});
}
