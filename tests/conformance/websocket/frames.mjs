/* Framing, pings, reserved bits, opcodes, fragmentation and closing: sections 1 to 5, 7 and 10 of the public suite, and m, ours. */
import assert from "node:assert/strict";
import { SOON, within } from "../suite.mjs";
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, bytes, closePayload, frame } from "../wire.mjs";

const PATH = "/echo";
export const open = (t, how) => Wire.open(t, PATH, how);
const HELLO = "Hello, world!";
export const GREEK = Buffer.from("cebae1bdb9cf83cebcceb5", "hex");
export const SPOILED = Buffer.concat([GREEK, Buffer.from([0xed, 0xa0, 0x80]), Buffer.from("edited")]);

/* A first message, then frames that fail the connection with 1002 and are answered by nothing else. */
async function echoThenFail(t, wrong, { first = true, opcode = TEXT, chop, codes = 1002 } = {}) {
	const wire = await open(t);
	await wire.sendAll([...(first ? [[opcode, HELLO]] : []), ...wrong], chop);
	const event = await wire.next();
	if (first && event?.type !== "close") {
		assert(event?.data.equals(bytes(HELLO)), "the message before the fault was not echoed");
		return wire.fails(codes);
	}
	if (first)
		t.nonStrict("the message before the fault was not echoed");
	assert.equal(event?.type, "close", `expected a close frame, got ${event?.type}`);
	wire.checkClose(event, codes);
	return wire.expectEnd();
}

/* Frames that make up one message, which is echoed; then a clean close. */
async function echoes(t, opcode, list, want, { chop } = {}) {
	const wire = await open(t);
	await wire.sendAll(list, chop);
	await wire.expectMessage(opcode, want);
	await wire.goodbye();
}

function framing(suite) {
	const sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536];
	for (const [section, opcode, fill] of [["1.1", TEXT, 0x2a], ["1.2", BINARY, 0xfe]])
		sizes.forEach((size, i) => {
			const chop = i === 7 ? 997 : undefined, data = Buffer.alloc(size, fill);
			suite.case(`${section}.${i + 1}`, `${opcode === TEXT ? "text" : "binary"} of ${size} octets${chop ? `, in chops of ${chop}` : ""}`,
				(t) => echoes(t, opcode, [[opcode, data]], data, { chop }));
		});
}

function pings(suite) {
	const pinged = (id, title, data, how = {}) => suite.case(id, title, async (t) => {
		const wire = await open(t);
		await wire.send(PING, data, how);
		await wire.expectPong(data);
		await wire.goodbye();
	});
	pinged("2.1", "a ping without payload", "");
	pinged("2.2", "a ping with text", "Hello, world!");
	pinged("2.3", "a ping with octets that are not UTF-8", [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]);
	pinged("2.4", "a ping with 125 octets", Buffer.alloc(125, 0xfe));
	suite.case("2.5", "a ping with 126 octets fails the connection", (t) =>
		echoThenFail(t, [[PING, Buffer.alloc(126, 0xfe)]], { first: false }));
	pinged("2.6", "a ping with 125 octets, octet by octet", Buffer.alloc(125, 0xfe), { chop: 1 });

	const unasked = (id, title, frames, pongs) => suite.case(id, title, async (t) => {
		const wire = await open(t);
		await wire.sendAll(frames);
		for (const data of pongs)
			await wire.expectPong(data);
		await wire.silence();
		await wire.goodbye();
	});
	unasked("2.7", "an unasked pong without payload is passed over", [[PONG, ""]], []);
	unasked("2.8", "an unasked pong with payload is passed over", [[PONG, "unsolicited"]], []);
	unasked("2.9", "an unasked pong, then a ping", [[PONG, "unsolicited"], [PING, "our own"]], ["our own"]);

	for (const [id, chop] of [["2.10", undefined], ["2.11", 1]])
		suite.case(id, `ten pings at once are answered in order${chop ? ", octet by octet" : ""}`, async (t) => {
			const wire = await open(t), data = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
			await wire.sendAll(data.map((d) => [PING, d]), chop);
			for (const d of data)
				await wire.expectPong(d);
			await wire.goodbye();
		});
}

/* Reserved bits, without an extension, and reserved opcodes: the connection is failed, later frames are not answered. */
function reserved(suite) {
	const ping = [PING, ""];
	suite.case("3.1", "RSV 1 on a text message", (t) => echoThenFail(t, [[TEXT, HELLO, { rsv: 1 }]], { first: false }));
	suite.case("3.2", "a message, then RSV 2, then a ping", (t) => echoThenFail(t, [[TEXT, HELLO, { rsv: 2 }], ping]));
	suite.case("3.3", "a message, then RSV 3, frame by frame", (t) => echoThenFail(t, [[TEXT, HELLO, { rsv: 3 }], ping], { chop: "frame" }));
	suite.case("3.4", "a message, then RSV 4, octet by octet", (t) => echoThenFail(t, [[TEXT, HELLO, { rsv: 4 }], ping], { chop: 1 }));
	suite.case("3.5", "RSV 5 on a binary message", (t) => echoThenFail(t, [[BINARY, [0, 255, 254, 253], { rsv: 5 }]], { first: false }));
	suite.case("3.6", "RSV 6 on a ping", (t) => echoThenFail(t, [[PING, HELLO, { rsv: 6 }]], { first: false }));
	suite.case("3.7", "RSV 7 on a close", (t) => echoThenFail(t, [[CLOSE, closePayload(1000), { rsv: 7 }]], { first: false }));

	for (const [section, opcodes] of [["4.1", [3, 4, 5, 6, 7]], ["4.2", [11, 12, 13, 14, 15]]])
		opcodes.forEach((opcode, i) => {
			const payload = i % 2 === 1 ? "reserved opcode payload" : "";
			suite.case(`${section}.${i + 1}`, `the reserved opcode ${opcode}${i > 1 ? " after a message" : ""}${i === 4 ? ", octet by octet" : ""}`, (t) =>
				echoThenFail(t, [[opcode, payload], ping], { first: i > 1, chop: i === 4 ? 1 : undefined }));
		});
}

function fragmentation(suite) {
	const halves = [[TEXT, "fragment1", { fin: false }], [CONTINUATION, "fragment2"]], whole = "fragment1fragment2";
	const chops = [[undefined, ""], ["frame", ", frame by frame"], [1, ", octet by octet"]];

	for (const [id, opcode, name] of [["5.1", PING, "ping"], ["5.2", PONG, "pong"]])
		suite.case(id, `a ${name} in two fragments fails the connection`, (t) =>
			echoThenFail(t, [[opcode, "fragment1", { fin: false }], [CONTINUATION, "fragment2"]], { first: false }));
	chops.forEach(([chop, how], i) => suite.case(`5.${3 + i}`, `text in two fragments${how}`, (t) => echoes(t, TEXT, halves, whole, { chop })));
	chops.forEach(([chop, how], i) => suite.case(`5.${6 + i}`, `a ping between two fragments${how}`, async (t) => {
		const wire = await open(t);
		await wire.sendAll([halves[0], [PING, "ping payload"], halves[1]], chop);
		await wire.expectPong("ping payload");
		await wire.expectMessage(TEXT, whole);
		await wire.goodbye();
	}));
	for (const [first, fin] of [[9, true], [12, false]])
		chops.forEach(([chop, how], i) => suite.case(`5.${first + i}`, `a continuation (FIN ${Number(fin)}) of nothing, then text${how}`, (t) =>
			echoThenFail(t, [[CONTINUATION, "non-continuation payload", { fin }], [TEXT, HELLO]], { first: false, chop })));

	suite.case("5.15", "text in two fragments, then a continuation of nothing, then text", async (t) => {
		const wire = await open(t);
		await wire.sendAll([...halves, [CONTINUATION, "fragment3", { fin: false }], [TEXT, "fragment4"]]);
		const event = await wire.next();
		if (event?.type === "close") {
			t.nonStrict("the message before the fault was not echoed");
			wire.checkClose(event, 1002);
			return wire.expectEnd();
		}
		assert(event?.data.equals(bytes(whole)));
		return wire.fails(1002);
	});
	for (const [id, fin] of [["5.16", false], ["5.17", true]])
		suite.case(id, `a continuation (FIN ${Number(fin)}) of nothing, then text in two fragments; twice`, (t) => {
			const frames = [[CONTINUATION, "fragment1", { fin }], [TEXT, "fragment2", { fin: false }], [CONTINUATION, "fragment3"]];
			return echoThenFail(t, [...frames, ...frames], { first: false });
		});
	suite.case("5.18", "two fragments that both say text", (t) =>
		echoThenFail(t, [[TEXT, "fragment1", { fin: false }], [TEXT, "fragment2"]], { first: false }));
	for (const [id, chop] of [["5.19", undefined], ["5.20", "frame"]])
		suite.case(id, `five fragments, two pings among them, a pause after the first${chop ? "; frame by frame" : ""}`, async (t) => {
			const wire = await open(t), part = (i, fin = false) => [i === 1 ? TEXT : CONTINUATION, `fragment${i}`, { fin }];
			await wire.sendAll([part(1), part(2), [PING, "pongme 1!"]], chop);
			await wire.expectPong("pongme 1!");
			await wire.silence();
			await wire.sendAll([part(3), part(4), [PING, "pongme 2!"], part(5, true)], chop);
			await wire.expectPong("pongme 2!");
			await wire.expectMessage(TEXT, [1, 2, 3, 4, 5].map((i) => `fragment${i}`).join(""));
			await wire.goodbye();
		});
	suite.case("10.1.1", "text of 65536 octets in frames of 1300", async (t) => {
		const wire = await open(t), data = Buffer.alloc(65536, 0x2a);
		await wire.message(TEXT, data, { size: 1300 });
		await wire.expectMessage(TEXT, data);
		await wire.goodbye();
	});
}

/* Masks, lengths and how connections end: what the public suite leaves out. */
function edges(suite) {
	for (const [i, [opcode, data, name]] of [[TEXT, HELLO, "text"], [PING, "", "ping"], [CLOSE, closePayload(1000), "close"]].entries())
		suite.case(`m.1.${i + 1}`, `a ${name} frame without a mask`, (t) => echoThenFail(t, [[opcode, data, { key: null }]]));
	suite.case("m.2", "a mask of zeros", (t) => echoes(t, TEXT, [[TEXT, HELLO, { key: Buffer.alloc(4) }]], HELLO));

	for (const [i, [size, form]] of [[5, 16], [5, 64], [200, 64], [65535, 64]].entries())
		suite.case(`m.3.${i + 1}`, `a length of ${size} written with ${form} bits is refused`, async (t) => {
			const wire = await open(t), data = Buffer.alloc(size, 0x61);
			await wire.send(TEXT, data, { form });
			const event = await wire.next();
			if (event?.type === "text") {
				assert(event.data.equals(data));
				return t.nonStrict("taken as if it were the shortest form");
			}
			wire.checkClose(event, 1002);
			return wire.expectEnd();
		});
	suite.case("m.4.1", "a length with its highest bit set fails at once", async (t) => {
		const wire = await open(t);
		await wire.send(BINARY, "", { form: 64, claim: 1n << 63n });
		await wire.fails([1002, 1009]);
	});
	suite.case("m.4.2", "a length of 2^40 is refused before its payload", async (t) => {
		const wire = await open(t);
		await wire.send(BINARY, "abc", { form: 64, claim: 1n << 40n });
		await wire.fails(1009);
	});
	for (const [i, size] of [126, 65536].entries())
		suite.case(`m.5.${i + 1}`, `the head of a frame of ${size} octets, octet by octet`, async (t) => {
			const wire = await open(t), data = Buffer.alloc(size, 0x61), all = frame(TEXT, data), head = all.length - size;
			await wire.raw(all.subarray(0, head), 1);
			await wire.silence(30);
			await wire.raw(all.subarray(head));
			await wire.expectMessage(TEXT, data);
			await wire.goodbye();
		});
	suite.case("m.6", "200 messages of both kinds in one write are echoed in order", async (t) => {
		const wire = await open(t), list = Array.from({ length: 200 }, (_, i) => [i % 3 ? TEXT : BINARY, `message ${i}`]);
		await wire.sendAll(list);
		for (const [opcode, data] of list)
			await wire.expectMessage(opcode, data);
		await wire.goodbye();
	});
	suite.case("m.7", "a client that ends its side without a close frame is let go", async (t) => {
		const wire = await open(t);
		await wire.send(TEXT, HELLO);
		await wire.expectMessage(TEXT, HELLO);
		wire.socket.end();
		const event = await wire.next();
		assert(event?.type === "end" || (event?.type === "close" && [null, 1000, 1001, 1002, 1011].includes(event.code)), `got ${event?.type}`);
	});
	suite.case("m.8", "a client that resets the connection within a frame harms nobody", async (t) => {
		const wire = await open(t), other = await open(t);
		await wire.send(TEXT, "abc", { claim: 1000 });
		wire.socket.resetAndDestroy();
		await other.send(TEXT, HELLO);
		await other.expectMessage(TEXT, HELLO);
		await other.goodbye();
	});
}

export function frames(suite) {
	framing(suite);
	pings(suite);
	reserved(suite);
	fragmentation(suite);
	edges(suite);
}

/* Closes with this payload; `codes` are those that a clean answer may have. */
const closes = (payload, codes) => async (t) => {
	const wire = await open(t);
	await wire.send(CLOSE, payload);
	await wire.expectClose(codes);
	await wire.expectEnd();
};

/* What comes after our close frame is not looked at: a close and the end are all that the server sends. */
const afterClose = (before, after) => async (t) => {
	const wire = await open(t);
	await wire.sendAll([...before, [CLOSE, closePayload(1000)], ...after]);
	await wire.expectClose(1000);
	await wire.expectEnd();
};

async function closeBehindMessages(t) {
	const wire = await open(t), large = Buffer.alloc(256 << 10, "BAsd7&jh23"), expected = [large, bytes(HELLO)];
	await wire.sendAll([[TEXT, large], [TEXT, HELLO], [CLOSE, closePayload(1000)], [PING, ""]]);
	let event;
	while ((event = await wire.next())?.type === "text")
		assert(event.data.equals(expected.shift()), "another message than the one sent");
	t.note(`${2 - expected.length} of 2 messages were echoed before the close`);
	assert.equal(event?.type, "close");
	wire.checkClose(event, 1000);
	await wire.expectEnd();
}

export function closing(suite) {
	suite.case("7.1.1", "text, then a close", async (t) => {
		const wire = await open(t);
		await wire.send(TEXT, HELLO);
		await wire.expectMessage(TEXT, HELLO);
		await wire.goodbye();
	});
	suite.case("7.1.2", "two closes", afterClose([], [[CLOSE, closePayload(1000)]]));
	suite.case("7.1.3", "a ping after the close is not answered", afterClose([], [[PING, ""]]));
	suite.case("7.1.4", "text after the close is not echoed", afterClose([], [[TEXT, HELLO]]));
	suite.case("7.1.5", "a close between two fragments", afterClose([[TEXT, "fragment1", { fin: false }]], [[CONTINUATION, "fragment2"]]));
	suite.case("7.1.6", "256 KiB, text, a close and a ping at once", closeBehindMessages);

	suite.case("7.3.1", "a close without payload", closes("", [null, 1000]));
	suite.case("7.3.2", "a close with one octet", closes("a", 1002));
	suite.case("7.3.3", "a close with a code", closes(closePayload(1000), 1000));
	suite.case("7.3.4", "a close with a code and a reason", closes(closePayload(1000, HELLO), 1000));
	suite.case("7.3.5", "a close with a reason of 123 octets", closes(closePayload(1000, "*".repeat(123)), 1000));
	suite.case("7.3.6", "a close with a reason of 124 octets", closes(closePayload(1000, "*".repeat(124)), 1002));
	suite.case("7.5.1", "a close with a reason that is not UTF-8", closes(closePayload(1000, SPOILED), [1007, 1002]));
	for (const [i, code] of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].entries())
		suite.case(`7.7.${i + 1}`, `a close with the code ${code}`, closes(closePayload(code), [code, 1000]));
	for (const [i, code] of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].entries())
		suite.case(`7.9.${i + 1}`, `a close with the code ${code}, which may not be sent`, closes(closePayload(code), 1002));
	for (const [i, code] of [5000, 65535].entries())
		suite.case(`7.13.${i + 1}`, `a close with the code ${code}, which nothing defines`, closes(closePayload(code), [1000, 1002]));

	suite.case("m.9", "the server ends the TCP connection first, soon after a close", async (t) => {
		const wire = await open(t), from = Date.now();
		await wire.goodbye();
		assert(Date.now() - from < SOON / 2, `${Date.now() - from} ms`);
		await within(SOON, "a new connection", open(t));
	});
}
