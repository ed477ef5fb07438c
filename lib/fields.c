#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <millrace/fields.h>
#include <millrace/json.h>

#include "decimal.h"

#define NAME_MAX_LEN 128
/* Problems beyond this number are counted, not written: a query string can hold thousands. */
#define PROBLEMS_MAX 100

/* One value on its way into a struct: its row, its name as the client wrote it, its problems. */
struct target {
	struct arena *a;
	const struct field *f;
	struct str name;
	struct problems *problems;
};

void
problem_add(struct problems *p, struct str field, const char *format, ...)
{
	char text[256];
	va_list args;

	if (p->n >= PROBLEMS_MAX) {
		p->n++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (p->n == 0)
		p->first = arena_printf(p->json.a, "%.*s %s", S_ARG(field), text);
	buf_put(&p->json, p->n++ ? S(",{\"field\":") : S("{\"field\":"));
	buf_json(&p->json, field);
	buf_put(&p->json, S(",\"problem\":"));
	buf_json(&p->json, str_from(text));
	buf_put(&p->json, S("}"));
}

#define PROBLEM(target, ...) (problem_add((target)->problems, (target)->name, __VA_ARGS__), false)

struct str
field_name(struct arena *a, const struct field *f, bool camel)
{
	char *p = arena_alloc(a, strlen(f->name) + 1);
	size_t n = 0;

	for (const char *c = f->name; *c; c++)
		p[n++] = camel && *c == '_' && c[1] >= 'a' && c[1] <= 'z' ? (char)(*++c - 'a' + 'A')
									  : *c;
	return (struct str){ p, n };
}

static bool
is_absent(const struct field *f, const void *value)
{
	switch (f->kind) {
	case FIELD_UUID:
		return ((const struct uuid *)value)->text[0] == '\0';
	case FIELD_STR:
	case FIELD_DECIMAL:
	case FIELD_TIME:
	case FIELD_ENUM:
	case FIELD_JSON:
	case FIELD_ARRAY:
	case FIELD_ITEMS:
		return ((const struct str *)value)->p == NULL;
	case FIELD_STRS:
		return ((const struct str_list *)value)->p == NULL;
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_OBJECT:
		break;
	}
	return false;
}

static bool
bind_str(const struct target *s, struct str text, struct str *out)
{
	size_t n;

	if (s->f->prepare && !s->f->prepare(s->a, text, &text))
		return PROBLEM(s, "%s", s->f->problem);
	n = str_chars(text);
	if ((int64_t)n < s->f->min)
		return s->f->min == 1
			   ? PROBLEM(s, "must not be empty")
			   : PROBLEM(s, "must have at least %lld characters", (long long)s->f->min);
	if ((int64_t)n > s->f->max)
		return PROBLEM(s, "must have at most %lld characters", (long long)s->f->max);
	if (s->f->valid && !s->f->valid(text))
		return PROBLEM(s, "%s", s->f->problem);
	*out = text;
	return true;
}

static bool
bind_int(const struct target *s, struct str digits, int64_t *out)
{
	int64_t v;

	if (!str_int(digits, &v))
		return PROBLEM(s, "must be a whole number");
	if (v < s->f->min || v > s->f->max)
		return PROBLEM(
		    s, "must be between %lld and %lld", (long long)s->f->min, (long long)s->f->max);
	*out = v;
	return true;
}

static bool
bind_decimal(const struct target *s, struct str text, struct str *out)
{
	struct decimal d;

	if (!decimal_parse(s->a, text, &d))
		return PROBLEM(s, "must be a decimal number of at most %d digits", DECIMAL_DIGITS);
	if (d.whole < s->f->min || (d.is_negative && d.whole == s->f->min && d.has_fraction) ||
	    d.whole > s->f->max || (!d.is_negative && d.whole == s->f->max && d.has_fraction))
		return PROBLEM(
		    s, "must be between %lld and %lld", (long long)s->f->min, (long long)s->f->max);
	*out = d.text;
	return true;
}

static bool
two_digits(struct str *s, char before, int low, int high, int *out)
{
	if (before && (s->n == 0 || s->p[0] != before))
		return false;
	if (before) {
		s->p++;
		s->n--;
	}
	if (s->n < 2 || s->p[0] < '0' || s->p[0] > '9' || s->p[1] < '0' || s->p[1] > '9')
		return false;
	*out = (s->p[0] - '0') * 10 + s->p[1] - '0';
	s->p += 2;
	s->n -= 2;
	return *out >= low && *out <= high;
}

/* The zone of an RFC 3339 time, in seconds east of UTC; none means UTC. */
static bool
bind_zone(struct str *s, long *east)
{
	int hours, minutes;
	char sign;

	*east = 0;
	if (s->n == 0 || (s->n == 1 && (s->p[0] == 'Z' || s->p[0] == 'z'))) {
		s->n = 0;
		return true;
	}
	sign = s->p[0];
	if ((sign != '+' && sign != '-') || !two_digits(s, sign, 0, 23, &hours) ||
	    !two_digits(s, ':', 0, 59, &minutes))
		return false;
	*east = (hours * 60L + minutes) * 60L * (sign == '-' ? -1 : 1);
	return s->n == 0;
}

static bool
parse_time(struct str s, time_t *at, int *millis)
{
	int century, year, day, digits = 0;
	struct tm tm = { 0 };
	long east;

	*millis = 0;
	if (!two_digits(&s, 0, 0, 99, &century) || !two_digits(&s, 0, 0, 99, &year) ||
	    !two_digits(&s, '-', 1, 12, &tm.tm_mon) || !two_digits(&s, '-', 1, 31, &tm.tm_mday))
		return false;
	if (s.n > 0) {
		char sep = s.p[0];

		if ((sep != 'T' && sep != 't' && sep != ' ') ||
		    !two_digits(&s, sep, 0, 23, &tm.tm_hour) ||
		    !two_digits(&s, ':', 0, 59, &tm.tm_min) ||
		    !two_digits(&s, ':', 0, 60, &tm.tm_sec))
			return false;
		if (s.n > 0 && s.p[0] == '.') {
			for (s.p++, s.n--; s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9';
			     s.p++, s.n--, digits++)
				*millis += digits == 0	 ? (s.p[0] - '0') * 100
					   : digits == 1 ? (s.p[0] - '0') * 10
					   : digits == 2 ? s.p[0] - '0'
							 : 0;
			if (digits == 0)
				return false;
		}
	}
	if (tm.tm_sec == 60)
		tm.tm_sec = 59;
	if (!bind_zone(&s, &east) || century * 100 + year < 1)
		return false;
	tm.tm_year = century * 100 + year - 1900;
	tm.tm_mon--;
	day = tm.tm_mday;
	*at = timegm(&tm) - east;
	/* timegm turns February 30th into a day of March. */
	return tm.tm_mday == day;
}

static bool
bind_time(const struct target *s, struct str text, struct str *out)
{
	time_t at;
	int millis;
	struct tm tm;

	if (!parse_time(text, &at, &millis) || !gmtime_r(&at, &tm) || tm.tm_year < -1899 ||
	    tm.tm_year > 8099)
		return PROBLEM(s, "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z");
	/* A day alone stays one: in which zone it begins is its reader's to say, UTC by default. */
	if (text.n == 10)
		*out = text;
	else
		*out = arena_printf(s->a, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, millis);
	return true;
}

static bool
bind_enum(const struct target *s, struct str text, struct str *out)
{
	struct buf all = { .a = s->a };

	for (const char *const *name = s->f->names; *name; name++) {
		if (str_eq(text, str_from(*name))) {
			*out = text;
			return true;
		}
		buf_printf(&all, "%s%s", all.n ? ", " : "", *name);
	}
	if (s->f->problem)
		return PROBLEM(s, "%s", s->f->problem);
	return PROBLEM(s,
	    s->f->kind == FIELD_STRS ? "must have no entries but %s" : "must be one of %s", all.p);
}

static bool
bind_text(const struct target *s, struct str text, void *out)
{
	switch (s->f->kind) {
	case FIELD_STR:
		return bind_str(s, text, out);
	case FIELD_DECIMAL:
		return bind_decimal(s, text, out);
	case FIELD_TIME:
		return bind_time(s, text, out);
	case FIELD_ENUM:
		return bind_enum(s, text, out);
	case FIELD_UUID:
		return uuid_parse(text, out) || PROBLEM(s, "must be a UUID");
	case FIELD_INT:
		return bind_int(s, text, out);
	case FIELD_BOOL:
		*(bool *)out = str_eq(text, S("1")) || str_eq(text, S("true"));
		return *(bool *)out || str_eq(text, S("0")) || str_eq(text, S("false")) ||
		       PROBLEM(s, "must be true or false");
	case FIELD_STRS:
	case FIELD_JSON:
	case FIELD_ARRAY:
	case FIELD_ITEMS:
	case FIELD_OBJECT:
		break;
	}
	return PROBLEM(s, "cannot be given here");
}

static bool
bind_strs(const struct target *s, json_object *v, struct str_list *out)
{
	size_t n;
	struct str_list list;

	if (!json_object_is_type(v, json_type_array))
		return PROBLEM(s, "must be an array of strings");
	n = json_object_array_length(v);
	if ((int64_t)n > s->f->max)
		return PROBLEM(s, "must have at most %lld entries", (long long)s->f->max);
	list = (struct str_list){ arena_alloc(s->a, (n + 1) * sizeof(*list.p)), n };
	for (size_t i = 0; i < n; i++) {
		json_object *e = json_object_array_get_idx(v, i);

		if (!json_object_is_type(e, json_type_string))
			return PROBLEM(s, "must be an array of strings");
		list.p[i] = (struct str){ json_object_get_string(e),
			(size_t)json_object_get_string_len(e) };
		if (str_chars(list.p[i]) > FIELD_ENTRY_MAX)
			return PROBLEM(
			    s, "must have entries of at most %d characters", FIELD_ENTRY_MAX);
		if (s->f->names && !bind_enum(s, list.p[i], &list.p[i]))
			return false;
		if (s->f->prepare && !s->f->prepare(s->a, list.p[i], &list.p[i]))
			return PROBLEM(s, "%s", s->f->problem);
		if (s->f->valid && !s->f->valid(list.p[i]))
			return PROBLEM(s, "%s", s->f->problem);
	}
	*out = list;
	return true;
}

static bool
bind_json(const struct target *s, json_object *v, struct str *out)
{
	bool array = s->f->kind == FIELD_ARRAY;
	struct str text;

	if (!json_object_is_type(v, array ? json_type_array : json_type_object))
		return PROBLEM(s, array ? "must be an array" : "must be an object");
	text = json_serialised(v);
	if ((int64_t)text.n > s->f->max)
		return PROBLEM(s, "must take at most %lld bytes", (long long)s->f->max);
	*out = text;
	return true;
}

static bool bind_members(struct arena *a, const struct field *fields, size_t n, json_object *from,
    void *into, struct str prefix, struct problems *problems);

/* Each item is checked; the array is kept as it came. */
static bool
bind_items(const struct target *s, json_object *v, struct str *out)
{
	void *item = arena_alloc(s->a, s->f->object_len);
	size_t n = 0;

	if (!json_object_is_type(v, json_type_array) ||
	    (n = json_object_array_length(v)) > (size_t)s->f->max)
		return PROBLEM(s, "must be an array of at most %lld", (long long)s->f->max);
	for (size_t i = 0; i < n; i++) {
		struct target at = *s;
		json_object *o = json_object_array_get_idx(v, i);

		at.name = arena_printf(s->a, "%.*s[%zu]", S_ARG(s->name), i);
		if (!json_object_is_type(o, json_type_object))
			return PROBLEM(&at, "must be an object");
		if (!bind_members(
			s->a, s->f->fields, s->f->n_fields, o, item, at.name, s->problems))
			return false;
	}
	*out = json_serialised(v);
	return true;
}

/* json-c gives one of these for an integer beyond int64_t, so both count as out of range. */
static bool
is_clamped(json_object *v)
{
	int64_t i = json_object_get_int64(v);

	return i == INT64_MAX || i == INT64_MIN;
}

static bool
bind_value(const struct target *s, json_object *v, void *out)
{
	json_type type = json_object_get_type(v);
	struct str text = { NULL, 0 };

	if (type == json_type_string)
		text = (struct str){ json_object_get_string(v),
			(size_t)json_object_get_string_len(v) };
	switch (s->f->kind) {
	case FIELD_BOOL:
		if (type != json_type_boolean)
			return PROBLEM(s, "must be true or false");
		*(bool *)out = json_object_get_boolean(v);
		return true;
	case FIELD_INT:
		if (type != json_type_int)
			return PROBLEM(s, "must be a whole number");
		return bind_int(s,
		    is_clamped(v) ? S("9223372036854775807") : str_from(json_object_get_string(v)),
		    out);
	case FIELD_DECIMAL:
		if ((type != json_type_int && type != json_type_double) ||
		    (type == json_type_int && is_clamped(v)))
			return PROBLEM(s, "must be a number");
		return bind_decimal(
		    s, str_from(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN)), out);
	case FIELD_STRS:
		return bind_strs(s, v, out);
	case FIELD_JSON:
	case FIELD_ARRAY:
		return bind_json(s, v, out);
	case FIELD_ITEMS:
		return bind_items(s, v, out);
	case FIELD_OBJECT:
		if (type != json_type_object)
			return PROBLEM(s, "must be an object");
		return bind_members(
		    s->a, s->f->fields, s->f->n_fields, v, out, s->name, s->problems);
	case FIELD_STR:
	case FIELD_UUID:
	case FIELD_TIME:
	case FIELD_ENUM:
		break;
	}
	return text.p ? bind_text(s, text, out) : PROBLEM(s, "must be a string");
}

static bool
bind_members(struct arena *a, const struct field *fields, size_t n, json_object *from, void *into,
    struct str prefix, struct problems *problems)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		struct target s = { .a = a,
			.f = &fields[i],
			.name = str_from(fields[i].name),
			.problems = problems };
		struct str camel = field_name(a, &fields[i], true);
		json_object *v = json_at(from, fields[i].name);

		if (!v && ((v = json_at(from, camel.p)) || problems->camel))
			s.name = camel;
		if (prefix.n > 0)
			s.name = arena_printf(a, "%.*s.%.*s", S_ARG(prefix), S_ARG(s.name));
		if (!v && fields[i].required == REQUIRED) {
			good = PROBLEM(&s, "is required");
		} else if (v && !bind_value(&s, v, (char *)into + fields[i].offset)) {
			good = false;
		}
	}
	return good;
}

bool
json_fields(struct arena *a, const struct field *fields, size_t n, json_object *from, void *into,
    struct problems *problems)
{
	return bind_members(a, fields, n, from, into, S(""), problems);
}

bool
json_fields_at(struct arena *a, const struct field *fields, size_t n, json_object *from, void *into,
    struct str path, struct problems *problems)
{
	return bind_members(a, fields, n, from, into, path, problems);
}

bool
fields_from_text(struct arena *a, const struct field *fields, size_t n, struct str text, void *into,
    struct str *why)
{
	struct problems problems = { .json.a = a };
	const char *malformed;
	json_object *o;

	if (json_parse(a, text, &o, &malformed) != ERR_OK) {
		*why = str_from(malformed);
	} else if (!json_object_is_type(o, json_type_object)) {
		*why = S("not an object");
	} else if (!json_fields(a, fields, n, o, into, &problems)) {
		*why = buf_str(&problems.json);
	} else {
		return true;
	}
	return false;
}

/* The index of a name in the table, in either spelling; n where it has none. */
static size_t
find_field(struct arena *a, const struct field *fields, size_t n, struct str name)
{
	size_t i = 0;

	while (i < n && !str_eq(name, str_from(fields[i].name)) &&
	       !str_eq(name, field_name(a, &fields[i], true)))
		i++;
	return i;
}

bool
text_field(struct arena *a, const struct field *fields, size_t n, struct str name, struct str value,
    void *into, struct problems *problems)
{
	size_t i = find_field(a, fields, n, name);
	struct target s = { .a = a, .name = name, .problems = problems };
	void *out;

	if (i == n)
		return true;
	s.f = &fields[i];
	out = (char *)into + fields[i].offset;
	return (!is_absent(&fields[i], out) && fields[i].kind != FIELD_BOOL &&
		   fields[i].kind != FIELD_INT) ||
	       bind_text(&s, value, out);
}

static void
problem_missing(struct problems *p, const struct field *f)
{
	problem_add(p, field_name(p->json.a, f, p->camel), "is required");
}

void
fields_missing(const struct field *fields, size_t n, const void *into, struct problems *problems)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i].required == REQUIRED &&
		    is_absent(&fields[i], (const char *)into + fields[i].offset))
			problem_missing(problems, &fields[i]);
}

/* Binds one name=value. `seen` has a flag for each field: the first of a name counts. */
static bool
bind_pair(struct arena *a, const struct field *fields, size_t n, struct str pair, void *into,
    bool *seen, struct problems *problems)
{
	static const char broken[] = "must be percent-encoded UTF-8 without NUL";
	struct str name, value, raw = str_cut(pair, '=', &name);
	size_t i;

	if (name.n > NAME_MAX_LEN)
		return true;
	if (!url_decode(a, name, true, &name)) {
		problem_add(problems, name, "%s", broken);
		return false;
	}
	i = find_field(a, fields, n, name);
	if (i < n && seen[i])
		return true;
	if (i < n)
		seen[i] = true;
	if (!url_decode(a, raw.p ? raw : S(""), true, &value)) {
		problem_add(problems, name, "%s", broken);
		return false;
	}
	if (i == n)
		return true;
	return bind_text(
	    &(struct target){ .a = a, .f = &fields[i], .name = name, .problems = problems }, value,
	    (char *)into + fields[i].offset);
}

bool
query_fields(struct arena *a, const struct field *fields, size_t n, struct str query_string,
    void *into, struct problems *problems)
{
	bool good = true;
	bool *seen = arena_alloc(a, n * sizeof(*seen));

	while (query_string.n > 0) {
		struct str pair;

		query_string = str_cut(query_string, '&', &pair);
		if (!bind_pair(a, fields, n, pair, into, seen, problems))
			good = false;
	}
	for (size_t i = 0; i < n; i++)
		if (fields[i].required == REQUIRED && !seen[i]) {
			problem_missing(problems, &fields[i]);
			good = false;
		}
	return good;
}

bool
fields_fit(const struct field *fields, size_t n, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &fields[i];

		if (f->struct_len != len || f->offset >= len)
			return false;
		if (f->fields && !fields_fit(f->fields, f->n_fields, f->object_len))
			return false;
	}
	return true;
}
