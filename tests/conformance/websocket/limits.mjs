/* Limits and performance: section 9 of the public suite. Round trips are fewer than there. */
import assert from "node:assert/strict";
import { BINARY, TEXT, bytes } from "../wire.mjs";
import { open } from "./frames.mjs";

const KIB = 1 << 10, MIB = 1 << 20;
const ROUND_TRIPS = 200;

/* One message of `size` octets there and back. */
const large = (opcode, size, how = {}) => async (t) => {
	const wire = await open(t), data = Buffer.alloc(size, how.size ? (opcode === TEXT ? "*" : "\xfe") : "BAsd7&jh23", "latin1");
	const from = Date.now();
	await wire.message(opcode, data, how);
	await wire.expectMessage(opcode, data, 30000);
	t.note(`${Date.now() - from} ms`);
	await wire.goodbye();
};

const roundTrips = (opcode, size) => async (t) => {
	const wire = await open(t), data = Buffer.alloc(size, opcode === TEXT ? 0x2a : 0xfe), from = process.hrtime.bigint();
	for (let i = 0; i < ROUND_TRIPS; i++) {
		await wire.send(opcode, data);
		await wire.expectMessage(opcode, data);
	}
	t.note(`${Number(process.hrtime.bigint() - from) / 1e3 / ROUND_TRIPS | 0} µs each`);
	await wire.goodbye();
};

const named = (n) => (n >= MIB ? `${n / MIB} MiB` : n >= KIB ? `${n / KIB} KiB` : `${n} octets`);

export function limits(suite) {
	const add = (section, i, title, run) => suite.case(`9.${section}.${i + 1}`, title, run, { alone: true, limit: 60000 });
	for (const [offset, opcode, kind] of [[0, TEXT, "text"], [1, BINARY, "binary"]]) {
		[64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].forEach((size, i) =>
			add(1 + offset, i, `${kind} of ${named(size)}`, large(opcode, size)));
		[64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB].forEach((size, i) =>
			add(3 + offset, i, `${kind} of 4 MiB in frames of ${named(size)}`, large(opcode, 4 * MIB, { size })));
		[64, 128, 256, 512, KIB, 2 * KIB].forEach((chop, i) =>
			add(5 + offset, i, `${kind} of 1 MiB in chops of ${named(chop)}`, large(opcode, MIB, { chop })));
		[0, 16, 64, 256, KIB, 4 * KIB].forEach((size, i) =>
			add(7 + offset, i, `${ROUND_TRIPS} round trips of ${kind} of ${named(size)}`, roundTrips(opcode, size)));
	}
	suite.case("m.10", "a message beyond the limit is refused by its first frame's head", async (t) => {
		const wire = await open(t);
		await wire.send(BINARY, bytes("abc"), { form: 64, claim: 64 * MIB });
		await wire.fails(1009);
	}, { alone: true });
	suite.case("m.11", "messages cross both ways while others are under way", async (t) => {
		const wires = await Promise.all(Array.from({ length: 8 }, () => open(t)));
		const sent = await Promise.all(wires.map(async (wire, i) => {
			const list = Array.from({ length: 20 }, (_, j) => Buffer.alloc((i + 1) * 1000 * (j + 1), 0x41 + i));
			const writing = list.reduce((before, data) => before.then(() => wire.message(BINARY, data, { size: 4096 })), Promise.resolve());
			for (const data of list)
				await wire.expectMessage(BINARY, data);
			await writing;
			await wire.goodbye();
			return list.length;
		}));
		assert.equal(sent.reduce((a, b) => a + b), 160);
	}, { alone: true });
}
