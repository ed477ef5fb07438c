/*
 * A payload with a file as the form that the vendor's endpoint takes (OpenAI's API reference,
 * "Create transcription"; RFC 7578).
 */
#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "runner/models/wire.h"

/* Letters, digits and what is harmless between a header's quotes. */
static bool
is_plain(struct str s, const char *also)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr(also, s.p[i]))
			return false;
	return s.n > 0;
}

static void
put_part(struct buf *b, struct str boundary, const char *name, const char *more, struct str value)
{
	buf_printf(b, "--%.*s\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n",
	    S_ARG(boundary), name, more);
	buf_put(b, value);
	buf_put(b, S("\r\n"));
}

/* Its name says what it is: the vendor goes by that. */
static const char *
put_file(struct arena *a, struct buf *b, struct str boundary, struct str url)
{
	struct str type, text, subtype;
	char *bytes;
	size_t n;

	if (!wire_is_data_url(url, &type, &text) || !is_plain(type, "/.+-"))
		return "payload.file must be a data URL: data:audio/mpeg;base64,…";
	subtype = str_cut(type, '/', &(struct str){ NULL, 0 });
	bytes = arena_alloc(a, text.n + 1);
	if (sodium_base642bin((unsigned char *)bytes, text.n + 1, text.p, text.n, "\r\n", &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    n == 0)
		return "payload.file must be in base64.";
	put_part(b, boundary, "file",
	    arena_printf(
		a, "; filename=\"sound.%.*s\"\r\nContent-Type: %.*s", S_ARG(subtype), S_ARG(type))
		.p,
	    (struct str){ bytes, n });
	return NULL;
}

static void
put_value(struct arena *a, struct buf *b, struct str boundary, const char *name, json_object *value)
{
	if (json_object_is_type(value, json_type_array)) {
		name = arena_printf(a, "%s[]", name).p;
		for (size_t i = 0; i < json_object_array_length(value); i++)
			put_part(b, boundary, name, "",
			    lenient_text(a, json_object_array_get_idx(value, i)));
	} else if (json_object_is_type(value, json_type_string)) {
		put_part(b, boundary, name, "", lenient_text(a, value));
	} else if (value) {
		put_part(b, boundary, name, "", json_serialised(value));
	}
}

const char *
call_form(struct arena *a, json_object *payload, struct str *body, const char **type)
{
	struct str boundary = arena_printf(a, "millrace%.*s", S_ARG(random_text(a, 18))),
		   format = json_text(payload, "response_format");
	struct buf b = { .a = a };
	const char *wrong = NULL;
	bool has_file = false;

	if (json_at(payload, "response_format") && !str_eq(format, S("json")) &&
	    !str_eq(format, S("verbose_json")))
		return "payload.response_format must be json or verbose_json: the reply is JSON "
		       "here.";
	json_object_object_foreach (payload, name, value) {
		if (wrong)
			break;
		if (strcmp(name, "file") == 0) {
			has_file = true;
			wrong = put_file(a, &b, boundary, json_text(payload, "file"));
		} else if (!is_plain(str_from(name), "_")) {
			wrong = "payload has a member whose name cannot be a form's.";
		} else {
			put_value(a, &b, boundary, name, value);
		}
	}
	if (!wrong && !has_file)
		wrong = "payload.file must be a data URL.";
	buf_printf(&b, "--%.*s--\r\n", S_ARG(boundary));
	*body = buf_str(&b);
	*type = arena_printf(a, "multipart/form-data; boundary=%.*s", S_ARG(boundary)).p;
	return wrong;
}
