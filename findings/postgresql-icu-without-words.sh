#!/bin/sh
# PostgreSQL 15 (Debian's 15.x), with pg_trgm 1.6, in a database whose locale provider is ICU
#
# What it does: text search and pg_trgm never ask ICU. Where such a database has the locale C for the rest, as it is made to be independent of the
# C library's versions, upper() and regular expressions know all letters, and text search folds none beyond ASCII: 'Жук' and 'жук', 'Äpfel' and
# 'äpfel' are different words, and no stemmer reaches them. pg_trgm drops these letters: José is the same as Jos, and a name in Cyrillic or
# Chinese has no trigram at all, so that it is like nothing, itself included.
#
# What the documentation says: "Locale Support" (24.1.4, locale providers) has LC_CTYPE set beside ICU's locale, and names the sorting and the
# classification of characters as the provider's; the pages of text search (12) and pg_trgm (F.35) name no locale. Version 18's notes
# (E.1.2, migration) have it mended: both follow the provider there.
#
# What we do: the database is made with the locale C.UTF-8 by the C library (INSTALL.md, step 3).
#
# Seen on 2026-11-29 (15.20):
#     ICU, rest C: upper ЖУК, words 'Жук':1 'Äpfel':1, found false
#     ICU, rest C: José and Jos 1, Жук and Жук 0
#     C.UTF-8: upper ЖУК, words 'жук':1 'apfel':1, found true
#     C.UTF-8: José and Jos 0.5, Жук and Жук 1
# shellcheck disable=SC2086
set -eu
seen=$(sed -n 's/^#     //p' "$0")
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
[ -x "$bin/postgres" ] || { echo "PostgreSQL 15 is not in $bin" && exit 2; }
dir=$(mktemp -d)
as=
if [ "$(id -u)" = 0 ]; then
	chown nobody "$dir"
	as='setpriv --reuid nobody --regid nogroup --clear-groups'
fi
cd /
ctl() { $as "$bin/pg_ctl" -D "$dir/data" -s -w -l "$dir/log" -o "-k $dir -c listen_addresses=''" "$@"; }
trap 'ctl stop -m immediate 2>/dev/null || true; rm -rf "$dir"' EXIT
$as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null 2>&1 || exit 2
sql() { "$bin/psql" -X -q -A -t -h "$dir" -U postgres -v ON_ERROR_STOP=1 "$@"; }
ctl start || exit 2
said=$(
	for provider in icu libc; do
		what="ICU, rest C"
		options="LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'"
		[ $provider = icu ] || what="C.UTF-8" options="LOCALE 'C.UTF-8'"
		sql -c "CREATE DATABASE $provider TEMPLATE template0 ENCODING 'UTF8' $options"
		sql -d $provider -c 'CREATE EXTENSION pg_trgm' -c "SELECT '$what: upper ' || upper('жук') || ', words ' || to_tsvector('simple', 'Жук')
			|| ' ' || to_tsvector('german', 'Äpfel') || ', found ' || (to_tsvector('simple', 'Жук') @@ to_tsquery('simple', 'жук'))" \
			-c "SELECT '$what: José and Jos ' || similarity('José', 'Jos') || ', Жук and Жук ' || similarity('Жук', 'Жук')"
	done
) 2>/dev/null || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
