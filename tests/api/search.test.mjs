/* What search finds: words however they are written, in texts that look alike. */
import test, { before } from "node:test";
import assert from "node:assert/strict";
import { newUser, shared } from "../js/instance.mjs";
import { assertStatus, until } from "../js/expect.mjs";

let api, user, millrace;

/* Sentences that have much in common, the same in each run. */
let state = 17;
const one = (list) => { state = (state * 1103515245 + 12345) % 2147483648; return list[Math.floor(state / 65536) % list.length]; };
const name = () => one(["Tar", "Mon", "Quil", "Bev", "Dor", "Fal", "Gis", "Hul", "Jas", "Pem"]) + one(["abel", "iver", "odan", "uric", "elok", "isap"]) +
	one(["ton", "wick", "by", "combe", "dale", "mere"]);
const english = () => `The ${one(["keeper", "baker", "carter", "tenant", "surveyor"])} ${one(["checks", "greases", "counts", "paints",
	"orders"])} the ${one(["cog wheel", "pit wheel", "hopper", "grain bin", "lease", "account book"])} ${one(["at noon", "in the spring",
	"after rain", "each Friday"])}, ${one(["as the owner asks", "to save money", "for everybody's safety"])}, with ${name()}, ${name()} and ${name()}.`;
const japanese = () => `${one(["番人", "製粉業者", "大家", "測量士"])}は${one(["毎朝", "春に", "雨の後で", "金曜日に"])}${one(["帳面", "穀物箱",
	"賃貸契約", "石段"])}を${one(["数える", "塗る", "確かめる", "注文する"])}。`;
const passage = (sentence, of = english) => [of(), of(), of(), of(), of(), sentence, of(), of(), of(), of(), of()].join(" ");

/* Of each kind: a sentence, hidden among others, and questions that it answers. */
const KINDS = {
	"accents that are left out": ["La crème brûlée de Señor Peñalver, Nguyễn Thị Hạnh, Dvořák.", ["brulee", "PENALVER", "Nguyen Thi Hanh",
		"dvorak", "Brûlée"]],
	"letters that have no accent to leave out": ["Søren bor i Łódź hos Æbeltoft og Đorđe.", ["Soren", "lodz", "aebeltoft", "DORDE"]],
	"ß": ["Frau Größmann wohnt in der Weißgaß.", ["GRÖSSMANN", "grossmann", "WEISSGASS", "Größmann"]],
	"ё": ["Мельник Ёлкин видел щёлок.", ["елкин", "ЩЕЛОК", "ёлкин"]],
	"Turkish i": ["DİYARBAKIR'da IŞIKLAR söndü.", ["diyarbakır", "ışıklar", "isiklar"]],
	"Greek, with its final sigma": ["ΣΤΗΝ ΑΘΗΝΑ Ο ΜΥΛΩΝΑΣ ΖΕΙ.", ["Αθήνα", "μυλωνάς", "μυλωνας"]],
	"Hebrew with its points": ["בְּרֵאשִׁית טְחָנָה גְּדוֹלָה.", ["בראשית", "טחנה"]],
	"Arabic with its vowels, and forms of alef": ["قَالَ المُهَنْدِسُ أحمد في مدرســـة.", ["المهندس", "احمد", "مدرسة"]],
	"composed and decomposed letters": ["Die Ko\u0308nigsmu\u0308hle und das Cafe\u0301.", ["Königsmühle", "café", "konigsmuhle"]],
	"widths": ["ＱＲ－５６７８はｶﾀﾛｸﾞにあるﾎﾟﾝﾌﾟです。", ["QR-5678", "カタログ", "ポンプ"]],
	"what cannot be seen": ["The tail\u00adrace and the head\u200brace and the mill\u2060stone.", ["tailrace", "headrace", "millstone", "head race"]],
	"ligatures and signs": ["An oﬃcial at Zyxwell™ took ㎏ and m².", ["official", "Zyxwell", "kg", "m2"]],
	"words beside a slash": ["Featherstonehaugh/Cholmondeley go to Bath/Constantinople.", ["Featherstonehaugh", "cholmondeley",
		"Constantinople"]],
	"list numbers beside words": ["1.nevertheless 2.notwithstanding 3.furthermore", ["nevertheless", "notwithstanding", "furthermore"]],
	"numbers with separators": ["Pay 1,234,567.89 or 4567890.12 or 7.654.321,5 or 9\u00a0876\u00a0543 now.", ["1234567.89", "4,567,890.12",
		"7654321.5", "9876543"]],
	"units": ["It takes 230V, 48 A and 20\u2103 there.", ["230 V", "48A", "20 °C"]],
	"identifiers": ["Call FloodSluiceController or openPenstockSlowly or parse_quern_XMLFile.", ["flood sluice controller",
		"penstock slowly", "quern xml file"]],
	"words torn by a hyphen": ["A recon-\nnoitre of the well-tempered quay.", ["reconnoitre", "welltempered", "well tempered"]],
	"borders of scripts": ["型番ZK9921の部品", ["ZK9921", "型番"]],
};
/* Short texts of words that are not asked for, but have all pieces of such. */
const DECOYS = ["featherstonehaughs, cholmondeleys, constantinoples", "neverthelessly, notwithstandings, furthermores",
	"floods, sluices, controllers, penstocks, slowlyish, querns", "reconnoitred, welltemperedness"];
/* A word of one or two characters, in one of many passages. */
const JAPANESE = { "水車": "倉の奥に水車がある。", "桜": "門の前に桜が咲く。", "提灯": "軒下に提灯を吊るす。", "粉": "袋の粉が湿る。" };

const upload = async (name, text, from = user.api) => {
	const { json } = assertStatus(await from.upload("/api/documents/upload?wait=1", { name, file: { filename: "text.txt", bytes: Buffer.from(text) } }), 200);
	assert.equal(json.status, "ready", json.message);
	return json.id;
};
const search = async (q, from = user.api) => assertStatus(await from.get(`/api/documents/search?q=${encodeURIComponent(q)}`), 200).json;

before(async () => {
	millrace = await shared();
	({ api } = millrace);
	user = await newUser(api);
	for (const [kind, [sentence]] of Object.entries(KINDS))
		await upload(kind, passage(sentence));
	for (const decoy of DECOYS)
		await upload("decoy", decoy);
	for (let i = 0; i < 20; i++)
		await upload(`others ${i}`, passage(english()));
	for (const [word, sentence] of Object.entries(JAPANESE))
		await upload(word, passage(sentence, japanese));
	for (let i = 0; i < 20; i++)
		await upload(`他 ${i}`, passage(japanese(), japanese));
});

for (const [kind, [, questions]] of Object.entries(KINDS))
	test(`search finds ${kind}`, async () => {
		for (const question of questions)
			assert.equal((await search(question))[0]?.documentName, kind, question);
	});

test("search finds Japanese words of one and two characters, alone and in a question", async () => {
	for (const word of Object.keys(JAPANESE))
		assert.equal((await search(word))[0]?.documentName, word);
	assert.equal((await search("提灯はどこにありますか"))[0]?.documentName, "提灯");
	assert.equal((await search("水車はいつ点検しますか"))[0]?.documentName, "水車");
});

test("the text is shown as it was written", async () => {
	const [hit] = await search("grossmann");
	assert.ok(hit.text.includes("Größmann wohnt in der Weißgaß"), hit.text);
});

test("the sentence that answers is quoted, however the question writes it", async () => {
	const events = await (await user.api.chat("Wo wohnt GROSSMANN?")).all();
	assert.match(events.at(-1).data.content, /Größmann wohnt/);
});

test("documents of an earlier index are found by it until they are cut and indexed again", async () => {
	const own = await newUser(api);
	const id = await upload("old", Array.from({ length: 300 }, (_, i) => `Crème brûlée number ${i}, ${english()}\n\n`).join(""), own.api);
	const text = () => millrace.psql(`SELECT string_agg(substr(text, carried + 1), ' ' ORDER BY n) FROM chunk WHERE document_id = '${id}'`);
	const whole = (await text()).split(/\s+/).join(" ");
	/* as version 1 has left it */
	await millrace.psql(`UPDATE chunk SET text = substr(text, carried + 1), carried = 0, heading = '', stems = NULL,
		words = to_tsvector('simple', substr(text, carried + 1)) WHERE document_id = '${id}';
		UPDATE document SET index_version = 1 WHERE id = '${id}'`);
	assert.equal((await search("BRÛLÉE", own.api))[0]?.documentId, id);
	await millrace.psql("SELECT pg_notify('millrace_periodic', 'index')");
	await until(async () => (await millrace.psql(`SELECT index_version > 1 FROM document WHERE id = '${id}'`)).trim() === "t",
	    "the document is indexed again");
	assert.equal((await millrace.psql(`SELECT count(*) FROM chunk WHERE document_id = '${id}' AND (stems IS NULL OR NOT words @@ 'brulee')`)).trim(), "0");
	assert.equal((await text()).split(/\s+/).join(" "), whole);
	assert.equal((await search("brulee", own.api))[0]?.documentId, id);
});

test("what has changed since it was seen is not indexed by what it was", async () => {
	const own = await newUser(api);
	const id = await upload("changed", "The weir was raised.", own.api);
	const indexed = (seen) => millrace.psql(`SELECT document_indexed(d.id, ${seen}, 3, '{paragraph 1}', '{""}', '{It was lowered.}', '{0}', '{lowered}', '{0000000000000001}')
		FROM document d WHERE id = '${id}'; SELECT words @@ 'lowered' FROM chunk WHERE document_id = '${id}'`);
	assert.equal(await indexed("d.updated_at - interval '1 microsecond'"), "f\nf\n");
	assert.equal(await indexed("d.updated_at"), "t\nt\n");
});

test("words are counted while passages have them, and the same text twice is found once", async () => {
	const own = await newUser(api);
	const counts = () => millrace.psql(`SELECT coalesce(string_agg(word || ' ' || n, ', ' ORDER BY word), '') FROM passage_word
		WHERE owner_id = '${own.uid}' AND word IN ('', 'sluice', 'penstock')`);
	const first = await upload("first", "The sluice and the penstock leak.", own.api);
	const second = await upload("second", "The sluice and the penstock leak.", own.api);
	assert.equal((await counts()).trim(), "10, penstock 2, sluice 2");
	assert.equal((await search("which sluice leaks", own.api)).length, 1);
	for (const id of [first, second])
		assertStatus(await own.api.delete(`/api/documents/${id}`), 204);
	await until(async () => (await counts()).trim() === "", "no word of deleted documents is left");
});

test("words that mean much the same are found, and a question in another language", async () => {
	const own = await newUser(api);
	await upload("garage", "Every car is washed at six. Its owner pays for that in coins.", own.api);
	await upload("farm", "Every cow is milked at six. The milk is sold in the village.", own.api);
	assert.equal((await search("automobile", own.api))[0]?.documentName, "garage");
	assert.equal((await search("where do they cleanse vehicles", own.api))[0]?.documentName, "garage");
});

test("the heading that a passage stands under is found with it", async () => {
	const own = await newUser(api);
	const long = (n) => Array.from({ length: 12 }, (_, i) => `Sentence ${n} ${i} says that the sack is weighed and the book is kept.`).join(" ");
	await upload("rules", `1. Boatmen\n\n${long(1)}\n\n2. Carters\n\n${long(2)}\n\n${long(3)}\n\n${long(4)}`, own.api);
	const [hit] = await search("carters weighed", own.api);
	assert.match(hit.text, /Sentence [234]/);
	assert.equal((await millrace.psql(`SELECT bool_and(heading = '2. Carters') FROM chunk WHERE owner_id = '${own.uid}' AND text ~ 'Sentence [34]'`)).trim(), "t");
});
