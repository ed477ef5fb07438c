/*
 * What is quoted of a text, and what is not: sentences, the rows of tables, headings; tables of
 * contents and running heads.
 */
#include <stdio.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/knowledge/furniture.h"
#include "runner/knowledge/running.h"
#include "runner/knowledge/words.h"
#include "test.h"

/* Are these the text's pieces, with "|" between them? */
static bool
pieces(const char *text, const char *want)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	struct str piece, rest = str_from(text);
	bool good;

	for (rest = quote_next(rest, &piece); piece.n > 0; rest = quote_next(rest, &piece)) {
		buf_put(&b, b.n > 0 ? S("|") : S(""));
		buf_put(&b, piece);
	}
	good = str_eq(buf_str(&b), str_from(want));
	if (!good)
		printf("# %.*s\n", S_ARG(buf_str(&b)));
	arena_free(a);
	return good;
}

static void
test_sentences(void)
{
	CHECK("a stop within a sentence does not end it",
	    pieces("Mills, e.g. Eling, cost approx. 5 coins. Ask Dr. Stone at No. 7. Done.",
		"Mills, e.g. Eling, cost approx. 5 coins.|Ask Dr. Stone at No. 7.|Done."));
	CHECK("nor in German, where days have one",
	    pieces(
		"Bis zum 24. Dezember 2024 gilt z.B. der Tarif. Nr. 5 entfällt bzw. Ruht. Es sind "
		"24. Dann folgt mehr.",
		"Bis zum 24. Dezember 2024 gilt z.B. der Tarif.|Nr. 5 entfällt bzw. Ruht.|Es sind "
		"24.|Dann folgt mehr."));
	CHECK("the numbers of points and headings stay with them",
	    pieces("1. Open the gate.\n12. Close it.\n\n3.2. The race",
		"1. Open the gate.|12. Close it.|3.2. The race"));
	CHECK("quotation marks and brackets close with it",
	    pieces("He said \u201cstop.\u201d (Twice.) \u00abEnd!\u00bb So it is.",
		"He said \u201cstop.\u201d|(Twice.)|\u00abEnd!\u00bb|So it is."));
	CHECK("East Asian marks need no space", pieces("水は流れる。本当ですか？はい！終わり",
						    "水は流れる。|本当ですか？|はい！|終わり"));
	CHECK("a heading above its text is by itself",
	    pieces("Main features\nThe mill grinds all day long,\nas ever. More.",
		"Main features|The mill grinds all day long,\nas ever.|More."));
	CHECK("a line that goes on is none",
	    pieces("The mill of Eling\nis worked by the tide of Southampton Water.",
		"The mill of Eling\nis worked by the tide of Southampton Water."));
	CHECK("rows of a table are told apart",
	    pieces("Name\tPrice\nOats\t12\nRye\t9\n\nAll prices in coins.",
		"Name\tPrice|Oats\t12|Rye\t9|All prices in coins."));
	CHECK("questions and headings lead to what follows",
	    sentence_leads(S("1.7. How is it pronounced?")) && sentence_leads(S("本当ですか？")) &&
		sentence_leads(S("Opening hours")) && !sentence_leads(S("We open at nine.")) &&
		!sentence_leads(S("Oats\t12")) && sentence_asks(S("Why?")) &&
		!sentence_asks(S("Opening hours")) && !sentence_asks(S("")));
}

static void
test_contents(void)
{
	CHECK("a line to a page", furniture_is_entry(S("1.2 The race . . . . . . 12")) &&
				      furniture_is_entry(S("Preface .......xii")) &&
				      furniture_is_entry(S("The wheel……………\t7")) &&
				      furniture_is_entry(S("Gates ··· 9")));
	CHECK("and none", !furniture_is_entry(S("It costs 12")) &&
			      !furniture_is_entry(S("See page 4.")) && !furniture_is_entry(S("")));
	CHECK("contents, with dots",
	    furniture_is_contents(S(""), S("Contents\n\n1 The mill\t3\n1.1 Its wheel, and what "
					   "else\nturns . . . . 3\n1.2 Its race . . . . 5\n1.3 "
					   "Gates . . . . 6\n2 Flour\t9")));
	CHECK("by their numbers alone",
	    furniture_is_contents(S(""), S("1. General\n\n1.1. Who should try it\n\n1.2. What it "
					   "is\n\n1.3. Can it fail\n\n2. Installation")));
	CHECK("questions without answers",
	    furniture_is_contents(S(""), S("What is it?\n\nWho made it?\n\nWhere is it "
					   "sold?\n\nWhat does it cost?")));
	CHECK("an index, where it is called so",
	    furniture_is_contents(S("The mill \u203a Index"), S("gate, 3, 7\nrace, 5\nstone, "
								"4\nwheel, 3-5\nwork, 9")) &&
		furniture_is_contents(S(""), S("Inhaltsverzeichnis\nDie M\u00fchle\t3\nDas "
					       "Rad\t5\nDas Mehl\t9")));
	CHECK("a list of addresses", furniture_is_contents(S("Notes"),
					 S("1. https://mill.example/\n2. https://race.example/\n"
					   "3. https://gate.example/\n4. https://pond.example/")));
	CHECK("a table is none",
	    !furniture_is_contents(S("Prices"), S("Oats\t12\nRye\t14\nWheat\t15\nSpelt\t19")) &&
		!furniture_is_contents(S(""), S("Oats, 12\nRye, 14\nWheat, 15\nSpelt, 19")));
	CHECK("nor steps, or questions with their answers",
	    !furniture_is_contents(S(""), S("1. Open the gate\n2. Let the water in\n3. Wait\n4. "
					    "Close it")) &&
		!furniture_is_contents(S(""), S("What is it?\nA mill.\nWho made it?\nMonks.\nWhere "
						"is it?\nAt Eling.\nWhen was it made?\nIn 1086.")));
	CHECK("addresses alone", furniture_is_address(S("2.\thttps://mill.example/features")) &&
				     furniture_is_address(S("www.mill.example 3")) &&
				     !furniture_is_address(S("See https://mill.example")) &&
				     !furniture_is_address(S("12")) &&
				     !furniture_is_address(S("")));
	CHECK("capitals alone", furniture_is_shouted(S("CHAPTER 2")) &&
				    !furniture_is_shouted(S("Chapter 2")) &&
				    !furniture_is_shouted(S("12")));
}

/* Without empty lines around. */
static struct str
trimmed(struct str s)
{
	while (s.n > 0 && *s.p == '\n') {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	return s;
}

static void
test_running(void)
{
	struct arena *a = arena_new();
	struct block b[7];
	bool good = true;

	for (size_t i = 0; i < 6; i++)
		b[i] = (struct block){ arena_printf(a, "page %zu (%c)", i + 3, "ivxlcd"[i]),
			arena_printf(a,
			    "The Mill \u2014 %zu\n\nText number %zu.\nTotal: %zu0\n\n%c\n", i + 3,
			    i, i, "ivxlcd"[i]) };
	b[6] = (struct block){ S("page 9"), S("The Mill \u2014 9") };
	running_cut(a, b, 7);
	for (size_t i = 1; i < 6; i++)
		good = good && str_eq(trimmed(b[i].text),
				   arena_printf(a, "Text number %zu.\nTotal: %zu0", i, i));
	CHECK("heads and numbers go, what differs stays", good);
	CHECK("but for the first head",
	    str_eq(trimmed(b[0].text), S("The Mill \u2014 3\n\nText number 0.\nTotal: 00")));
	CHECK("and a page of nothing else", str_eq(b[6].text, S("The Mill \u2014 9")));
	for (size_t i = 0; i < 6; i++)
		b[i] = (struct block){ arena_printf(a, "paragraph %zu", i + 1),
			S("The same\n\nText.") };
	running_cut(a, b, 6);
	CHECK("paragraphs have none", str_eq(b[5].text, S("The same\n\nText.")));
	for (size_t i = 0; i < 3; i++)
		b[i] = (struct block){ arena_printf(a, "page %zu", i + 1), S("The same\n\nText.") };
	running_cut(a, b, 3);
	CHECK("nor have three pages", str_eq(b[2].text, S("The same\n\nText.")));
	arena_free(a);
}

int
main(void)
{
	test_sentences();
	test_contents();
	test_running();
	return test_end();
}
