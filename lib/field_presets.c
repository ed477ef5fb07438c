/* The checks of field presets (F_PASSWORD, F_TIMEZONE) that belong to no other module. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
field_is_timezone(struct str s)
{
	char path[128];
	struct stat st;

	/* Without dots the path stays below zoneinfo. */
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (i == 0 || !strchr("_+-/", s.p[i])))
			return false;
	if (snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s", S_ARG(s)) >= (int)sizeof(path))
		return false;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}
