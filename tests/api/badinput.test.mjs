/*
 * Hostile and broken input: always a 4xx of the one error shape, and the same
 * processes answer the next request.
 */
import test, { after, afterEach, before } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { newUser, shared } from "../js/instance.mjs";
import { multipart } from "../js/client.mjs";
import { assertError, assertStatus, until } from "../js/expect.mjs";

let millrace, api, user, workers;
before(async () => {
	millrace = await shared();
	({ api } = millrace);
	user = await newUser(api);
	workers = millrace.workers();
});

const alive = async () => assert.equal(assertStatus(await user.api.get("/api/user"), 200).json.id, user.uid);
afterEach(alive);
after(() => assert.deepEqual(millrace.workers(), workers, "a process died"));

/* Some 4xx (one of `statuses`, if given), in the error shape. */
function assertRefused(reply, what, statuses) {
	const seen = `${what}: ${reply.status} ${reply.text.slice(0, 300)}`;
	assert.match(reply.headers["content-type"] ?? "", /^application\/json/, seen);
	assert.ok(statuses ? statuses.includes(reply.status) : reply.status >= 400 && reply.status < 500, seen);
	const { error, code, detail, request_id: id } = reply.json;
	assert.ok(error && code && detail && id, seen);
	assert.equal(reply.headers["x-request-id"], id, seen);
	assert.doesNotMatch(reply.text, /nginx|postgres|libpq|SELECT|\.c:\d/i, seen);
}

const NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057";
const nest = (n, open = "[", close = "]") => open.repeat(n) + close.repeat(n);
const latin1 = (text) => Buffer.from(text, "latin1");

const NO_JSON = ["", " ", "{", '{"a":', '{"name":"x"', '{"name":"x"}}', '{"name":"x"}{', '{"name":"x"} x', '{"name":"x",}', "{'name':'x'}",
	"{name:1}", '{"name":NaN}', '{"name":Infinity}', '{"name":-Infinity}', '{"a":01}', '{"a":.5}', '{"a":1.}', '{"a":+1}',
	'{"a":0x10}', '{"a":tru}', '{"a":TRUE}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"tab\there"}', '{"a":"line\nbreak"}',
	'/* c */{"a":1}', '{"a":1//\n}', "nul", '"x', "[1", "{]", "[}", '{"a" 1}', '{:1}', '{"a":1 "b":2}', "\u0000", '{"name":"x"}\u0000',
	'\u0000{"name":"x"}', '{"name":"a\u0000b"}', '{"name":"a\\u0000b"}', '{"a\\u0000b":1}', '{"name":"\\ud800"}', '{"name":"\\udc00\\ud800"}',
	nest(33), nest(1000), nest(100000), "[".repeat(500000), '{"a":'.repeat(100000), `{"x":${nest(40)}}`, `{"x":${nest(20, '{"a":[', "]}")}}`];
const NO_OBJECT = ["[]", '"x"', "5", "null", "true", '[{"name":"x"}]', "-0", "1e999"];
const NO_UTF8 = ["\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80", "\x80", "\xc3", "\xf0\x9f\x98"];

test("JSON that is none, or no object", async () => {
	for (const body of [...NO_JSON, ...NO_OBJECT]) {
		const options = { body, headers: { "content-type": "application/json" } };
		const what = JSON.stringify(body.slice(0, 60));
		assertError(await user.api.request("PATCH", "/api/user", options), "BAD_REQUEST", null, what);
		if (body.length < 100)
			assertError(await user.api.request("POST", "/api/chat", options), "BAD_REQUEST", null, what);
	}
});

test("UTF-8 that is none", async () => {
	for (const bytes of NO_UTF8)
		for (const body of [`{"name":"${bytes}"}`, `{"${bytes}":1}`, `{"other":"a${bytes}"}`])
			assertError(await user.api.request("PATCH", "/api/user", { body: latin1(body),
				headers: { "content-type": "application/json" } }), "BAD_REQUEST");
});

test("depth 32 is taken and 33 refused", async () => {
	const send = (depth) => user.api.request("PATCH", "/api/user", { headers: { "content-type": "application/json" },
		body: `{"x":${"[".repeat(depth - 1)}1${"]".repeat(depth - 1)}}` });
	assertStatus(await send(32), 200);
	assertError(await send(33), "BAD_REQUEST");
});

/* Names of the fields that an operation's JSON body has, those of objects in it too. */
function bodyFields(operation) {
	const resolve = (s) => s?.$ref ? s.$ref.slice(2).split("/").reduce((v, k) => v[k], millrace.document) : s;
	const names = (schema, prefix) => Object.entries(resolve(schema)?.properties ?? {}).flatMap(([name, sub]) =>
	    [[...prefix, name], ...names(sub, [...prefix, name])]);
	return names(operation.requestBody?.content?.["application/json"]?.schema, []);
}

test("wrong types in every field of every operation that is described", async () => {
	const values = [null, true, 0, -1, 1.5, 1e308, "", "x".repeat(200000), [], {}, [[]], [null], { a: 1 }, "\u0001", "9".repeat(400)];
	let sent = 0;
	for (const [path, item] of Object.entries(millrace.document.paths))
		for (const [verb, operation] of Object.entries(item))
			for (const name of bodyFields(operation)) {
				/* from an address each, since some operations count addresses */
				const from = user.api.fresh();
				for (const value of values) {
					const json = name.reduceRight((inner, key) => ({ [key]: inner }), value);
					const reply = await from.request(verb.toUpperCase(), path.replace(/\{[^}]+\}/g, NOBODY), { json });
					const seen = `${verb} ${path} ${JSON.stringify(json).slice(0, 60)}: ${reply.status}`;
					assert.ok(reply.status < 500, seen);
					sent++;
				}
			}
	assert.ok(sent > 100, `only ${sent}`);
});

test("ids and parameters that are none, in every operation that is described", async () => {
	const odd = ["x", "0", "-1", "%00", "%ff", "..", "%2e%2e%2f", "'", "null", "00000000-0000-0000-0000-000000000000", "a".repeat(500), "%7B%7D"];
	for (const [path, item] of Object.entries(millrace.document.paths))
		for (const [verb, operation] of Object.entries(item)) {
			const method = verb.toUpperCase();
			if (path.includes("{"))
				for (const id of odd) {
					/* What that is, is another path. */
					if (/^(\.|%2e){2}/.test(id) && path.slice(0, path.indexOf("/{")).replace(/\/[^/]+$/, "") in millrace.document.paths)
						continue;
					const reply = await user.api.request(method, path.replace(/\{[^}]+\}/, id));
					/* Who is none of the administrators, or names another user, hears that first; a model may have any name, and a file at a service that
					   is not connected. */
					const also = path.startsWith("/api/v1/drive/") ? 409 : /^\/api\/(v1\/(admin\/invitations|approvals|users)|pricing)\//.test(path) ? 403 : path.endsWith("/prices") ? 200 : 404;
					assert.ok([400, 404, 405, also].includes(reply.status), `${method} ${path} with ${id}: ${reply.status}`);
				}
			for (const { name } of (operation.parameters ?? []).filter((p) => p.in === "query"))
				for (const value of odd) {
					const reply = await user.api.request(method, `${path.replace(/\{[^}]+\}/g, NOBODY)}?${name}=${value}`);
					assert.ok(reply.status < 500, `${method} ${path}?${name}=${value}: ${reply.status}`);
				}
		}
});

test("10,000 fields, long names, numbers beyond measure", async () => {
	const many = `{${Array.from({ length: 10000 }, (_, i) => `"f${i}":${i}`).join()},"name":"Many"}`;
	assert.equal(assertStatus(await user.api.request("PATCH", "/api/user", { body: many,
		headers: { "content-type": "application/json" } }), 200).json.name, "Many");
	for (const body of [`{"${"n".repeat(500000)}":1}`, `{"x":${"9".repeat(100000)}}`, '{"x":1e99999}', '{"x":-1e-99999}']) {
		const { status } = await user.api.request("PATCH", "/api/user", { body, headers: { "content-type": "application/json" } });
		assert.ok(status === 200 || status === 400, `${body.slice(0, 30)}: ${status}`);
	}
	assertError(await user.api.request("PATCH", "/api/user", { body: '{"name":"a","name":5}',
		headers: { "content-type": "application/json" } }), "BAD_REQUEST");
});

test("query strings", async () => {
	for (const query of ["limit=%zz", "limit=%", "limit=%0", "limit=%00", "before=%ff", "before=%c0%80", "limit=1%00"])
		assertRefused(await user.api.get(`/api/documents?${query}`), query, [400]);
	for (const query of ["&&&", "=", "==&=", "x".repeat(3000), "a=1&".repeat(500), "LIMIT=5;x"])
		assert.equal((await user.api.get(`/api/documents?${query}`)).status, 200, query);
	assertRefused(await user.api.get(`/api/documents/search?q=${"%41".repeat(2000)}`), "a long q", [400]);
	assertRefused(await user.api.get("/api/documents/search?q=%00"), "NUL in q", [400]);
});

test("path tricks", async () => {
	const get = (path) => api.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${user.token}\r\n\r\n`);
	for (const path of ["/api/../../etc/passwd", "/../api/user", "/api/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/api/user%00", "/api/user%00.json",
		"/api/user;x=1", "/api/user%2f..%2fadmin", "/api\\user", "/api/%5c..%5cuser", "/%ff%fe", "/api/user/.", "/api/user/..", "/api/user%20",
		"/api/user%0d%0aX-Evil:%201", "/API/USER", "/api/users", "/api/user.", "/api/conversations/%00", "/api/conversations/..%2f..",
		`/api/conversations/${"a".repeat(2000)}`, "/api/conversations/00000000-0000-0000-0000-00000000000g", "/api/documents/'%20or%201=1--",
		"/_stream/run/x", "/_millrace/quiet/api/user", "/%5fstream/run/x", "//_stream/run/x", "/./_millrace/error"]) {
		const reply = await get(path);
		if (/^\/api\/user(\/\.)?$/.test(path))
			assertStatus(reply, 200);
		else if (reply.status !== 200)
			assertRefused(reply, path, [400, 404]);
		else if (path === "/api/conversations/..%2f..")    /* nginx resolved it to / */
			assert.match(reply.text, /<title>Millrace<\/title>/);
		else    /* nginx resolved it: it has to be the very same resource */
			assert.equal(reply.json.id, user.uid, path);
		assert.equal(reply.headers["x-evil"], undefined);
	}
	assert.equal((await get("//api///user")).json.id, user.uid);
	assertRefused(await get("/" + "a".repeat(40000)), "a long path", [400, 414]);
	assertRefused(await get("api/user"), "no slash", [400]);
	assertRefused(await get("*"), "a star", [400]);
});

test("request lines that are none", async () => {
	for (const [line, statuses] of Object.entries({
		"GET\r\n\r\n": null, "GET / HTTP/9.9\r\nHost: x\r\n\r\n": [400, 505], "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n": null,
		"get /api/user HTTP/1.1\r\nHost: x\r\n\r\n": null, "G\u0001T / HTTP/1.1\r\nHost: x\r\n\r\n": null, " GET / HTTP/1.1\r\n\r\n": null,
		"TRACE /api/user HTTP/1.1\r\nHost: x\r\n\r\n": [405], "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n": [400, 405],
		[`${"A".repeat(500)} /api/user HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`]: null,
		"\x00\x01\x02\x03\r\n\r\n": null, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": null,
	})) {
		const reply = await api.raw(latin1(line)).catch((e) => e);
		if (reply instanceof Error)
			assert.match(reply.message, /closed without|reset|ECONNRESET/, JSON.stringify(line.slice(0, 40)));
		else
			assertRefused(reply, JSON.stringify(line.slice(0, 40)), statuses ?? undefined);
	}
});

test("headers: floods, doubles, and what smuggles", async () => {
	const send = (headers, body = "", method = "GET") => api.raw(latin1(
	    `${method} /api/user HTTP/1.1\r\n${headers}Connection: close\r\nAuthorization: Bearer ${user.token}\r\n\r\n${body}`));
	const json = "Host: x\r\nContent-Type: application/json\r\n";
	for (const [what, headers, body] of [
		["no Host", ""], ["two Hosts", "Host: x\r\nHost: y\r\n"], ["an odd Host", "Host: a b\r\n"],
		["a header of 20 kB", `Host: x\r\nX-Big: ${"b".repeat(20000)}\r\n`],
		["10,000 headers", "Host: x\r\n" + Array.from({ length: 10000 }, (_, i) => `X-${i}: y\r\n`).join("")],
		["NUL in a header", "Host: x\r\nX-Nul: a\0b\r\n"],
		["length and chunks", `${json}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, "0\r\n\r\n"],
		["two lengths", `${json}Content-Length: 2\r\nContent-Length: 3\r\n`, "{}"],
		["a negative length", `${json}Content-Length: -1\r\n`, "{}"], ["a length in letters", `${json}Content-Length: two\r\n`, "{}"],
		["a length beyond measure", `${json}Content-Length: 99999999999999999999\r\n`, "{}"],
		["a length too large", `${json}Content-Length: 2000000\r\n`, "{}"],
		["an odd encoding", `${json}Transfer-Encoding: gzip, chunked\r\n`, "0\r\n\r\n"],
		["broken chunks", `${json}Transfer-Encoding: chunked\r\n`, "zz\r\n{}\r\n0\r\n\r\n"],
		["chunks beyond measure", `${json}Transfer-Encoding: chunked\r\n`, "ffffffffffffffffff\r\n{}"],
	]) {
		const reply = await send(headers, body, body === undefined ? "GET" : "PATCH");
		assertRefused(reply, what, what === "an odd encoding" ? [400, 501] : undefined);
	}
	const chunked = await send(`${json}Transfer-Encoding: chunked\r\n`, '8\r\n{"name":\r\n9\r\n"chunked"\r\n1\r\n}\r\n0\r\n\r\n', "PATCH");
	assert.equal(assertStatus(chunked, 200).json.name, "chunked");
});

test("Authorization of every odd kind", async () => {
	for (const value of ["", " ", "Bearer", "Bearer \t", "Bearer \xff\xfe", `Bearer ${"a.".repeat(3500)}`, "Bearer ..", "Bearer null", `Bearer ${"A".repeat(7000)}`,
		"Basic Og==", "Bearer a b", "\"", "Bearer " + Buffer.from('{"alg":"none"}').toString("base64url") + "." + "e30" + "."])
		assertRefused(await api.get("/api/user", { headers: { authorization: value } }), value, [401, 400]);
});

test("bodies that stop, lie about their length, or come from a client that leaves", async () => {
	const head = `PATCH /api/user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${user.token}\r\n`;
	const cut = await api.raw(`${head}Content-Length: 100\r\n\r\n{"name":"cut"`, { end: true }).catch((e) => e);
	if (!(cut instanceof Error))
		assertRefused(cut, "a body cut short");
	await Promise.all(Array.from({ length: 30 }, () => api.raw("", { timeout: 500, write: (socket) => {
		socket.write(`${head}Content-Length: 100\r\n\r\n{"name":`);
		setTimeout(() => socket.destroy(), 50);
	} }).catch(() => {})));
	const long = await api.raw(`${head}Content-Length: 12\r\nConnection: close\r\n\r\n{"name":"x"}GET /api/nope HTTP/1.1\r\nHost: x\r\n\r\n`);
	assert.equal(assertStatus(long, 200).json.name, "x");
	assert.notEqual((await user.api.get("/api/user")).json.name, "cut");
});

test("plain HTTP on the TLS port", async () => {
	const net = await import("node:net");
	const text = await new Promise((resolve, reject) => {
		let all = "";
		net.connect(millrace.port, "127.0.0.1", function () { this.write("GET /api/user HTTP/1.1\r\nHost: x\r\n\r\n"); })
		    .on("data", (d) => { all += d; }).on("close", () => resolve(all)).on("error", reject);
	});
	assert.match(text, /^HTTP\/1\.1 400 /);
	assert.equal(JSON.parse(text.split("\r\n\r\n")[1]).code, "BAD_REQUEST");
});

const part = (name, value, more = "") => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const file = part("file", "some text of a file", '; filename="a.txt"');
const send = (body, type = "multipart/form-data; boundary=b") => user.api.request("POST", "/api/documents/upload",
    { body: Buffer.isBuffer(body) ? body : latin1(body), headers: { "content-type": type } });

test("forms that are none", async () => {
	for (const [what, body, type] of [
		["no end", part("name", "x") + file], ["an end cut short", part("name", "x") + file + "--b-"],
		["no boundary in the type", part("name", "x") + file + "--b--\r\n", "multipart/form-data"],
		["an empty boundary", part("name", "x") + file + "--b--\r\n", "multipart/form-data; boundary="],
		["another boundary", part("name", "x") + file + "--b--\r\n", "multipart/form-data; boundary=other"],
		["a boundary of 200 characters", "--" + "b".repeat(200) + "--\r\n", `multipart/form-data; boundary=${"b".repeat(200)}`],
		["no body", ""], ["only an end", "--b--\r\n"], ["only a line", "--b\r\n"], ["garbage", "\x00\xff\x01".repeat(1000)],
		["a part without headers", "--b\r\n\r\nx\r\n--b--\r\n"], ["a part without a name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"],
		["headers without an end", "--b\r\nContent-Disposition: form-data; name=\"file\""],
		["headers of 100 kB", `--b\r\nX: ${"h".repeat(100000)}\r\n\r\nx\r\n--b--\r\n`],
		["a name cut short", "--b\r\nContent-Disposition: form-data; name=\"file\r\n\r\nx\r\n--b--\r\n"],
		["10,000 parts", Array.from({ length: 10000 }, (_, i) => part(`f${i}`, "x")).join("") + "--b--\r\n"],
		["two files", part("name", "x") + file + file + "--b--\r\n"],
		["NUL in the name field", part("name", "a\0b") + file + "--b--\r\n"],
		["a name that is no UTF-8", part("name", "\xff\xfe") + file + "--b--\r\n"],
		["a name of 1 MB", part("name", "n".repeat(1 << 20)) + file + "--b--\r\n"],
		["another encoding", "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--\r\n", "multipart/mixed; boundary=b"],
		["JSON", '{"name":"x"}', "application/json"],
	])
		assertRefused(await send(body, type), what, [400, 413, 415]);
});

test("forms that are odd but right", async () => {
	const fine = [
		["a preamble and an epilogue", "preamble\r\n" + part("name", "x") + file + "--b--\r\nepilogue"],
		["bare line feeds in the file", part("name", "x") + part("file", "a\n--b\nc\r\n-b\r\n--\r\nd", '; filename="a.txt"') + "--b--\r\n"],
		["a length that lies in a part", part("name", "x") + '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
		    + "Content-Length: 99999999\r\n\r\ntext of it\r\n--b--\r\n"],
		["a quoted boundary", part("name", "x") + file + "--b--\r\n", 'multipart/form-data; boundary="b"'],
		["fields in another order", file + part("name", "x") + "--b--\r\n"],
		["more fields", part("name", "x") + file + part("colour", "red") + "--b--\r\n"],
	];
	for (const [what, body, type] of fine)
		assert.equal((await send(body, type)).status, 202, what);
});

test("a form that crosses every buffer's end", async () => {
	const sizes = [1, 4095, 4096, 65534, 65535, 65536, 262143, 262144, 262145, 524289];
	for (const size of sizes) {
		const bytes = Buffer.alloc(size, "mill stream \r\n--b");
		const form = multipart({ name: `s${size}`, file: { filename: "a.txt", bytes } }, "b-b");
		const { json } = assertStatus(await send(form.body, form.type), 202);
		assert.equal((await user.api.get(`/api/documents/${json.id}`)).json.size, size);
	}
});

test("large uploads, good and bad, leave the connection fit for the next request", async () => {
	const big = part("file", "x".repeat(900000), '; filename="a.txt"');
	const bodies = { 202: part("name", "x") + big + "--b--\r\n", 400: part("name", "x") + big + file + "--b--\r\n" };
	const seen = {};
	for (let i = 0; i < 25; i++)
		for (const [wanted, body] of Object.entries(bodies)) {
			const replies = await Promise.all([1, 2, 3].map(() => send(body)));
			for (const { status } of replies)
				seen[`${wanted}: ${status}`] = (seen[`${wanted}: ${status}`] ?? 0) + 1;
		}
	assert.deepEqual(seen, { "202: 202": 75, "400: 400": 75 });
});

test("a file larger than allowed is refused, one just below is taken", async () => {
	const big = multipart({ name: "big", file: { filename: "big.txt", bytes: Buffer.alloc(50 << 20, "large ") } });
	const refused = await api.raw("", { write: (socket) => {
		socket.write(`POST /api/documents/upload HTTP/1.1\r\nHost: x\r\nContent-Type: ${big.type}\r\nAuthorization: Bearer ${user.token}\r\n`
		    + `Content-Length: ${big.body.length}\r\n\r\n`);
	} });
	assertError(refused, "TOO_LARGE");
	const fine = multipart({ name: "large", file: { filename: "large.bin", bytes: Buffer.alloc(20 << 20, "\0") } });
	assertStatus(await send(fine.body, fine.type), 202);
});

test("slow clients hold nobody up", async () => {
	const sockets = [];
	let ended = 0;
	const slow = Array.from({ length: 40 }, () => api.raw("", { write: (socket) => {
		sockets.push(socket);
		socket.write(`PATCH /api/user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${user.token}\r\nContent-Length: 10000\r\n\r\n`);
		const timer = setInterval(() => socket.write(" "), 100);
		socket.on("close", () => clearInterval(timer));
	} }).catch(() => {}).finally(() => ended++));
	await until(() => sockets.length === slow.length, "all of them");
	await sleep(300);
	for (let i = 0; i < 20; i++)
		await alive();
	assert.equal(ended, 0);
	sockets.forEach((socket) => socket.destroy());
	await Promise.all(slow);
});

test("resuming with odd ids", async () => {
	const stream = await user.api.chat("anything");
	await stream.all();
	const path = `/api/runs/${stream.headers["x-run-id"]}/stream`;
	for (const id of ["-1", "x", "1.5", "99999999999999999999", "1 2", "\xff", "0x1"]) {
		const reply = await user.api.open("GET", path, { headers: { "last-event-id": latin1(id).toString("latin1") } });
		assert.equal(reply.statusCode, 200, id);
		reply.destroy();
	}
	for (const id of ["%ff", "%00", "x".repeat(900), "[]"])
		assertStatus(await user.api.get(`${path}?lastEventId=${id}`), /%ff|%00/.test(id) ? 400 : 200);
	for (const after of ["-1", "x", "99999999999999999999"])
		assertRefused(await user.api.get(`${path}?after=${after}`), after, [400]);
});
