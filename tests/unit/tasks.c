/* What rows and leads are compared as, and which columns are which (runner/jobs/task.h). */
#include <millrace/arena.h>

#include "runner/jobs/task.h"

#include "test.h"

static struct arena *a;

static bool
is(struct str got, const char *wanted)
{
	if (str_eq(got, str_from(wanted)))
		return true;
	printf("# got \"%.*s\", not \"%s\"\n", S_ARG(got), wanted);
	return false;
}

static void
emails(void)
{
	static const char *const cases[][3] = {
		{ "Ana.Silva@Shop.EXAMPLE", "ana.silva@shop.example", "ana.silva@shop.example" },
		{ " \"Silva\" <mailto:Ana@shop.example>", "ana@shop.example", "ana@shop.example" },
		{ "a@stra\xc3\x9f"
		  "e.example.",
		    "a@xn--strae-oqa.example", "a@xn--strae-oqa.example" },
		{ "a@b.example; c@d.example", "a@b.example", "a@b.example" },
		{ "A.n.a+news@googlemail.com", "a.n.a+news@googlemail.com", "ana@gmail.com" },
		{ "ana+news@shop.example", "ana+news@shop.example", "ana@shop.example" },
		{ "mailto:a@b.example?subject=hi", "a@b.example", "a@b.example" },
		{ "\xc2\xa0"
		  "a@b.example\xc2\xa0",
		    "a@b.example", "a@b.example" },
		{ "a@b.example\r\nc@d.example", "a@b.example", "a@b.example" },
		{ "a\xef\xbc\xa0"
		  "b.example",
		    "a@b.example", "a@b.example" },
		{ "nobody", "", "" },
		{ "a b@c.example", "", "" },
		{ "a@local", "", "" },
		{ "@c.example", "", "" },
		{ "", "", "" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str key = task_email_key(a, str_from(cases[i][0]));

		good &= is(key, cases[i][1]) && is(task_mailbox_key(a, key), cases[i][2]);
	}
	CHECK("addresses are brought into one form, mailboxes without tags and dots", good);
}

static void
names(void)
{
	static const char *const cases[][2] = {
		{ "Silva, Maria", "maria silva" },
		{ "MARIA  silva", "maria silva" },
		{ "Zo\xc3\xa9 M\xc3\xbcller-\xc5\x81uk", "luk muller zoe" },
		{ "O'Brien", "obrien" },
		{ "Acme GmbH", "acme" },
		{ "\xe7\x8e\x8b\xe4\xbc\x9f", "\xe7\x8e\x8b\xe4\xbc\x9f" },
		{ "Ltd.", "" },
		{ "...", "" },
		{ "", "" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		good &= is(task_name_key(a, str_from(cases[i][0])), cases[i][1]);
	CHECK("names are folded, in one order, without legal forms", good);
}

static int
first(const struct task_alike *columns)
{
	return columns->n > 0 ? columns->at[0] : -1;
}

static bool
finds(struct task_said said, const char *row, int name, int last, int email, int phone, bool names)
{
	struct str cells[8], rest = str_from(row);
	struct task_columns c;
	size_t n = 0;

	while (rest.p && n < 8)
		rest = str_cut(rest, '|', &cells[n++]);
	return task_columns_find(a, cells, n, &said, &c) && c.name == name && c.last_name == last &&
	       first(&c.email) == email && first(&c.phone) == phone && c.has_names == names;
}

/* Do the columns of addresses and of numbers stand in this order? */
static bool
lists(const char *row, const char *expected)
{
	struct str cells[8], rest = str_from(row);
	const struct task_said none = { .name = { NULL, 0 } };
	struct buf b = { .a = a };
	struct task_columns c;
	size_t n = 0;

	while (rest.p && n < 8)
		rest = str_cut(rest, '|', &cells[n++]);
	if (!task_columns_find(a, cells, n, &none, &c))
		return false;
	for (int i = 0; i < c.email.n; i++)
		buf_printf(&b, "e%d ", c.email.at[i]);
	for (int i = 0; i < c.phone.n; i++)
		buf_printf(&b, "p%d ", c.phone.at[i]);
	return is(str_trim(buf_str(&b)), expected);
}

static void
alike(void)
{
	CHECK("of several columns each is one, those first that are called just so",
	    lists("Name|Work e-mail|Email|Mobile phone 2|Phone", "e2 e1 p4 p3") &&
		lists("Name|Phone 1 - Type|Phone 1 - Value|E-mail 1 - Value", "e3 p2") &&
		lists("firstName|lastName|emailAddress|phoneNumber", "e2 p3") &&
		lists("id|contact.name|contact.email|contact.phone", "e2 p3") &&
		lists("Kunde|Email sent|Email|Mail status", "e2"));
	CHECK("words within data are no names",
	    finds((struct task_said){ .name = { NULL, 0 } }, "call by phone|ana@b.example", 0, -1,
		1, -1, false));
	CHECK("dates and amounts are no numbers to call",
	    lists("2024-03-05|ana@b.example|1234567.50", "e1") &&
		lists("ana@b.example|912345678.", "e0 p1") &&
		lists("05/03/2024|ana@b.example|2024-03-05 10:30", "e1") &&
		lists("912-345-678|912345678.0|ana@b.example", "e2 p0 p1"));
}

static void
columns(void)
{
	const struct task_said none = { .name = { NULL, 0 } };
	const struct task_said said = { .phone = S("Contact 2"), .name = S("who") };
	struct str words[] = { S("Item"), S("Stock") };
	struct task_columns c;

	CHECK("by names in several languages",
	    finds(none, "Nr|NOME|E-mail|Telem\xc3\xb3vel", 1, -1, 2, 3, true) &&
		finds(none, "Vorname|Name|Handy", 0, 1, -1, 2, true) &&
		finds(none, "First Name|Last Name|E-Mail Address", 0, 1, 2, -1, true));
	CHECK("by what the source's configuration says",
	    finds(said, "Name|Phone|Who|Contact 2", 2, -1, -1, 3, true));
	CHECK("by what stands there, where nothing is a name of a column",
	    finds(none, "7|Ana Silva|ana@b.example|+351 912 345 678", 1, -1, 2, 3, false));
	CHECK("words alone tell nothing", !task_columns_find(a, words, 2, &none, &c));
}

int
main(void)
{
	a = arena_new();
	emails();
	names();
	columns();
	alike();
	arena_free(a);
	return test_end();
}
