/* Field tables as JSON Schema, which refuses what a table refuses as far as it can express it. */
#include <millrace/fields.h>

/* "type", with null beside it where the field may be null. */
static void
put_type(struct buf *b, const char *type, bool null)
{
	buf_printf(b, null ? "{\"type\":[\"%s\",\"null\"]" : "{\"type\":\"%s\"", type);
}

static void
put_str(struct buf *b, const struct field *f, bool null)
{
	put_type(b, "string", null);
	buf_printf(
	    b, ",\"minLength\":%lld,\"maxLength\":%lld", (long long)f->min, (long long)f->max);
	if (f->problem) {
		buf_put(b, S(",\"description\":"));
		buf_json(b, str_from(f->problem));
	}
	buf_put(b, S("}"));
}

static void
put_number(struct buf *b, const struct field *f, bool null)
{
	put_type(b, f->kind == FIELD_INT ? "integer" : "number", null);
	buf_printf(b, ",\"minimum\":%lld,\"maximum\":%lld}", (long long)f->min, (long long)f->max);
}

static void
put_enum(struct buf *b, const struct field *f, bool null)
{
	put_type(b, "string", null);
	buf_put(b, S(",\"enum\":["));
	for (const char *const *name = f->names; *name; name++)
		buf_printf(b, "%s\"%s\"", name == f->names ? "" : ",", *name);
	buf_put(b, null ? S(",null]}") : S("]}"));
}

static void
put_strs(struct buf *b, const struct field *f, bool null)
{
	put_type(b, "array", null);
	buf_printf(b, ",\"maxItems\":%lld,\"items\":", (long long)f->max);
	if (f->names)
		put_enum(b, f, false);
	else
		buf_printf(b, "{\"type\":\"string\",\"maxLength\":%d}", FIELD_ENTRY_MAX);
	if (f->problem) {
		buf_put(b, S(",\"description\":"));
		buf_json(b, str_from(f->problem));
	}
	buf_put(b, S("}"));
}

static void
put_object(struct buf *b, const struct field *fields, size_t n, bool null, int flags)
{
	bool camel = flags & SCHEMA_CAMEL, first = true;

	put_type(b, "object", null);
	buf_put(b, S(",\"properties\":{"));
	for (size_t i = 0; i < n; i++) {
		buf_put(b, i ? S(",") : S(""));
		buf_json(b, field_name(b->a, &fields[i], camel));
		buf_put(b, S(":"));
		field_schema(b, &fields[i], flags);
	}
	buf_put(b, S("}"));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].required != REQUIRED)
			continue;
		buf_put(b, first ? S(",\"required\":[") : S(","));
		buf_json(b, field_name(b->a, &fields[i], camel));
		first = false;
	}
	buf_put(b, first ? S("}") : S("]}"));
}

void
field_schema(struct buf *b, const struct field *f, int flags)
{
	bool null = flags & SCHEMA_NULL && f->required == OPTIONAL;

	switch (f->kind) {
	case FIELD_STR:
		put_str(b, f, null);
		break;
	case FIELD_BOOL:
		put_type(b, "boolean", null);
		buf_put(b, S("}"));
		break;
	case FIELD_INT:
	case FIELD_DECIMAL:
		put_number(b, f, null);
		break;
	case FIELD_UUID:
	case FIELD_TIME:
		put_type(b, "string", null);
		buf_printf(b, ",\"format\":\"%s\"}", f->kind == FIELD_UUID ? "uuid" : "date-time");
		break;
	case FIELD_ENUM:
		put_enum(b, f, null);
		break;
	case FIELD_STRS:
		put_strs(b, f, null);
		break;
	case FIELD_JSON:
		put_type(b, "object", null);
		buf_put(b, S("}"));
		break;
	case FIELD_ARRAY:
		put_type(b, "array", null);
		buf_put(b, S(",\"items\":{}}"));
		break;
	case FIELD_ITEMS:
		put_type(b, "array", null);
		buf_printf(b, ",\"maxItems\":%lld,\"items\":", (long long)f->max);
		put_object(b, f->fields, f->n_fields, false, flags);
		buf_put(b, S("}"));
		break;
	case FIELD_OBJECT:
		put_object(b, f->fields, f->n_fields, null, flags);
		break;
	}
}

void
fields_schema(struct buf *b, const struct field *fields, size_t n, int flags)
{
	put_object(b, fields, n, false, flags);
}
