#!/bin/sh
# json-c 0.16 (Debian 12: libjson-c-dev 0.16-2)
#
# What it does: a whole number that 64 bits do not hold is read as the largest one that they do, or the smallest, and written back as that, in a
# document that was only passed through: 20 digits become 18446744073709551615, and so do all of 20 digits and more. The same amount
# with a fraction or an exponent is kept to the letter, however many digits it has. The tokener's error is "success", also with JSON_TOKENER_STRICT.
#
# What the documentation says: json_tokener.h names no limit of a number; json_object.h has one in json_object_get_int(),
# where a caller asks for a type. RFC 8259 (6) lets a reader limit the range of numbers, and does not have it take another number. No issue was found.
#
# What we do: such a number gets an exponent, "e0", before json-c reads it (keep_large() in lib/json.c). Amounts in the smallest unit of a
# currency, wei above all, go as text.
#
# Seen on 2026-11-29:
#     {"wei":123456789012345678901} -> {"wei":18446744073709551615} (success)
#     {"wei":999999999999999999999} -> {"wei":18446744073709551615} (success)
#     {"wei":-9223372036854775809} -> {"wei":-9223372036854775808} (success)
#     {"wei":123456789012345678901.0} -> {"wei":123456789012345678901.0} (success)
#     {"wei":123456789012345678901e0} -> {"wei":123456789012345678901e0} (success)
#     the two amounts of 21 digits are equal: yes
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download libjson-c-dev=0.16-2 >/dev/null 2>&1 || exit 2
dpkg -x ./*.deb .
cat >pass.c <<'END'
#include <json.h>
#include <stdio.h>
#include <string.h>

static struct json_object *
pass(const char *text)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(t, text, (int)strlen(text) + 1);
	printf("%s -> %s (%s)\n", text, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
	    json_tokener_error_desc(json_tokener_get_error(t)));
	json_tokener_free(t);
	return o;
}

int
main(void)
{
	struct json_object *a = pass("{\"wei\":123456789012345678901}"), *b = pass("{\"wei\":999999999999999999999}");

	pass("{\"wei\":-9223372036854775809}");
	pass("{\"wei\":123456789012345678901.0}");
	pass("{\"wei\":123456789012345678901e0}");
	printf("the two amounts of 21 digits are equal: %s\n", json_object_equal(a, b) ? "yes" : "no");
	return 0;
}
END
cc -Iusr/include/json-c -o pass pass.c "$(find usr -name libjson-c.a)" || exit 2
said=$(./pass) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
