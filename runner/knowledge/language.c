#include <dlfcn.h>
#include <libstemmer.h>
#include <pthread.h>

#include <millrace/log.h>

#include "runner/knowledge/language.h"

#define LIBRARY "libstemmer.so.0d"
#define SLOTS 4096 /* a power of two, some three times the words below */

/*
 * The commonest words of each language as terms: in lower case and without accents, English and
 * German with those that a question is made of.
 */
static const struct {
	const char *stemmer; /* its name in libstemmer */
	const char *words;
} languages[LANGUAGE_N] = {
	[LANGUAGE_ENGLISH] = { "english",
	    "a about above after again against all also am an and any are aren as at be because "
	    "been before being below between both but by can could couldn d did didn do does doesn "
	    "doing don down during each few for from further had has have having he her here hers "
	    "him his how i if in into is isn it its just ll m may me might more most must my no "
	    "nor "
	    "not now o of off on once only or other our ours out over own re s same shall she "
	    "should "
	    "so some such t than that the their theirs them then there these they this those "
	    "through "
	    "to too under until up us ve very was wasn we were what when where whether which while "
	    "who whom whose why will with won would you your yours please tell explain someone "
	    "something anything there's what's happen happens" },
	[LANGUAGE_GERMAN] = { "german",
	    "aber alle allem allen aller alles als also am an ander andere auch auf aus bei beim "
	    "bin "
	    "bis bist da damit dann das dass dein dem den denn der des deren die dies diese diesem "
	    "diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas "
	    "euch fur gegen gewesen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn "
	    "ihnen "
	    "ihr ihre ihrem ihren ihrer im in indem ins ist jede jedem jeden jeder jedes jene kann "
	    "kein keine keinem keinen konnen konnte machen man manche mein meine meinem meinen "
	    "meiner "
	    "mich mir mit muss musste nach nicht nichts noch nun nur ob oder ohne sehr sein seine "
	    "seinem seinen seiner selbst sich sie sind so solche soll sollte sondern sonst uber um "
	    "und uns unser unter viel vom von vor war waren warst was weg weil welche welchem "
	    "welchen "
	    "welcher welches wenn werde werden wer wem wen wann wo woher wohin warum wieso weshalb "
	    "wodurch wofur womit woran worauf worin wozu "
	    "wie wieder wieviel will wir wird wirst wollen wurde wurden zu zum zur zwar zwischen "
	    "bitte darf dabei gibt geht" },
	[LANGUAGE_FRENCH] = { "french",
	    "au aux avec ce ces cet cette dans de des du elle elles en et eux il ils je la le les "
	    "leur leurs lui ma mais me meme mes moi mon ne nos notre nous on ou par pas pour qu "
	    "que "
	    "qui quoi quel quelle quels quelles comment pourquoi quand combien sa se ses son sont "
	    "sur "
	    "ta te tes toi ton tu un une vos votre vous c d j l a m n s t y est ete etre ai as "
	    "avons "
	    "avez ont avait etait suis es sommes etes sera plus tout tous toute toutes si sans "
	    "sous "
	    "entre faut fait faire peut peuvent dois doit cela ceci donc dont ni comme lorsque "
	    "puis" },
	[LANGUAGE_SPANISH] = { "spanish",
	    "de la que el en y a los del se las por un para con no una su al lo como mas pero sus "
	    "le "
	    "ya o este si porque esta entre cuando muy sin sobre tambien me hasta hay donde quien "
	    "desde todo nos durante todos uno les ni contra otros ese eso ante ellos e esto mi "
	    "antes "
	    "algunos que unos yo otro otras otra el tanto esa estos mucho quienes nada muchos cual "
	    "cuales poco ella estar estas algunas algo nosotros tu tus es son ser fue era han ha "
	    "he "
	    "tiene puede pueden debe cuanto cuantos cuanta cuantas" },
	[LANGUAGE_ITALIAN] = { "italian",
	    "ad al allo ai agli all alla alle con col da dal dallo dai dagli dall dalla dalle di "
	    "del "
	    "dello dei degli dell della delle in nel nello nei negli nell nella nelle su sul sullo "
	    "sui sugli sull sulla sulle per tra contro io tu lui lei noi voi loro mio mia il lo la "
	    "i "
	    "gli le un uno una ma ed se perche anche come dov dove che chi cui non piu quale "
	    "quanto "
	    "quanti quanta quante quello questo questa si tutto tutti a c e o ho ha abbiamo hanno "
	    "sono sei siamo essere era stato puo" },
	[LANGUAGE_PORTUGUESE] = { "portuguese",
	    "de a o que e do da em um para com nao uma os no se na por mais as dos como mas ao ele "
	    "das seu sua ou quando muito nos ja eu tambem so pelo pela ate isso ela entre depois "
	    "sem "
	    "mesmo aos seus quem nas me esse eles voce essa num nem suas meu minha numa pelos elas "
	    "qual lhe deles essas esses pelas este dele tu te foi sao ser esta estao tem pode onde "
	    "quanto quantos" },
	[LANGUAGE_DUTCH] = { "dutch", "de en van ik te dat die in een hij het niet zijn is was op "
				      "aan met als voor had er maar "
				      "om hem dan zou of wat mijn men dit zo door over ze zich bij "
				      "ook tot je mij uit der daar "
				      "haar naar heb hoe heeft hebben deze u want nog zal me zij "
				      "nu ge geen omdat iets worden "
				      "toch al waren veel meer doen toen moet ben zonder kan hun "
				      "dus alles onder ja werd wezen "
				      "zelf tegen komen goed hier wie waarom waar wanneer welke" },
	[LANGUAGE_SWEDISH] = { "swedish", "och det att i en jag hon som han pa den med var sig for "
					  "sa till ar men ett om hade de av "
					  "icke mig du henne da sin nu har inte hans honom skulle "
					  "hennes dar min man ej vid kunde "
					  "nagot fran ut nar efter upp vi dem vara vad over an dig "
					  "kan sina har ha mot alla under "
					  "nagon eller allt mycket sedan ju denna sjalv detta at "
					  "utan varit hur vem varfor vilken" },
	[LANGUAGE_RUSSIAN] = { "russian",
	    "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по "
	    "только ее "
	    "мне было вот от меня еще нет о из ему теперь когда даже ну ли если уже или ни быть "
	    "был "
	    "него до вас вам ведь там потом себя ничего ей может они тут где есть надо ней для мы "
	    "тебя их чем была сам чтоб без будто чего раз тоже себе под будет тогда кто этот того "
	    "потому этого какой совсем ним здесь этом один почти мои тем чтобы нее кажется сеичас "
	    "были куда зачем всех при это сколько почему" },
};

/* Where a word stands in the lists: a table by hashes, filled once. */
static struct {
	struct str word;
	unsigned int in; /* a bit for each language */
} slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * What is called of libstemmer, once it is loaded, with the first stemmer: its tables, of which
 * each process has a copy of its own, take a sixth of the memory of a runner that has nothing to
 * do.
 */
static struct {
	__typeof__(sb_stemmer_new) *new;
	__typeof__(sb_stemmer_delete) *delete;
	__typeof__(sb_stemmer_stem) *stem;
	__typeof__(sb_stemmer_length) *length;
} sb;
static pthread_once_t sb_once = PTHREAD_ONCE_INIT;

static size_t
slot_of(struct str word)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < word.n; i++)
		h = (h ^ (unsigned char)word.p[i]) * 16777619U;
	for (h ^= h >> 15; slots[h % SLOTS].word.n > 0; h++)
		if (str_eq(slots[h % SLOTS].word, word))
			break;
	return h % SLOTS;
}

static void
fill(void)
{
	for (unsigned int l = 0; l < LANGUAGE_N; l++) {
		struct str rest = str_from(languages[l].words), word;

		while (rest.n > 0) {
			size_t at;

			rest = str_cut(rest, ' ', &word);
			at = slot_of(word);
			slots[at].word = word;
			slots[at].in |= 1U << l;
		}
	}
}

static unsigned int
languages_of(struct str term)
{
	(void)pthread_once(&once, fill);
	return slots[slot_of(term)].in;
}

enum language
language_of(struct str terms, bool *is_known)
{
	size_t n[LANGUAGE_N] = { 0 };
	enum language best = LANGUAGE_ENGLISH;
	struct str all = terms, term;

	while (terms.n > 0) {
		unsigned int in;

		terms = str_cut(terms, ' ', &term);
		in = languages_of(term);
		for (unsigned int l = 0; l < LANGUAGE_N; l++)
			n[l] += in >> l & 1;
	}
	for (unsigned int l = 1; l < LANGUAGE_N; l++)
		if (n[l] > n[best])
			best = (enum language)l;
	/* Cyrillic letters are two bytes each, of which this is the first. */
	if (n[best] == 0 && all.n > 0 && ((unsigned char)all.p[0] & 0xfe) == 0xd0) {
		best = LANGUAGE_RUSSIAN;
		n[best]++;
	}
	*is_known = n[best] > 0;
	return best;
}

bool
language_is_common(enum language l, struct str term)
{
	return (languages_of(term) >> l & 1) != 0;
}

static void *
library_open(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		die("libstemmer cannot be loaded: %s", dlerror());
	return library;
}

void
stemmer_check(void)
{
	dlclose(library_open());
}

static void
load(void)
{
	const struct {
		const char *name;
		void *to;
	} functions[] = { { "sb_stemmer_new", &sb.new }, { "sb_stemmer_delete", &sb.delete },
		{ "sb_stemmer_stem", &sb.stem }, { "sb_stemmer_length", &sb.length } };
	void *library = library_open(), *f;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if ((f = dlsym(library, functions[i].name)) == NULL)
			die("libstemmer has no %s", functions[i].name);
		memcpy(functions[i].to, &f, sizeof(f));
	}
}

static void
delete_stemmer(void *p)
{
	sb.delete(p);
}

struct str
language_without_umlauts(struct arena *a, struct str term)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < term.n; i++) {
		buf_put(&b, (struct str){ term.p + i, 1 });
		if (i + 1 < term.n && term.p[i + 1] == 'e' && strchr("aou", term.p[i]) != NULL)
			i++;
	}
	return buf_str(&b);
}

struct stemmer *
stemmer_new(struct arena *a, enum language l)
{
	struct sb_stemmer *s;

	(void)pthread_once(&sb_once, load);
	s = sb.new(languages[l].stemmer, "UTF_8");
	if (s != NULL)
		arena_defer(a, delete_stemmer, s);
	return (struct stemmer *)s;
}

struct str
stemmer_stem(struct stemmer *s, struct str term)
{
	struct sb_stemmer *of = (struct sb_stemmer *)s;
	const sb_symbol *stem;

	if (of == NULL || term.n > 64 ||
	    (stem = sb.stem(of, (const sb_symbol *)term.p, (int)term.n)) == NULL)
		return term;
	return (struct str){ (const char *)stem, (size_t)sb.length(of) };
}
