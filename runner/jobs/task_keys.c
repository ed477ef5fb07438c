#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <millrace/log.h>
#include <millrace/unicode.h>

#include "runner/jobs/task.h"

#define KEY_MAX 250 /* bytes of a key; what is longer is none */
#define WORDS_MAX 16 /* of a name */

/* A part of an address without what is written around it. */
static struct str
inner(struct str s)
{
	const char *open = memchr(s.p, '<', s.n);
	struct str head;

	if (open) {
		s = (struct str){ open + 1, s.n - (size_t)(open + 1 - s.p) };
		(void)str_cut(s, '>', &s);
	}
	/* Of several, the first. */
	(void)str_cut(s, ';', &head);
	(void)str_cut(head, ',', &head);
	(void)str_cut(head, '\r', &head);
	(void)str_cut(head, '\n', &head);
	s = str_trim(head);
	if (s.n > 7 && str_eq_nocase((struct str){ s.p, 7 }, S("mailto:")))
		(void)str_cut((struct str){ s.p + 7, s.n - 7 }, '?', &s);
	return s;
}

struct str
task_email_key(struct arena *a, struct str email)
{
	struct str local, domain, ascii;

	if (email.n == 0 || email.n > KEY_MAX)
		return S("");
	domain = str_cut(inner(unicode_name(a, email)), '@', &local);
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (local.n == 0 || domain.n == 0 || memchr(local.p, ' ', local.n) ||
	    !memchr(domain.p, '.', domain.n) || !unicode_domain_ascii(a, domain, &ascii))
		return S("");
	local = unicode_name_lower(a, local);
	return arena_printf(a, "%.*s@%.*s", S_ARG(local), S_ARG(ascii));
}

struct str
task_mailbox_key(struct arena *a, struct str key)
{
	struct str local, domain = str_cut(key, '@', &local);
	struct buf b = { .a = a };
	bool gmail = str_eq(domain, S("gmail.com")) || str_eq(domain, S("googlemail.com"));

	if (!domain.p)
		return S("");
	(void)str_cut(local, '+', &local);
	for (size_t i = 0; i < local.n; i++)
		if (!gmail || local.p[i] != '.')
			buf_put(&b, (struct str){ local.p + i, 1 });
	buf_put(&b, S("@"));
	buf_put(&b, gmail ? S("gmail.com") : domain);
	return buf_str(&b);
}

static bool
is_legal_form(struct str word)
{
	static const char *const forms[] = { "ltd", "limited", "inc", "llc", "llp", "plc", "corp",
		"gmbh", "ag", "kg", "ohg", "ug", "lda", "sa", "sarl", "sas", "srl", "spa", "sl",
		"bv", "nv", "oy", "ab", "as", "aps", "sro", "kft", NULL };

	return str_is_in(word, forms);
}

static int
compare(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int d = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return d != 0 ? d : (x->n > y->n) - (x->n < y->n);
}

/* How many bytes at p stand for nothing: an apostrophe, and the fold's border within a word. */
static size_t
nothing(const char *p, size_t n)
{
	if (*p == '\'')
		return 1;
	return n >= 3 && (memcmp(p, "\xe2\x80\x8b", 3) == 0 || memcmp(p, "\xe2\x80\x99", 3) == 0)
		   ? 3
		   : 0;
}

/* Cuts folded text into words. */
static size_t
split(struct arena *a, struct str s, struct str words[WORDS_MAX])
{
	struct buf word = { .a = a };
	size_t n = 0, skip;

	for (size_t i = 0; i <= s.n && n < WORDS_MAX; i++) {
		if (i < s.n && (skip = nothing(s.p + i, s.n - i)) > 0) {
			i += skip - 1;
		} else if (i < s.n && (isalnum((unsigned char)s.p[i]) || (s.p[i] & 0x80))) {
			buf_put(&word, (struct str){ s.p + i, 1 });
		} else if (word.n > 0) {
			words[n++] = buf_str(&word);
			word = (struct buf){ .a = a };
		}
	}
	return n;
}

struct str
task_name_key(struct arena *a, struct str name)
{
	struct str words[WORDS_MAX];
	struct buf b = { .a = a };
	size_t n;

	if (name.n == 0 || name.n > KEY_MAX)
		return S("");
	n = split(a, unicode_fold(a, name), words);
	qsort(words, n, sizeof(*words), compare);
	for (size_t i = 0; i < n; i++) {
		if (is_legal_form(words[i]))
			continue;
		buf_put(&b, b.n > 0 ? S(" ") : S(""));
		buf_put(&b, words[i]);
	}
	return buf_str(&b);
}

/* One line a number, as millrace-phones takes them. */
static struct str
phone_lines(struct arena *a, const struct task_keys *k, size_t n)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < n; i++) {
		size_t from = b.n;

		buf_put(&b, k[i].region);
		buf_put(&b, S("\t"));
		if (k[i].phone.n <= KEY_MAX)
			buf_put(&b, k[i].phone);
		for (from += k[i].region.n + 1; from < b.n; from++)
			if (iscntrl((unsigned char)b.p[from])) /* lines of a cell are several */
				b.p[from] = b.p[from] == '\n' ? ';' : ' ';
		buf_put(&b, S("\n"));
	}
	return buf_str(&b);
}

static bool
take_phones(struct arena *a, struct str text, struct task_keys *k, size_t n)
{
	struct str line;

	text = arena_str(a, text);
	for (size_t i = 0; i < n; i++) {
		if (!text.p)
			return false;
		text = str_cut(text, '\n', &line);
		k[i].phone_key = str_cut(line, '\t', &k[i].e164);
		if (!k[i].phone_key.p)
			return false;
	}
	return text.p && text.n == 0;
}

static bool
make_phones(struct job *j, struct arena *a, struct task_keys *k, size_t n, struct outcome *o)
{
	static const struct extract_how how = { .program = "millrace-phones" };
	struct str lines = phone_lines(a, k, n);
	int file = memfd_create("phones", MFD_CLOEXEC);
	struct extracted x = { .text = NULL };
	enum extract_end end = EXTRACT_BROKEN;
	bool good;

	if (file >= 0 && pwrite(file, lines.p, lines.n, 0) == (ssize_t)lines.n)
		end = extract(&j->stop, file, &how, &x);
	if (file >= 0)
		close(file);
	good = end == EXTRACT_TEXT && take_phones(a, (struct str){ x.text, x.n }, k, n);
	if (!good && end != EXTRACT_STOPPED)
		log_error("phones: could not be read", "run", j->run.text, "error", x.why);
	free(x.text);
	*o = end == EXTRACT_STOPPED ? job_stopped()
				    : job_again("the phone numbers could not be read", 0);
	return good;
}

bool
task_keys_make(struct job *j, struct arena *a, struct task_keys *k, size_t n, struct outcome *o)
{
	for (size_t i = 0; i < n; i++) {
		k[i].email_key = task_email_key(a, k[i].email);
		k[i].mailbox_key = task_mailbox_key(a, k[i].email_key);
		k[i].name_key = task_name_key(a, k[i].name);
	}
	return n == 0 || make_phones(j, a, k, n, o);
}
