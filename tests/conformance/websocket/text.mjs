/* UTF-8: section 6 of the public suite, after Markus Kuhn's decoder stress test. */
import assert from "node:assert/strict";
import { CONTINUATION, TEXT, bytes, frame } from "../wire.mjs";
import { GREEK, SPOILED, open } from "./frames.mjs";

const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const span = (from, to, between = []) => Buffer.from(Array.from({ length: to - from }, (_, i) => [from + i, ...between]).flat());

/* [title, valid, sequences]… in the order of the sections 6.5 to 6.23; valid as a list where it differs. */
function sequences() {
	const prefixes = Array.from(GREEK, (_, i) => GREEK.subarray(0, i + 1));
	const unfinished = ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"].map(hex);
	const list = (text) => text.split(",").map(hex);
	return [
		["valid sequences", true, [..."$¢€\u{24b62}"].map((c) => bytes(`hello${c}world`)).concat([GREEK])],
		["a prefix of valid UTF-8", prefixes.map((p) => [2, 5, 7, 9, 11].includes(p.length)), prefixes],
		["the first sequence of its length", true, list("00,c280,e0a080,f0908080")],
		["the first sequence of 5 or 6 octets", false, list("f888808080,fc8480808080")],
		["the last sequence of its length", true, list("7f,dfbf,efbfbf,f48fbfbf")],
		["the last sequence of 4, 5 or 6 octets", false, list("f7bfbfbf,fbbfbfbfbf,fdbfbfbfbfbf")],
		["another boundary", [true, true, true, true, false], list("ed9fbf,ee8080,efbfbd,f48fbfbf,f4908080")],
		["unexpected continuations", false, [...list("80,bf,80bf,80bf80,80bf80bf,80bf80bf80,80bf80bf80bf"), span(0x80, 0xbf)]],
		["lonely starts", false, [[0xc0, 0xdf], [0xe0, 0xef], [0xf0, 0xf7], [0xf8, 0xfb], [0xfc, 0xfd]].map(([a, b]) => span(a, b, [0x20]))],
		["the last continuation missing", false, unfinished],
		["unfinished sequences in a row", false, [Buffer.concat(unfinished)]],
		["impossible octets", false, list("fe,ff,fefeffff")],
		["an overlong ASCII character", false, list("c0af,e080af,f08080af,f8808080af,fc80808080af")],
		["the greatest overlong sequence", false, list("c1bf,e09fbf,f08fbfbf,f887bfbfbf,fc83bfbfbfbf")],
		["an overlong NUL", false, list("c080,e08080,f0808080,f880808080,fc8080808080")],
		["a single surrogate", false, list("eda080,edadbf,edae80,edafbf,edb080,edbe80,edbfbf")],
		["a pair of surrogates", false, ["eda080", "edadbf", "edae80", "edafbf"].flatMap((high) => [hex(`${high}edb080`), hex(`${high}edbfbf`)])],
		["a code point that is no character", true, [
			...list("efbfbe,efbfbf"),
			...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16].flatMap((plane) =>
				[0xfffe, 0xffff].map((low) => bytes(String.fromCodePoint(plane * 0x10000 + low)))),
		]],
		["a special", true, list("efbfb9,efbfba,efbfbb,efbfbc,efbfbd,efbfbe,efbfbf")],
	];
}

async function isEchoed(t, frames, want) {
	const wire = await open(t);
	await wire.sendAll(frames);
	await wire.expectMessage(TEXT, want);
	await wire.goodbye();
}

async function isRefused(t, frames) {
	const wire = await open(t);
	await wire.sendAll(frames);
	await wire.fails(1007);
}

/* The octets in a frame each. */
const octets = (data) => Array.from(data, (_, i) => [i === 0 ? TEXT : CONTINUATION, data.subarray(i, i + 1), { fin: i === data.length - 1 }]);

/*
 * A message that an octet in its second part spoils. The first part is taken; the
 * second should fail the connection at once, the end of the message does so at
 * the latest.
 */
async function failsFast(t, parts, chopped) {
	const wire = await open(t);
	const all = frame(TEXT, Buffer.concat(parts)), head = all.length - parts.reduce((n, part) => n + part.length, 0);
	const cuts = [head + parts[0].length, head + parts[0].length + parts[1].length];
	const pieces = chopped ? [all.subarray(0, cuts[0]), all.subarray(cuts[0], cuts[1]), all.subarray(cuts[1])]
		: parts.map((part, i) => frame(i === 0 ? TEXT : CONTINUATION, part, { fin: i === 2 }));
	await wire.raw(pieces[0]);
	await wire.silence();
	await wire.raw(pieces[1]);
	const event = await wire.next(700);
	if (event) {
		assert.equal(event.type, "close");
		wire.checkClose(event, 1007);
		return wire.expectEnd();
	}
	t.nonStrict("refused only at the end of the message");
	await wire.raw(pieces[2]);
	return wire.fails(1007);
}

export function text(suite) {
	const rich = bytes("Hello-µ@ßöäüàá-UTF-8!!"), half = bytes("Hello-µ@ßöä").length;
	suite.case("6.1.1", "empty text", (t) => isEchoed(t, [[TEXT, ""]], ""));
	suite.case("6.1.2", "three empty fragments", (t) => isEchoed(t, [[TEXT, "", { fin: false }], [CONTINUATION, "", { fin: false }], [CONTINUATION, ""]], ""));
	suite.case("6.1.3", "three fragments, the first and the last empty", (t) =>
		isEchoed(t, [[TEXT, "", { fin: false }], [CONTINUATION, "middle frame payload", { fin: false }], [CONTINUATION, ""]], "middle frame payload"));
	suite.case("6.2.1", "valid text in one frame", (t) => isEchoed(t, [[TEXT, rich]], rich));
	suite.case("6.2.2", "valid text, parted between characters", (t) =>
		isEchoed(t, [[TEXT, rich.subarray(0, half), { fin: false }], [CONTINUATION, rich.subarray(half)]], rich));
	suite.case("6.2.3", "valid text, a frame for each octet", (t) => isEchoed(t, octets(rich), rich));
	suite.case("6.2.4", "valid Greek text, a frame for each octet", (t) => isEchoed(t, octets(GREEK), GREEK));
	suite.case("6.3.1", "invalid text in one frame", (t) => isRefused(t, [[TEXT, SPOILED]]));
	suite.case("6.3.2", "invalid text, a frame for each octet", (t) => isRefused(t, octets(SPOILED)));

	const whole = Buffer.concat([GREEK, hex("f4908080"), bytes("edited")]);
	const coarse = [whole.subarray(0, 11), whole.subarray(11, 15), whole.subarray(15)];
	const fine = [whole.subarray(0, 12), whole.subarray(12, 13), whole.subarray(13)];
	suite.case("6.4.1", "text that the second of three frames spoils", (t) => failsFast(t, coarse, false));
	suite.case("6.4.2", "text that the one octet of the second frame spoils", (t) => failsFast(t, fine, false));
	suite.case("6.4.3", "text that the second of three chops spoils", (t) => failsFast(t, coarse, true));
	suite.case("6.4.4", "text that the one octet of the second chop spoils", (t) => failsFast(t, fine, true));

	sequences().forEach(([title, valid, list], i) => list.forEach((data, j) => {
		const good = Array.isArray(valid) ? valid[j] : valid;
		suite.case(`6.${5 + i}.${j + 1}`, `${title} is ${good ? "echoed" : "refused"}: ${data.toString("hex")}`, (t) =>
			(good ? isEchoed(t, [[TEXT, data]], data) : isRefused(t, [[TEXT, data]])));
	}));
}
