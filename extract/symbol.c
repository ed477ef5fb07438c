/* Symbol fonts and what their characters look like. */
#include "extract/symbol.h"

#include <string.h>
#include <strings.h>

#include "extract/out.h"

/* A run of a font's characters, from the code `first` on; a space: none, or nothing like it. */
static const struct {
	const char *font;
	uint32_t first;
	const char *chars;
} runs[] = {
	{ "symbol", 0x21,
	    "!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠ"
	    "ΘΡΣΤΥςΩΞΨΖ[∴]⊥_ αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼" },
	{ "symbol", 0xA0,
	    "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉"
	    "∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪ ⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭" },
	{ "wingdings", 0x21,
	    "✏✂✁👓🔔📖 ☎✆✉✉📪📫📬📭📁📂📄   ⌛⌨  💻 💾 ✇✍ ✌👌👍👎☜☞☝☟✋☺😐☹💣☠⚐ "
	    "✈☼💧❄✝✞ ✠✡☪☯ॐ☸♈♉♊♋♌♍♎♏♐♑♒♓&&●❍■□□❑❒⬧⧫◆❖⬥☒⍓⌘❀✿❝❞" },
	{ "wingdings", 0x80,
	    "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿        ·•▪○○○◉◎ ▪☐✦✦★✶✴✹✵"
	    " ⌖⟡⌑ ✪✰" },
	{ "wingdings", 0xB7, "🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛" },
	{ "wingdings", 0xD5, "⌫⌦◀➢▲▼ ➲  ←→↑↓↖↗↙↘←➔↑↓↖↗↙↘⇦⇨⇧⇩⬄⇳⬁⬀⬃⬂▭▫✘✔☒☑" },
	{ "wingdings 2", 0x4F, "✘✔☒☑☒☒⊗⊗" },
	{ "wingdings 2", 0x69, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿" },
	{ "wingdings 2", 0x95, "·•●●○○○ ◉◎▪■■■□□" },
	{ "wingdings 3", 0x21, "←→↑↓↖↗↙↘" },
	{ "wingdings 3", 0x70, "▲▼△▽◀▶◁▷" },
	{ "wingdings 3", 0x7D, "▶" },
};

uint32_t
symbol_unicode(struct bytes font, uint32_t code)
{
	const unsigned char *p;
	uint32_t c = 0;
	size_t i, k, n;

	if (code >= 0xF000 && code <= 0xF0FF)
		code -= 0xF000;
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		p = (const unsigned char *)runs[i].chars;
		n = strlen(runs[i].chars);
		if (strlen(runs[i].font) != font.n || code < runs[i].first ||
		    strncasecmp((const char *)font.p, runs[i].font, font.n) != 0)
			continue;
		for (k = runs[i].first; n > 0; k++) {
			size_t used = utf8_get(p, n, &c);

			if (k == code)
				return c == ' ' ? 0 : c;
			p += used;
			n -= used;
		}
	}
	return 0;
}
