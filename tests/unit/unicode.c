/* lib/unicode.c: the forms in which texts are compared. */
#include <millrace/unicode.h>

#include "test.h"

struct form {
	const char *given, *form;
};

static bool
are(struct arena *a, struct str (*fn)(struct arena *, struct str), const struct form *cases,
    size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		struct str form = str_from(cases[i].form);

		EACH(good, str_eq(fn(a, str_from(cases[i].given)), form), "%s", cases[i].given);
		EACH(good, str_eq(fn(a, form), form), "%s, again", cases[i].given);
	}
	return good;
}

#define ARE(fn, cases) are(a, (fn), (cases), sizeof(cases) / sizeof(*(cases)))

static const struct form nfc[] = {
	{ "", "" },
	{ "plain ASCII\n", "plain ASCII\n" },
	{ "e\xcc\x81", "\xc3\xa9" },
	/* the Angstrom sign; Hangul; marks in their canonical order; a composition
	   exclusion */
	{ "\xe2\x84\xab", "\xc3\x85" },
	{ "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c" },
	{ "a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81" },
	{ "\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc" },
	/* what this Unicode does not know, and a full-width A */
	{ "\xf3\xbf\xbf\xbd", "\xf3\xbf\xbf\xbd" },
	{ "\xef\xbc\xa1", "\xef\xbc\xa1" },
};
/* RFC 8265, 4.3: the table of passwords; spaces at the ends count */
static const struct form passwords[] = {
	{ "correct horse battery staple", "correct horse battery staple" },
	{ "Correct Horse Battery Staple", "Correct Horse Battery Staple" },
	{ "\xcf\x80\xc3\x9f\xc3\xa5", "\xcf\x80\xc3\x9f\xc3\xa5" },
	{ "Jack of \xe2\x99\xa6s", "Jack of \xe2\x99\xa6s" },
	{ "foo\xe1\x9a\x80"
	  "bar",
	    "foo bar" },
	{ "\xc2\xa0"
	  "a\xe2\x80\x83\xe3\x80\x80",
	    " a  " },
	{ "pa\xcc\x88ss", "p\xc3\xa4ss" },
	{ "\xef\xbc\xa1", "\xef\xbc\xa1" },
	{ "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
	    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80" },
};
static const struct form names[] = {
	{ "Ada", "Ada" },
	{ " \t"
	  "Ada\xe2\x80\xa8\xc2\xa0",
	    "Ada" },
	{ "\xef\xbb\xbf"
	  "Ada",
	    "Ada" },
	{ "\xef\xbc\xa1\xef\xbd\x84\xef\xbd\x81", "Ada" },
	/* half-width katakana with its voicing mark */
	{ "\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac" },
	{ "Zoe\xcc\x88", "Zo\xc3\xab" },
	{ "\xe3\x80\x80", "" },
};
static const struct form lower[] = {
	{ "ADA", "ada" },
	{ "\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9" },
	{ "E\xcc\x81", "\xc3\xa9" },
	{ "STRA\xe1\xba\x9e"
	  "E",
	    "stra\xc3\x9f"
	    "e" },
	{ "\xe1\xbc\x88", "\xe1\xbc\x80" },
};
/* Each kind of letter that two writers, or two keyboards, write differently */
static const struct form folded[] = {
	{ "", "" },
	{ "plain text, 12", "plain text, 12" },
	{ "The MILL", "the mill" },
	{ "Crème BRÛLÉE, Łódź, Ørsted, Åse, Dvořák, Nguyễn Thị Hạnh, Đà Nẵng",
	    "creme brulee, lodz, orsted, ase, dvorak, nguyen thi hanh, da nang" },
	{ "cafe\u0301, nai\u0308ve, na\u0131\u0308ve", "cafe, naive, naive" },
	{ "GROẞMANN Großmann", "grossmann grossmann" },
	{ "Æsir, œuvre, Þór, Ħal, Ŋ, ŧ", "aesir, oeuvre, thor, hal, n, t" },
	{ "DİYARBAKIR, Işıklar, IĞŞ", "diyarbakir, isiklar, igs" },
	{ "Ёлкин, Їжак, Й", "елкин, іжак, и" },
	{ "Ἀθήνα, ΑΘΗΝΑ, μυλωνάς, ΜΥΛΩΝΑΣ, ᾳ", "αθηνα, αθηνα, μυλωνασ, μυλωνασ, α" },
	{ "המִּילָה", "המילה" },
	{ "المُهَنْدِسُ, أحمد, إسلام, آدم, ٱلله, محـــمد, مكتبة, على, کی",
	    "المهندس, احمد, اسلام, ادم, الله, محمد, مكتبه, علي, كي" },
	{ "٢٠٢٦, ۲۰۲۶, २०२६", "2026, 2026, 2026" },
	{ "ＱＲ－５６７８, ｶﾞﾗｽ, が, か\u3099", "qr-5678, ガラス, が, が" },
	{ "\u1112\u1161\u11ab한", "한한" },
	{ "ﬁle, ㎏, Ⅷ", "file, \u200bkg\u200b, viii" },
	{ "soft\u00adhyphen, word\u2060joiner, \u202bר\u202c, می\u200cخواهم",
	    "softhyphen, wordjoiner, ר, ميخواهم" },
	{ "zero\u200bwidth", "zero\u200bwidth" },
	{ "no\u00a0break, thin\u2009space", "no break, thin space" },
	{ "FloodGate, openGate, HTTPServer, GATES, éÉ", "flood\u200bgate, open\u200bgate, "
							"http\u200bserver, gates, e\u200be" },
	{ "Acme™, m², ①②, 20℃", "acme\u200btm\u200b, m\u200b2\u200b, \u200b1\u200b\u200b2\u200b, "
				"20\u200b°c\u200b" },
	{ "हिन्दी, ภาษาไทย", "हिन्दी, ภาษาไทย" },
	{ "s\uab85, s\u13b5, \u13e3\u13b3T", "s\u13b5, s\u13b5, \u13e3\u13b3\u200bt" },
	{ "\u0132\U0001f189", "ij\U0001f189" },
	{ "\xf3\xbf\xbf\xbd", "\xf3\xbf\xbf\xbd" },
};

/*
 * Is what a letter becomes by itself the same as what it becomes beside an accent, which is left
 * out, and beside punctuation?
 */
static bool
alike_in_company(struct arena *a)
{
	for (unsigned int c = 0xc0; c < 0x530; c++) {
		struct str letter = arena_printf(a, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
		struct str plain = arena_printf(a, "x%.*sY", S_ARG(letter));
		struct str accent = arena_printf(a, "x%.*s\u0301Y", S_ARG(letter));
		struct str quoted = arena_printf(a, "\u201c%.*s\u201d", S_ARG(plain));

		plain = unicode_fold(a, plain);
		if (!str_eq(plain, unicode_fold(a, accent)) ||
		    !str_eq(
			unicode_fold(a, quoted), arena_printf(a, "\u201c%.*s\u201d", S_ARG(plain))))
			return false;
	}
	return true;
}

int
main(void)
{
	struct arena *a = arena_new();
	struct str broken = S("\xff\xc3 A");

	CHECK("NFC", ARE(unicode_nfc, nfc));
	CHECK("passwords", ARE(unicode_password, passwords));
	CHECK("names", ARE(unicode_name, names));
	CHECK("names in lower case", ARE(unicode_name_lower, lower));
	CHECK("as search compares it", ARE(unicode_fold, folded));
	CHECK("the same alone and in company", alike_in_company(a));
	CHECK("what is no UTF-8 stays as it is",
	    str_eq(unicode_nfc(a, broken), broken) && str_eq(unicode_password(a, broken), broken) &&
		str_eq(unicode_name(a, broken), broken) &&
		str_eq(unicode_name_lower(a, broken), broken) &&
		str_eq(unicode_fold(a, broken), broken));
	CHECK("absent stays absent", !unicode_nfc(a, (struct str){ NULL, 0 }).p &&
					 !unicode_password(a, (struct str){ NULL, 0 }).p);
	CHECK("controls and blanks",
	    unicode_has_controls(S("a\tb")) && unicode_has_controls(S("\xc2\x85")) &&
		!unicode_has_controls(S("a b\xc3\xa9")) && unicode_has_blanks(S("a b")) &&
		unicode_has_blanks(S("a\xe2\x80\x8b")) && unicode_has_blanks(S("\x7f")) &&
		!unicode_has_blanks(S("a\xc3\xa9")) && !unicode_has_blanks(S("")));
	arena_free(a);
	return test_end();
}
