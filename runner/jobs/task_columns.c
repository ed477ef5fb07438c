#include <ctype.h>
#include <string.h>

#include <millrace/unicode.h>

#include "runner/jobs/task.h"

#define WITHIN_MAX 60 /* bytes of a column's name that holds another */
#define WITHIN_WORDS 5 /* and its words */

#define BORDER S("\xe2\x80\x8b") /* unicode_fold()'s, within a word */

enum meaning { MEANS_NAME, MEANS_FIRST, MEANS_LAST, MEANS_EMAIL, MEANS_PHONE, MEANINGS };

/* What columns are called: folded, without blanks and signs. */
static const struct {
	const char *word;
	enum meaning is;
} words[] = {
	{ "name", MEANS_NAME },
	{ "fullname", MEANS_NAME },
	{ "contact", MEANS_NAME },
	{ "contactname", MEANS_NAME },
	{ "leadname", MEANS_NAME },
	{ "clientname", MEANS_NAME },
	{ "personname", MEANS_NAME },
	{ "customer", MEANS_NAME },
	{ "customername", MEANS_NAME },
	{ "client", MEANS_NAME },
	{ "lead", MEANS_NAME },
	{ "nome", MEANS_NAME },
	{ "nomecompleto", MEANS_NAME },
	{ "cliente", MEANS_NAME },
	{ "nombre", MEANS_NAME },
	{ "nombrecompleto", MEANS_NAME },
	{ "nom", MEANS_NAME },
	{ "nomcomplet", MEANS_NAME },
	{ "kunde", MEANS_NAME },
	{ "naam", MEANS_NAME },
	{ "imie", MEANS_FIRST },
	{ "firstname", MEANS_FIRST },
	{ "namefirst", MEANS_FIRST },
	{ "givenname", MEANS_FIRST },
	{ "forename", MEANS_FIRST },
	{ "vorname", MEANS_FIRST },
	{ "prenom", MEANS_FIRST },
	{ "primeironome", MEANS_FIRST },
	{ "lastname", MEANS_LAST },
	{ "namelast", MEANS_LAST },
	{ "surname", MEANS_LAST },
	{ "familyname", MEANS_LAST },
	{ "nachname", MEANS_LAST },
	{ "apelido", MEANS_LAST },
	{ "apellido", MEANS_LAST },
	{ "apellidos", MEANS_LAST },
	{ "nomdefamille", MEANS_LAST },
	{ "nazwisko", MEANS_LAST },
	{ "email", MEANS_EMAIL },
	{ "mail", MEANS_EMAIL },
	{ "emails", MEANS_EMAIL },
	{ "emailaddress", MEANS_EMAIL },
	{ "mailaddress", MEANS_EMAIL },
	{ "correo", MEANS_EMAIL },
	{ "correoelectronico", MEANS_EMAIL },
	{ "courriel", MEANS_EMAIL },
	{ "emailadresse", MEANS_EMAIL },
	{ "phone", MEANS_PHONE },
	{ "phones", MEANS_PHONE },
	{ "phonenumber", MEANS_PHONE },
	{ "contactnumber", MEANS_PHONE },
	{ "telephone", MEANS_PHONE },
	{ "telephonenumber", MEANS_PHONE },
	{ "tel", MEANS_PHONE },
	{ "mobile", MEANS_PHONE },
	{ "mobilephone", MEANS_PHONE },
	{ "mobilenumber", MEANS_PHONE },
	{ "cell", MEANS_PHONE },
	{ "cellphone", MEANS_PHONE },
	{ "whatsapp", MEANS_PHONE },
	{ "telefone", MEANS_PHONE },
	{ "telemovel", MEANS_PHONE },
	{ "celular", MEANS_PHONE },
	{ "telefono", MEANS_PHONE },
	{ "movil", MEANS_PHONE },
	{ "telefon", MEANS_PHONE },
	{ "telefonnummer", MEANS_PHONE },
	{ "rufnummer", MEANS_PHONE },
	{ "handy", MEANS_PHONE },
	{ "mobil", MEANS_PHONE },
	{ "portable", MEANS_PHONE },
	{ "gsm", MEANS_PHONE },
};

/* Folded: letters and digits, with a blank for each run of what else is there; firstName is two
 * words. */
static struct str
words_of(struct arena *a, struct str s)
{
	struct str folded = unicode_fold(a, s);
	struct buf b = { .a = a };

	for (size_t i = 0; i < folded.n; i++) {
		bool is_border = str_starts((struct str){ folded.p + i, folded.n - i }, BORDER);

		if (!is_border && (isalnum((unsigned char)folded.p[i]) || (folded.p[i] & 0x80)))
			buf_put(&b, (struct str){ folded.p + i, 1 });
		else if (b.n > 0 && b.p[b.n - 1] != ' ')
			buf_put(&b, S(" "));
		i += is_border ? BORDER.n - 1 : 0;
	}
	return str_trim(buf_str(&b));
}

/* The name without what people write differently. */
static struct str
bare(struct arena *a, struct str s)
{
	struct str rest = words_of(a, s), word;
	struct buf b = { .a = a };

	while (rest.p) {
		rest = str_cut(rest, ' ', &word);
		buf_put(&b, word);
	}
	return buf_str(&b);
}

static enum meaning
meaning_of_word(struct str word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_eq(str_from(words[i].word), word))
			return words[i].is;
	return MEANINGS;
}

/* By its name; MEANINGS: it tells nothing. */
static enum meaning
meaning_of(struct arena *a, struct str cell, const struct str wanted[MEANINGS])
{
	struct str word = bare(a, cell);
	enum meaning is;

	for (enum meaning m = MEANS_NAME; m < MEANINGS; m++)
		if (wanted[m].n > 0 && str_eq(bare(a, wanted[m]), word))
			return m;
	is = meaning_of_word(word);
	return is == MEANINGS || wanted[is].n == 0 ? is : MEANINGS;
}

/* "Phone 1 - Type" says what kind of number stands beside it. */
static bool
is_about(struct str word)
{
	static const char *const about[] = { "type", "label", "status", "state", "date", "time",
		"sent", "opened", "bounced", "verified", "valid", "consent", "opt", "optin",
		"optout", "count", "country", "code", "extension", "provider", "carrier", "model",
		"subject", "template", "list", "id", NULL };

	return str_is_in(word, about);
}

/* "Work e-mail", "Phone 1 - Value", "contact.phone": by one of its few words. */
static enum meaning
meaning_within(struct arena *a, struct str cell, const struct str wanted[MEANINGS])
{
	struct str rest = words_of(a, cell), word;
	enum meaning is = MEANINGS, one;

	if (cell.n > WITHIN_MAX)
		return MEANINGS;
	for (int n = 0; rest.p; n++) {
		rest = str_cut(rest, ' ', &word);
		one = meaning_of_word(word);
		if (n == WITHIN_WORDS || is_about(word))
			return MEANINGS;
		if (is == MEANINGS && (one == MEANS_EMAIL || one == MEANS_PHONE))
			is = one;
	}
	return is == MEANINGS || wanted[is].n == 0 ? is : MEANINGS;
}

/* 2024-03-05, 5/3/2024 10:30, 1234567.50: digits that are no number to call. */
static bool
is_date_or_amount(struct str s)
{
	size_t seps = 0, digits = 0, at[2] = { 0, 0 };

	if (memchr(s.p, ':', s.n))
		return true;
	for (size_t i = 0; i < s.n; i++) {
		if (memchr("-/.", s.p[i], 3)) {
			if (seps == 2)
				return false;
			at[seps++] = i;
		} else if (isdigit((unsigned char)s.p[i])) {
			digits++;
		} else {
			return false;
		}
	}
	if (seps == 1)
		return s.p[at[0]] == '.' && s.n - at[0] >= 2 && s.n - at[0] <= 3 &&
		       !(s.p[at[0] + 1] == '0' && s.p[s.n - 1] == '0');
	return seps == 2 && digits <= 8 && (at[0] == 4 || s.n - at[1] == 5);
}

/* By what stands there, where there are no names. */
static enum meaning
look(struct str cell)
{
	size_t digits = 0, letters = 0;

	if (memchr(cell.p ? cell.p : "", '@', cell.n))
		return MEANS_EMAIL;
	for (size_t i = 0; i < cell.n; i++) {
		digits += isdigit((unsigned char)cell.p[i]) != 0;
		letters += isalpha((unsigned char)cell.p[i]) || (cell.p[i] & 0x80);
	}
	if (digits >= 7 && letters == 0 && !is_date_or_amount(str_trim(cell)))
		return MEANS_PHONE;
	return letters > 0 ? MEANS_NAME : MEANINGS;
}

/* Of each meaning, the columns that have it, in the order in which they are asked. */
struct found {
	int at[MEANINGS][TASK_COLUMNS_ALIKE];
	int n[MEANINGS];
};

static bool
note(struct found *f, enum meaning m, size_t column)
{
	if (m == MEANINGS)
		return false;
	if (f->n[m] < TASK_COLUMNS_ALIKE)
		f->at[m][f->n[m]++] = (int)column;
	return true;
}

/*
 * What columns are called, first those that are called just so. Words that merely hold such a one
 * are names of columns where no other cell looks like an address or a number.
 */
static bool
find_names(struct arena *a, const struct str *cells, size_t n, const struct task_said *said,
    struct found *f, bool *is_data)
{
	const struct str wanted[MEANINGS] = {
		[MEANS_NAME] = said->name, [MEANS_EMAIL] = said->email, [MEANS_PHONE] = said->phone
	};
	bool has_names = false;

	*is_data = false;
	for (size_t i = 0; i < n; i++) {
		enum meaning seen = look(cells[i]);

		has_names |= note(f, meaning_of(a, cells[i], wanted), i);
		*is_data |= seen == MEANS_EMAIL || seen == MEANS_PHONE;
	}
	for (size_t i = 0; i < n && !*is_data; i++)
		if (meaning_of(a, cells[i], wanted) == MEANINGS)
			has_names |= note(f, meaning_within(a, cells[i], wanted), i);
	return has_names;
}

/* The first, or -1. */
static int
first(const struct found *f, enum meaning m)
{
	return f->n[m] > 0 ? f->at[m][0] : -1;
}

/* Where first and last names stand apart, "Name" beside "Vorname" is the last one. */
static void
take_names(struct task_columns *out, const struct found *f)
{
	int last = f->n[MEANS_LAST] > 0 ? first(f, MEANS_LAST) : first(f, MEANS_NAME);

	if (f->n[MEANS_FIRST] > 0) {
		out->name = first(f, MEANS_FIRST);
		out->last_name = last;
	} else {
		out->name = f->n[MEANS_NAME] > 0 ? first(f, MEANS_NAME) : first(f, MEANS_LAST);
		out->last_name = -1;
	}
}

bool
task_columns_find(struct arena *a, const struct str *cells, size_t n, const struct task_said *said,
    struct task_columns *out)
{
	struct found f = { 0 };
	bool is_data, has_names = find_names(a, cells, n, said, &f, &is_data);

	for (size_t i = 0; i < n && !has_names; i++)
		(void)note(&f, look(cells[i]), i);
	/* Words alone may be names of columns that mean nothing to us. */
	if (!has_names && f.n[MEANS_EMAIL] == 0 && f.n[MEANS_PHONE] == 0)
		return false;
	*out = (struct task_columns){ .has_names = has_names, .is_data = is_data };
	memcpy(out->email.at, f.at[MEANS_EMAIL], sizeof(out->email.at));
	memcpy(out->phone.at, f.at[MEANS_PHONE], sizeof(out->phone.at));
	out->email.n = f.n[MEANS_EMAIL];
	out->phone.n = f.n[MEANS_PHONE];
	for (enum meaning m = MEANS_NAME; m < MEANINGS; m++)
		out->meanings += f.n[m] > 0;
	take_names(out, &f);
	return true;
}
