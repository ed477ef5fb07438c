#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <millrace/fields.h>
#include <millrace/json.h>

#define NAME_MAX_LEN 128
#define STRS_ENTRY_MAX 200
#define DECIMAL_DIGITS 18
/* More than these are counted and not told: a query string can hold thousands. */
#define PROBLEMS_MAX 100

/* Where a value is looked at: its table row, its name as the client wrote it, and where problems go. */
struct spot {
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
	buf_put(&p->json, p->n++ ? S(",{\"field\":") : S("{\"field\":"));
	buf_json(&p->json, field);
	buf_put(&p->json, S(",\"problem\":"));
	buf_json(&p->json, str_from(text));
	buf_put(&p->json, S("}"));
}

#define PROBLEM(spot, ...) (problem_add((spot)->problems, (spot)->name, __VA_ARGS__), false)

/* display_name -> displayName. */
static struct str
camel_case(struct arena *a, const char *snake)
{
	char *p = arena_alloc(a, strlen(snake) + 1);
	size_t n = 0;

	for (const char *c = snake; *c; c++)
		p[n++] = *c == '_' && c[1] >= 'a' && c[1] <= 'z' ? (char)(*++c - 'a' + 'A') : *c;
	return (struct str){ p, n };
}

static bool
is_absent(const struct field *f, const void *place)
{
	switch (f->kind) {
	case FIELD_UUID:
		return ((const struct uuid *)place)->text[0] == '\0';
	case FIELD_STR:
	case FIELD_DECIMAL:
	case FIELD_TIME:
	case FIELD_ENUM:
	case FIELD_JSON:
		return ((const struct str *)place)->p == NULL;
	case FIELD_STRS:
		return ((const struct str_list *)place)->p == NULL;
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_OBJECT:
		break;
	}
	return false;
}

static bool
take_str(const struct spot *s, struct str text, struct str *place)
{
	size_t n = str_chars(text);

	if ((int64_t)n < s->f->min)
		return s->f->min == 1
			   ? PROBLEM(s, "must not be empty")
			   : PROBLEM(s, "must have at least %lld characters", (long long)s->f->min);
	if ((int64_t)n > s->f->max)
		return PROBLEM(s, "must have at most %lld characters", (long long)s->f->max);
	if (s->f->valid && !s->f->valid(text))
		return PROBLEM(s, "%s", s->f->problem);
	*place = text;
	return true;
}

static bool
take_int(const struct spot *s, struct str digits, int64_t *place)
{
	int64_t v;

	if (!str_int(digits, &v))
		return PROBLEM(s, "must be a whole number");
	if (v < s->f->min || v > s->f->max)
		return PROBLEM(
		    s, "must be between %lld and %lld", (long long)s->f->min, (long long)s->f->max);
	*place = v;
	return true;
}

/* -?digits[.digits], at most 18 digits in all: what numeric(18,x) and our arithmetic hold exactly. */
static bool
take_decimal(const struct spot *s, struct str text, struct str *place)
{
	struct str whole, part = str_cut(text, '.', &whole);
	bool negative = text.n > 0 && text.p[0] == '-';
	int64_t v, fraction = 0;

	if (text.n > DECIMAL_DIGITS + (size_t)negative + (part.p != NULL) || !str_int(whole, &v) ||
	    (part.p && (part.n == 0 || part.p[0] == '-' || !str_int(part, &fraction))))
		return PROBLEM(s, "must be a decimal number of at most %d digits", DECIMAL_DIGITS);
	if (v < s->f->min || (negative && v == s->f->min && fraction > 0) || v > s->f->max ||
	    (!negative && v == s->f->max && fraction > 0))
		return PROBLEM(
		    s, "must be between %lld and %lld", (long long)s->f->min, (long long)s->f->max);
	*place = text;
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
take_zone(struct str *s, long *east)
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
	if (!take_zone(&s, &east) || century * 100 + year < 1)
		return false;
	tm.tm_year = century * 100 + year - 1900;
	tm.tm_mon--;
	day = tm.tm_mday;
	*at = timegm(&tm) - east;
	/* timegm has made a day of March of February 30th. */
	return tm.tm_mday == day;
}

static bool
take_time(const struct spot *s, struct str text, struct str *place)
{
	time_t at;
	int millis;
	struct tm tm;

	if (!parse_time(text, &at, &millis) || !gmtime_r(&at, &tm) || tm.tm_year < -1899 ||
	    tm.tm_year > 8099)
		return PROBLEM(s, "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z");
	*place = arena_printf(s->a, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, millis);
	return true;
}

static bool
take_enum(const struct spot *s, struct str text, struct str *place)
{
	struct buf all = { .a = s->a };

	for (const char *const *name = s->f->names; *name; name++) {
		if (str_eq(text, str_from(*name))) {
			*place = text;
			return true;
		}
		buf_printf(&all, "%s%s", all.n ? ", " : "", *name);
	}
	return PROBLEM(s, "must be one of %s", all.p);
}

static bool
take_text(const struct spot *s, struct str text, void *place)
{
	switch (s->f->kind) {
	case FIELD_STR:
		return take_str(s, text, place);
	case FIELD_DECIMAL:
		return take_decimal(s, text, place);
	case FIELD_TIME:
		return take_time(s, text, place);
	case FIELD_ENUM:
		return take_enum(s, text, place);
	case FIELD_UUID:
		return uuid_parse(text, place) || PROBLEM(s, "must be a UUID");
	case FIELD_INT:
		return take_int(s, text, place);
	case FIELD_BOOL:
		*(bool *)place = str_eq(text, S("1")) || str_eq(text, S("true"));
		return *(bool *)place || str_eq(text, S("0")) || str_eq(text, S("false")) ||
		       PROBLEM(s, "must be true or false");
	case FIELD_STRS:
	case FIELD_JSON:
	case FIELD_OBJECT:
		break;
	}
	return PROBLEM(s, "cannot be given here");
}

static bool
take_strs(const struct spot *s, json_object *v, struct str_list *place)
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
		if (str_chars(list.p[i]) > STRS_ENTRY_MAX)
			return PROBLEM(
			    s, "must have entries of at most %d characters", STRS_ENTRY_MAX);
	}
	*place = list;
	return true;
}

static bool
take_json(const struct spot *s, json_object *v, struct str *place)
{
	struct str text;

	if (!json_object_is_type(v, json_type_object))
		return PROBLEM(s, "must be an object");
	text = str_from(json_object_to_json_string_ext(
	    v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	if ((int64_t)text.n > s->f->max)
		return PROBLEM(s, "must take at most %lld bytes", (long long)s->f->max);
	*place = text;
	return true;
}

static bool take_members(struct arena *a, const struct field *fields, size_t n, json_object *from,
    void *into, struct str prefix, struct problems *problems);

/* json-c clamps integers beyond 64 bits to these two, so they are out of everything's range. */
static bool
is_clamped(json_object *v)
{
	int64_t i = json_object_get_int64(v);

	return i == INT64_MAX || i == INT64_MIN;
}

static bool
take_value(const struct spot *s, json_object *v, void *place)
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
		*(bool *)place = json_object_get_boolean(v);
		return true;
	case FIELD_INT:
		if (type != json_type_int)
			return PROBLEM(s, "must be a whole number");
		return take_int(s,
		    is_clamped(v) ? S("9223372036854775807") : str_from(json_object_get_string(v)),
		    place);
	case FIELD_DECIMAL:
		if ((type != json_type_int && type != json_type_double) ||
		    (type == json_type_int && is_clamped(v)))
			return PROBLEM(s, "must be a number");
		return take_decimal(
		    s, str_from(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN)), place);
	case FIELD_STRS:
		return take_strs(s, v, place);
	case FIELD_JSON:
		return take_json(s, v, place);
	case FIELD_OBJECT:
		if (type != json_type_object)
			return PROBLEM(s, "must be an object");
		return take_members(
		    s->a, s->f->fields, s->f->n_fields, v, place, s->name, s->problems);
	case FIELD_STR:
	case FIELD_UUID:
	case FIELD_TIME:
	case FIELD_ENUM:
		break;
	}
	return text.p ? take_text(s, text, place) : PROBLEM(s, "must be a string");
}

static bool
take_members(struct arena *a, const struct field *fields, size_t n, json_object *from, void *into,
    struct str prefix, struct problems *problems)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		struct spot s = { .a = a,
			.f = &fields[i],
			.name = camel_case(a, fields[i].name),
			.problems = problems };
		json_object *v = json_at(from, fields[i].name);

		if (v)
			s.name = str_from(fields[i].name);
		else
			v = json_at(from, s.name.p);
		if (prefix.n > 0)
			s.name = arena_printf(a, "%.*s.%.*s", S_ARG(prefix), S_ARG(s.name));
		if (!v && fields[i].required == REQUIRED) {
			s.name = prefix.n > 0 ? s.name : str_from(fields[i].name);
			good = PROBLEM(&s, "is required");
		} else if (v && !take_value(&s, v, (char *)into + fields[i].offset)) {
			good = false;
		}
	}
	return good;
}

bool
json_fields(struct arena *a, const struct field *fields, size_t n, json_object *from, void *into,
    struct problems *problems)
{
	return take_members(a, fields, n, from, into, S(""), problems);
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

/* The place in the table of a name in either spelling; n where it has none. */
static size_t
find_field(struct arena *a, const struct field *fields, size_t n, struct str name)
{
	size_t i = 0;

	while (i < n && !str_eq(name, str_from(fields[i].name)) &&
	       !str_eq(name, camel_case(a, fields[i].name)))
		i++;
	return i;
}

bool
text_field(struct arena *a, const struct field *fields, size_t n, struct str name, struct str value,
    void *into, struct problems *problems)
{
	size_t i = find_field(a, fields, n, name);
	struct spot s = { .a = a, .name = name, .problems = problems };
	void *place;

	if (i == n)
		return true;
	s.f = &fields[i];
	place = (char *)into + fields[i].offset;
	return (!is_absent(&fields[i], place) && fields[i].kind != FIELD_BOOL &&
		   fields[i].kind != FIELD_INT) ||
	       take_text(&s, value, place);
}

void
fields_missing(const struct field *fields, size_t n, const void *into, struct problems *problems)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i].required == REQUIRED &&
		    is_absent(&fields[i], (const char *)into + fields[i].offset))
			problem_add(problems, str_from(fields[i].name), "is required");
}

/* One name=value. `seen` has a flag a field: the first of a name counts. */
static bool
take_pair(struct arena *a, const struct field *fields, size_t n, struct str pair, void *into,
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
	return take_text(
	    &(struct spot){ .a = a, .f = &fields[i], .name = name, .problems = problems }, value,
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
		if (!take_pair(a, fields, n, pair, into, seen, problems))
			good = false;
	}
	for (size_t i = 0; i < n; i++)
		if (fields[i].required == REQUIRED && !seen[i]) {
			problem_add(problems, str_from(fields[i].name), "is required");
			good = false;
		}
	return good;
}

void
field_schema(struct buf *b, const struct field *f, bool camel)
{
	switch (f->kind) {
	case FIELD_STR:
		buf_printf(b, "{\"type\":\"string\",\"minLength\":%lld,\"maxLength\":%lld}",
		    (long long)f->min, (long long)f->max);
		break;
	case FIELD_BOOL:
		buf_put(b, S("{\"type\":\"boolean\"}"));
		break;
	case FIELD_INT:
	case FIELD_DECIMAL:
		buf_printf(b, "{\"type\":\"%s\",\"minimum\":%lld,\"maximum\":%lld}",
		    f->kind == FIELD_INT ? "integer" : "number", (long long)f->min,
		    (long long)f->max);
		break;
	case FIELD_UUID:
		buf_put(b, S("{\"type\":\"string\",\"format\":\"uuid\"}"));
		break;
	case FIELD_TIME:
		buf_put(b, S("{\"type\":\"string\",\"format\":\"date-time\"}"));
		break;
	case FIELD_ENUM:
		buf_put(b, S("{\"type\":\"string\",\"enum\":["));
		for (const char *const *name = f->names; *name; name++)
			buf_printf(b, "%s\"%s\"", name == f->names ? "" : ",", *name);
		buf_put(b, S("]}"));
		break;
	case FIELD_STRS:
		buf_printf(b,
		    "{\"type\":\"array\",\"maxItems\":%lld,\"items\":{\"type\":\"string\","
		    "\"maxLength\":%d}}",
		    (long long)f->max, STRS_ENTRY_MAX);
		break;
	case FIELD_JSON:
		buf_put(b, S("{\"type\":\"object\"}"));
		break;
	case FIELD_OBJECT:
		fields_schema(b, f->fields, f->n_fields, camel);
		break;
	}
}

void
fields_schema(struct buf *b, const struct field *fields, size_t n, bool camel)
{
	bool first = true;

	buf_put(b, S("{\"type\":\"object\",\"properties\":{"));
	for (size_t i = 0; i < n; i++) {
		buf_put(b, i ? S(",") : S(""));
		buf_json(b, camel ? camel_case(b->a, fields[i].name) : str_from(fields[i].name));
		buf_put(b, S(":"));
		field_schema(b, &fields[i], camel);
	}
	buf_put(b, S("}"));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].required != REQUIRED)
			continue;
		buf_put(b, first ? S(",\"required\":[") : S(","));
		buf_json(b, camel ? camel_case(b->a, fields[i].name) : str_from(fields[i].name));
		first = false;
	}
	buf_put(b, first ? S("}") : S("]}"));
}
