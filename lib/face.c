#include <millrace/face.h>

bool
face_is_path(struct str path)
{
	return str_starts(path, S("/v1/")) || str_eq(path, S("/v1"));
}

/* Anthropic's names, which OpenAI's clients show as they are. */
static const char *
type_of(enum err e)
{
	int status = err_info(e)->status;

	switch (status) {
	case 401:
		return "authentication_error";
	case 402:
		return "billing_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 503:
		return "overloaded_error";
	case 504:
		return "timeout_error";
	default:
		return status < 500 ? "invalid_request_error" : "api_error";
	}
}

struct str
face_error(struct arena *a, enum err e, struct str text, struct str request_id)
{
	const struct err_info *info = err_info(e);
	struct buf b = { .a = a };

	buf_put(&b, S("{\"type\":\"error\",\"error\":{\"message\":"));
	buf_json(&b, text.p ? text : str_from(info->text));
	buf_printf(&b, ",\"type\":\"%s\",\"code\":\"%s\",\"param\":null}", type_of(e), info->code);
	if (request_id.p) {
		buf_put(&b, S(",\"request_id\":"));
		buf_json(&b, request_id);
	}
	buf_put(&b, S("}"));
	return buf_str(&b);
}

struct str
face_error_event(struct arena *a, enum face face, enum err e, struct str text)
{
	struct str error = face_error(a, e, text, (struct str){ NULL, 0 });

	return arena_printf(
	    a, "%sdata: %.*s\n\n", face == FACE_NAMED ? "event: error\n" : "", S_ARG(error));
}
