#include <ctype.h>
#include <string.h>

#include <millrace/unicode.h>

#include "runner/jobs/task.h"

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
	{ "givenname", MEANS_FIRST },
	{ "forename", MEANS_FIRST },
	{ "vorname", MEANS_FIRST },
	{ "prenom", MEANS_FIRST },
	{ "primeironome", MEANS_FIRST },
	{ "lastname", MEANS_LAST },
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
	{ "emailaddress", MEANS_EMAIL },
	{ "mailaddress", MEANS_EMAIL },
	{ "correo", MEANS_EMAIL },
	{ "correoelectronico", MEANS_EMAIL },
	{ "courriel", MEANS_EMAIL },
	{ "emailadresse", MEANS_EMAIL },
	{ "phone", MEANS_PHONE },
	{ "phonenumber", MEANS_PHONE },
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
	{ "handy", MEANS_PHONE },
	{ "mobil", MEANS_PHONE },
	{ "portable", MEANS_PHONE },
	{ "gsm", MEANS_PHONE },
};

/* The name without what people write differently. */
static struct str
bare(struct arena *a, struct str s)
{
	struct str folded = unicode_fold(a, s);
	struct buf b = { .a = a };

	for (size_t i = 0; i < folded.n; i++)
		if (isalnum((unsigned char)folded.p[i]) || (folded.p[i] & 0x80))
			buf_put(&b, (struct str){ folded.p + i, 1 });
	return buf_str(&b);
}

/* By its name; MEANINGS: it tells nothing. */
static enum meaning
meaning_of(struct arena *a, struct str cell, const struct task_said *said)
{
	const struct str wanted[MEANINGS] = {
		[MEANS_NAME] = said->name, [MEANS_EMAIL] = said->email, [MEANS_PHONE] = said->phone
	};
	struct str word = bare(a, cell);

	for (enum meaning m = MEANS_NAME; m < MEANINGS; m++)
		if (wanted[m].n > 0 && str_eq(bare(a, wanted[m]), word))
			return m;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (str_eq(str_from(words[i].word), word) && wanted[words[i].is].n == 0)
			return words[i].is;
	return MEANINGS;
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
	if (digits >= 7 && letters == 0)
		return MEANS_PHONE;
	return letters > 0 ? MEANS_NAME : MEANINGS;
}

/* Each is the first column that means it. */
static bool
note(int found[MEANINGS], enum meaning m, size_t column)
{
	if (m == MEANINGS)
		return false;
	if (found[m] < 0)
		found[m] = (int)column;
	return true;
}

/* Where first and last names stand apart, "Name" beside "Vorname" is the last one. */
static void
take_names(struct task_columns *out, const int found[MEANINGS])
{
	int last = found[MEANS_LAST] >= 0 ? found[MEANS_LAST] : found[MEANS_NAME];

	if (found[MEANS_FIRST] >= 0) {
		out->name = found[MEANS_FIRST];
		out->last_name = last;
	} else {
		out->name = found[MEANS_NAME] >= 0 ? found[MEANS_NAME] : found[MEANS_LAST];
		out->last_name = -1;
	}
}

bool
task_columns_find(struct arena *a, const struct str *cells, size_t n, const struct task_said *said,
    struct task_columns *out)
{
	int found[MEANINGS] = { -1, -1, -1, -1, -1 };
	bool has_names = false;

	for (size_t i = 0; i < n; i++)
		has_names |= note(found, meaning_of(a, cells[i], said), i);
	for (size_t i = 0; i < n && !has_names; i++)
		(void)note(found, look(cells[i]), i);
	/* Words alone may be names of columns that mean nothing to us. */
	if (!has_names && found[MEANS_EMAIL] < 0 && found[MEANS_PHONE] < 0)
		return false;
	*out = (struct task_columns){
		.email = found[MEANS_EMAIL], .phone = found[MEANS_PHONE], .has_names = has_names
	};
	take_names(out, found);
	return true;
}
