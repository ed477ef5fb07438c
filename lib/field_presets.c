/* The checks of field presets (F_PASSWORD, F_TIMEZONE, …) that belong to no other module. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <millrace/fields.h>
#include <millrace/unicode.h>

bool
field_password(struct arena *a, struct str given, struct str *out)
{
	struct str s = unicode_password(a, given);

	if (s.n < PASSWORD_BYTES_MIN || s.n > PASSWORD_BYTES_MAX || unicode_has_controls(s))
		return false;
	*out = s;
	return true;
}

bool
field_nfc(struct arena *a, struct str given, struct str *out)
{
	*out = unicode_nfc(a, given);
	return true;
}

bool
field_uuid(struct arena *a, struct str given, struct str *out)
{
	struct uuid u;

	if (!uuid_parse(given, &u))
		return false;
	*out = arena_printf(a, "%s", u.text);
	return true;
}

bool
field_is_shown(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr(" \t\r\n", s.p[i]))
			return true;
	return false;
}

bool
field_is_timezone(struct str s)
{
	static const char *const others[] = { "Factory", "localtime", "posixrules", NULL };
	char path[128], magic[4] = "";
	FILE *file;

	/* Those of right/ count leap seconds, which PostgreSQL does not. */
	if (str_starts(s, S("posix/")) || str_starts(s, S("right/")) || str_is_in(s, others))
		return false;
	/* Without dots the path stays below zoneinfo. */
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr("_+-/", s.p[i])))
			return false;
	if (snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", S_ARG(s)) >= (int)sizeof(path))
		return false;
	/* A list of leap seconds lies among them. */
	if ((file = fopen(path, "re")) == NULL)
		return false;
	(void)!fread(magic, 1, sizeof(magic), file);
	fclose(file);
	return memcmp(magic, "TZif", 4) == 0;
}

bool
field_is_origin(struct str s)
{
	struct str host, port;
	int64_t n;

	if (!str_starts(s, S("https://")) && !str_starts(s, S("http://")))
		return false;
	host = (struct str){ s.p + (s.p[4] == 's' ? 8 : 7), s.n - (s.p[4] == 's' ? 8 : 7) };
	if (host.n > 0 && host.p[0] == '[') {
		port = str_cut(host, ']', &host);
		if (!port.p || (port.n > 0 && port.p[0] != ':'))
			return false;
		port =
		    port.n > 0 ? (struct str){ port.p + 1, port.n - 1 } : (struct str){ NULL, 0 };
		host = (struct str){ host.p + 1, host.n - 1 };
	} else {
		port = str_cut(host, ':', &host);
	}
	for (size_t i = 0; i < host.n; i++)
		if (!islower((unsigned char)host.p[i]) && !isdigit((unsigned char)host.p[i]) &&
		    !memchr(".-_:", host.p[i], 4))
			return false;
	return host.n > 0 && (!port.p || (str_int(port, &n) && n > 0 && n < 65536 &&
					     port.p[0] != '0' && n != (s.p[4] == 's' ? 443 : 80)));
}
