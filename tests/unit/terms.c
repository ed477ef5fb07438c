/* The terms of texts: what passages are indexed by and questions looked up by. */
#include "runner/knowledge/terms.c"

#include "test.h"

struct cut {
	const char *text, *words, *more;
};

static const struct cut cuts[] = {
	{ "", "", "" },
	{ " - . / \n", "", "" },
	{ "The mill, the MILL.", "the mill the mill", "" },
	{ "Thornbury/Whitlock und/oder", "thornbury whitlock und oder", "" },
	{ "1.first 2)second", "1 first 2 second", "" },
	{ "FloodGateController", "flood gate controller floodgatecontroller", "" },
	{ "flood_gate flood-gate", "flood gate floodgate flood gate floodgate", "" },
	{ "reconcili-\nation of\n- items", "reconcili ation reconciliation of items", "" },
	{ "O\u2019Brien\u2019s l'eau '", "o brien s obriens l eau leau", "" },
	{ "AB-1234/7 ab1234", "ab 1234 ab1234 7 ab 1234 ab1234", "" },
	{ "pages 12-15, 230V, 230 V, 20°C, 20\u2103", "pages 12 15 230 v 230v 230 v 20 c 20 c",
	    "" },
	{ "zero\u200bwidth m²", "zero width zerowidth m 2 m2", "" },
	/* Numbers */
	{ "1,234,567.89", "1 234 567 89 1234567.89", "" },
	{ "1.234.567,89", "1 234 567 89 1234567.89", "" },
	{ "1\u00a0234\u00a0567,89", "1 234 567 89 1234567.89", "" },
	{ "1'234'567.89", "1 234 567 89 1234567.89", "" },
	{ "12,34,567.5", "12 34 567 5 1234567.5", "" },
	{ "1234567.89", "1234567 89 1234567.89", "" },
	{ "4567890.12 4,567,890.12", "4567890 12 4567890.12 4 567 890 12 4567890.12", "" },
	{ "1,234", "1 234 1234 1.234", "" },
	{ "1 234 items, 2024 300, 12 34", "1 234 1234 items 2024 300 12 34", "" },
	{ "clause 2.1, version 1.14.1.", "clause 2 1 2.1 version 1 14 1 1.14.1", "" },
	{ "v1.5kg", "v 1 5 1.5 kg", "" },
	{ "1,234 567", "1 234 1234 1.234 567", "" },
	/* Scripts without spaces */
	{ "水車", "水車", "水 車" },
	{ "桜", "桜", "桜" },
	{ "水車は川", "水車 川", "水 車 川" },
	{ "提灯はどこに", "提灯", "提 灯 はど どこ こに" },
	{ "カメラ", "カメ メラ", "" },
	{ "型番QR-5678", "型番 qr 5678 qr5678", "型 番" },
	{ "물레방아 집", "물레 레방 방아 집", "물 레 방 아 집" },
	{ "น้ำตก", "น\u0e49 \u0e49\u0e4d \u0e4dา าต ตก", "" },
	{ "हिन्दी भाषा", "हिन्दी भाषा", "" },
	{ "a🚀b", "a 🚀 b", "🚀" },
};

static void
test_cuts(struct arena *a)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct terms t;

		terms_of(a, str_from(cuts[i].text), &t);
		EACH(good,
		    str_eq(t.words, str_from(cuts[i].words)) &&
			str_eq(t.more, str_from(cuts[i].more)),
		    "%s: %.*s | %.*s", cuts[i].text, S_ARG(t.words), S_ARG(t.more));
	}
	CHECK("terms", good);
}

/* A lexeme of PostgreSQL has fewer than 2,048 bytes. */
static void
test_long(struct arena *a)
{
	static const char *const repeated[] = { "x", "7", "7.", "1,234,", "x-", "水", "\u200b",
		"\ufdfa" };
	bool good = true;

	for (size_t i = 0; i < sizeof(repeated) / sizeof(*repeated); i++) {
		struct buf b = { .a = a };
		struct terms t;
		struct str word;

		for (int n = 0; n < 5000; n++)
			buf_put(&b, str_from(repeated[i]));
		terms_of(a, buf_str(&b), &t);
		while (t.words.n > 0) {
			t.words = str_cut(t.words, ' ', &word);
			EACH(good, word.n > 0 && word.n < 1000, "%s: %zu", repeated[i], word.n);
		}
	}
	CHECK("no term is too long", good);
}

int
main(void)
{
	struct arena *a = arena_new();

	test_cuts(a);
	test_long(a);
	arena_free(a);
	return test_end();
}
