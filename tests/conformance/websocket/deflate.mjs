/* Permessage-deflate, RFC 7692: sections 12 and 13 of the public suite (with fewer messages), and d, ours. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { BINARY, CONTINUATION, PING, TEXT, Wire, bytes, checkOpen, deflateAnswer, frame, opening, request } from "../wire.mjs";
import { SPOILED, open } from "./frames.mjs";

const KIB = 1 << 10;
/* [payload, octets of deflated payload in a frame (0: all)], as there. */
const SIZES = [
	[16, 0], [64, 0], [256, 0], [KIB, 0], [4 * KIB, 0], [8 * KIB, 0], [16 * KIB, 0], [32 * KIB, 0], [64 * KIB, 0], [128 * KIB, 0],
	[8 * KIB, 256], [16 * KIB, 256], [32 * KIB, 256], [64 * KIB, 256], [128 * KIB, 256], [128 * KIB, KIB], [128 * KIB, 4 * KIB], [128 * KIB, 32 * KIB],
];
const CLIENT = "client_no_context_takeover; client_max_window_bits";
const offer = (...parts) => ["permessage-deflate", ...parts, CLIENT].join("; ");
const NO_CONTEXT = "server_no_context_takeover", bits = (n) => `server_max_window_bits=${n}`;
const OFFERS = [
	[offer()], [offer(NO_CONTEXT)], [offer(bits(9))], [offer(bits(15))], [offer(NO_CONTEXT, bits(9))], [offer(NO_CONTEXT, bits(15))],
	[offer(NO_CONTEXT, bits(9)), offer(NO_CONTEXT), offer()],
];

/* A generator of numbers from 0 to n - 1, the same in every run. */
function dice(seed) {
	return (n) => {
		seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
		return Math.floor(seed / 2 ** 32 * n);
	};
}

/* Data of the five kinds that the public suite sends: prose, a bitmap, a document with compressed parts, JSON and HTML. */
function kinds() {
	const size = 300 * KIB;
	const fill = (seed, piece) => {
		const roll = dice(seed), parts = [];
		for (let n = 0; n < size; n += parts.at(-1).length)
			parts.push(bytes(piece(roll)));
		return Buffer.concat(parts);
	};
	const syllables = ["ha", "be", "nun", "ach", "phi", "lo", "so", "phie", "ju", "ris", "te", "rei", "und", "me", "di", "zin"];
	const word = (roll) => Array.from({ length: 1 + roll(4) }, () => syllables[roll(16)]).join("");
	const sentence = (roll) => `${Array.from({ length: 3 + roll(9) }, () => word(roll)).join(" ")}${[".", ",", "!", ";\r\n"][roll(4)]} `;
	const random = dice(5);
	return [
		["prose", BINARY, fill(1, sentence)],
		["a bitmap", BINARY, fill(2, (roll) => Array.from({ length: 512 }, (_, x) => (x >> 2) + roll(6) & 255))],
		["a document", BINARY, fill(3, (roll) => (roll(3) ? Array.from({ length: 1500 }, () => random(256)) : `${roll(999)} 0 obj << /Type /Page /Parent 2 0 R >> stream\n`))],
		["JSON", TEXT, fill(4, (roll) => `${JSON.stringify({ id: roll(1e9), name: word(roll), tags: [word(roll), word(roll)], value: roll(1000) / 8, done: roll(2) === 1, note: sentence(roll) })},\n`)],
		["HTML", TEXT, fill(6, (roll) => `<tr class="row${roll(2)}"><td><a href="/page/${roll(9999)}">${word(roll)}</a></td><td>${sentence(roll)}</td></tr>\n`)],
	];
}

/* Messages of this data, one after the other, as long as they are; each comes back before the next is sent. */
const travels = (opcode, data, [size, fragment], offers) => async (t) => {
	const wire = await open(t, { offers });
	assert(wire.deflate, "permessage-deflate was not accepted");
	for (const wanted of ["server_no_context_takeover", "server_max_window_bits"])
		if (!offers.includes(",") && offers.includes(wanted))
			assert(wire.deflate[wanted], `${wanted} was asked for, and is not in the answer`);
	const asked = /server_max_window_bits=(\d+)/.exec(offers)?.[1];
	if (asked && !offers.includes(","))
		assert(wire.deflate.server_max_window_bits <= Number(asked), "a larger window than asked for");
	const count = Math.max(4, Math.min(40, Math.floor(256 * KIB / size)));
	for (let i = 0, at = 0; i < count; i++, at = (at + size) % (data.length - size)) {
		const message = data.subarray(at, at + size);
		await wire.message(opcode, message, { size: fragment });
		await wire.expectMessage(opcode, message);
	}
	await wire.goodbye();
};

function travelling(suite) {
	const all = kinds(), add = (id, what, opcode, data, offers) => SIZES.forEach((size, i) =>
		suite.case(`${id}.${i + 1}`, `${what}, ${size[0]} octets${size[1] ? ` in frames of ${size[1]}` : ""}`, travels(opcode, data, size, offers), { limit: 60000 }));
	all.forEach(([name, opcode, data], i) => add(`12.${i + 1}`, name, opcode, data, OFFERS[0].join(", ")));
	const [, opcode, data] = all[3];
	OFFERS.forEach((offers, i) => add(`13.${i + 1}`, `offering ${offers.map((o) => o.replace(`; ${CLIENT}`, "")).join(", ")}`, opcode, data, offers.join(", ")));
}

/* Offers that RFC 7692, section 7.1, has declined: the connection is without the extension, or the handshake is refused. */
function badOffers(suite) {
	const wrong = ["unknown_parameter", "server_no_context_takeover=1", "server_no_context_takeover; server_no_context_takeover",
		"client_no_context_takeover=x", "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=ten",
		"server_max_window_bits=10; server_max_window_bits=10", "client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=1e1"];
	const declined = async (t, value) => {
		const key = randomBytes(16).toString("base64");
		const reply = await request(t.target, opening(t.target, "/echo", { key, more: [`Sec-WebSocket-Extensions: ${value}`] }));
		t.atEnd(() => reply.socket.destroy());
		if (reply.status === 400)
			return;
		checkOpen(reply, key);
		assert.equal(deflateAnswer(reply.headers, value), null, `accepted as ${reply.headers.get("sec-websocket-extensions")}`);
	};
	wrong.forEach((parameters, i) => suite.case(`d.1.${i + 1}`, `the offer ${parameters} is declined`, (t) => {
		/* 1e1 is a number to a lax parser, and no decimal integer to the RFC's */
		if (parameters.endsWith("1e1"))
			return declined(t, `permessage-deflate; ${parameters}`).catch(() => t.nonStrict("taken for the number 10"));
		return declined(t, `permessage-deflate; ${parameters}`);
	}));
	for (const [i, value] of ["x-webkit-deflate-frame", "foo, bar; baz=1", "permessage-deflate; ", "permessage-deflate;; x", "=", ",", "permessage-bzip2"].entries())
		suite.case(`d.2.${i + 1}`, `the extensions "${value}" are declined`, (t) => declined(t, value));
}

function goodOffers(suite) {
	const works = (id, offers, check = () => {}) => suite.case(id, `the offer ${offers}`, async (t) => {
		const wire = await open(t, { offers });
		check(t, wire.deflate);
		const [, , data] = kinds()[3];
		for (let at = 0; at < 3 * 8192; at += 8192) {
			await wire.message(TEXT, data.subarray(at, at + 8192));
			await wire.expectMessage(TEXT, data.subarray(at, at + 8192));
		}
		await wire.goodbye();
	});
	works("d.3.1", "permessage-deflate", (_, given) => assert(given));
	works("d.3.2", "foo, permessage-deflate", (_, given) => assert(given));
	works("d.3.3", 'permessage-deflate; server_max_window_bits="10"', (_, given) => assert(!given || given.server_max_window_bits <= 10));
	works("d.3.4", "permessage-deflate; server_max_window_bits=8", (_, given) => assert(!given || given.server_max_window_bits === 8));
	works("d.3.5", "permessage-deflate; client_max_window_bits=10", (_, given) => assert(!given || (given.client_max_window_bits ?? 10) <= 10));
	works("d.3.6", "permessage-deflate; client_max_window_bits", (_, given) => assert(given));
	works("d.3.7", `${offer(bits(12))}, permessage-deflate`, (_, given) => assert(given));
	suite.case("d.3.8", "a second offer is taken where the first cannot be", async (t) => {
		const reply = await request(t.target, opening(t.target, "/echo", { more: ["Sec-WebSocket-Extensions: permessage-deflate; x, permessage-deflate"] }));
		t.atEnd(() => reply.socket.destroy());
		if (reply.status === 101 && reply.headers.has("sec-websocket-extensions"))
			return assert.equal(reply.headers.get("sec-websocket-extensions")[0].split(";")[0], "permessage-deflate");
		assert([101, 400].includes(reply.status));
		return t.nonStrict("one bad offer spoils the good one");
	});
	suite.case("d.3.9", "a server that agreed to deflate does so where it pays", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" }), data = Buffer.alloc(64 * KIB, "abcdefgh");
		await wire.message(TEXT, data);
		const event = await wire.expectMessage(TEXT, data);
		if (!event.deflated)
			t.nonStrict("64 KiB of repetition came back as they are");
		await wire.goodbye();
	});
}

const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const RSV1 = { rsv: 4 };

/* RFC 7692's examples of messages (section 7.2.3), and other ways to deflate one. */
function messages(suite) {
	const comes = (id, title, frames, want) => suite.case(id, title, async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" });
		await wire.sendAll(frames);
		for (const text of [want].flat())
			await wire.expectMessage(TEXT, text);
		await wire.goodbye();
	});
	comes("d.4.1", "7.2.3.1: one block", [[TEXT, hex("f248cdc9c90700"), RSV1]], "Hello");
	comes("d.4.2", "7.2.3.1: one block in two fragments", [[TEXT, hex("f248cd"), { rsv: 4, fin: false }], [CONTINUATION, hex("c9c90700")]], "Hello");
	suite.case("d.4.3", "7.2.3.2: the second message refers to the first", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" });
		await wire.sendAll([[TEXT, hex("f248cdc9c90700"), RSV1], [TEXT, hex("f200110000"), RSV1]]);
		await wire.expectMessage(TEXT, "Hello");
		if (wire.deflate.client_no_context_takeover) {
			t.note("the server had this ruled out");
			return wire.fails([1002, 1003, 1007]);
		}
		await wire.expectMessage(TEXT, "Hello");
		return wire.goodbye();
	});
	comes("d.4.4", "7.2.3.3: a block without compression", [[TEXT, hex("000500faff48656c6c6f00"), RSV1]], "Hello");
	comes("d.4.5", "7.2.3.4: a block that says it is the last", [[TEXT, hex("f348cdc9c9070000"), RSV1]], "Hello");
	comes("d.4.6", "7.2.3.4: such a block, and a message after it", [[TEXT, hex("f348cdc9c9070000"), RSV1], [TEXT, hex("f248cdc9c90700"), RSV1]], ["Hello", "Hello"]);
	comes("d.4.7", "7.2.3.5: two blocks", [[TEXT, hex("f248050000 00ffffcac9c90700"), RSV1]], "Hello");
	comes("d.4.8", "7.2.3.6: an empty message", [[TEXT, hex("00"), RSV1]], "");
	comes("d.4.9", "messages that are not deflated, between others",
		[[TEXT, "plain"], [TEXT, hex("f248cdc9c90700"), RSV1], [TEXT, ""], [TEXT, "plain", { fin: false }], [CONTINUATION, "er"], [TEXT, hex("f248cdc9c90700"), RSV1]],
		["plain", "Hello", "", "plainer", "Hello"]);
	suite.case("d.4.10", "a ping between the fragments of a deflated message", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" });
		await wire.sendAll([[TEXT, hex("f248cd"), { rsv: 4, fin: false }], [PING, "now"], [CONTINUATION, hex("c9c90700")]]);
		await wire.expectPong("now");
		await wire.expectMessage(TEXT, "Hello");
		await wire.goodbye();
	});
	suite.case("d.4.11", "characters parted anywhere, a frame for each octet, in chops", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" }), data = bytes("κόσμε €\u{24b62} ".repeat(20));
		await wire.message(TEXT, data, { size: 1, chop: 3 });
		await wire.expectMessage(TEXT, data);
		await wire.goodbye();
	});
}

function badMessages(suite) {
	const fails = (id, title, frames, codes) => suite.case(id, title, async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" });
		await wire.sendAll(frames);
		await wire.fails(codes);
	});
	fails("d.5.1", "RSV1 on a continuation", [[TEXT, hex("f248cd"), { rsv: 4, fin: false }], [CONTINUATION, hex("c9c90700"), RSV1]], 1002);
	fails("d.5.2", "RSV1 on a ping", [[PING, "x", RSV1]], 1002);
	fails("d.5.3", "RSV2 on a message", [[TEXT, "x", { rsv: 2 }]], 1002);
	fails("d.5.4", "RSV1 and RSV3 on a message", [[TEXT, hex("f248cdc9c90700"), { rsv: 5 }]], 1002);
	fails("d.5.5", "what is not deflate data", [[BINARY, hex("ffffffffffff"), RSV1]], [1002, 1003, 1007]);
	fails("d.5.6", "a reference to before the beginning", [[BINARY, hex("f200110000"), RSV1]], [1002, 1003, 1007]);
	suite.case("d.5.7", "deflated text that is not UTF-8", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate" });
		await wire.message(TEXT, SPOILED);
		await wire.fails(1007);
	});
	suite.case("d.5.8", "after client_no_context_takeover no message may refer to another", async (t) => {
		const wire = await open(t, { offers: "permessage-deflate; client_no_context_takeover" });
		if (!wire.deflate.client_no_context_takeover)
			return t.note("the server did not take the hint");
		await wire.sendAll([[TEXT, hex("f248cdc9c90700"), RSV1], [TEXT, hex("f200110000"), RSV1]]);
		await wire.expectMessage(TEXT, "Hello");
		return wire.fails([1002, 1003, 1007]);
	});
	suite.case("d.5.9", "without the extension RSV1 fails the connection, deflate data or not", async (t) => {
		const reply = await Wire.open(t, "/echo");
		await reply.raw(frame(TEXT, hex("f248cdc9c90700"), RSV1));
		await reply.fails(1002);
	});
}

export function deflate(suite) {
	travelling(suite);
	badOffers(suite);
	goodOffers(suite);
	messages(suite);
	badMessages(suite);
}
