#!/bin/sh
# PostgreSQL 15 (Debian's 15.x), pg_trgm 1.6
#
# What it does: whether two names whose similarity is exactly pg_trgm.similarity_threshold are alike (`%`) depends on the number. At 0.3, 0.4,
# 0.5, 0.6 and 0.8 they are, at 0.7 and 0.9 they are not, although similarity() shows 0.7 and 0.9. The similarity is a float4, the threshold
# a float8, and the nearest float4 to 0.7 and 0.9 lies below them. GIN, GiST and a sequential scan agree with one another.
#
# What the documentation says: of `%` ("pg_trgm", the table of operators): true where the similarity is "greater than" the threshold. By
# that none of them were alike. similarity(a, b) >= 0.7, with its constant a float8, has the same gap.
#
# What we do: our threshold is 0.5 (sql/functions/tasks.sql), which both types hold exactly. Another one is set a little lower, as 0.699999.
#
# Seen on 2026-11-28 (15.20):
#     0.3: Anna Anderson, Anna Petersen, similarity 0.3: alike
#     0.4: Anna Schneider, Elisabeth Schneider, similarity 0.4: alike
#     0.6: Anna Andersen, Anna Anderson, similarity 0.6: alike
#     0.7: Alexander Andersen, Alexander Petersen, similarity 0.7: not alike
#     0.8: Johann Hoffmann, Johann Hofmann, similarity 0.8: alike
#     0.9: Margarete Petersen, Margarete Pettersen, similarity 0.9: not alike
#     found at 0.8 and 0.9 by a sequential scan: 1, 0; by GIN: 1, 0; by GiST: 1, 0
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
sql -c 'CREATE EXTENSION pg_trgm' -c 'CREATE TABLE name (t text)' || exit 2
pair() { # THRESHOLD NAME NAME
	sql -c "SET pg_trgm.similarity_threshold = $1" -c "INSERT INTO name VALUES ('$2')" -c "SELECT format('%s: %s, %s, similarity %s: %s',
		$1, '$2', '$3', similarity('$2', '$3'), CASE WHEN '$2' % '$3' THEN 'alike' ELSE 'not alike' END)"
}
index() {
	sql -c 'DROP INDEX IF EXISTS by_name' -c "CREATE INDEX by_name ON name USING $1 (t ${1}_trgm_ops)"
}
found() { # whether a sequential scan may be: on, off
	sql -c "SET enable_seqscan = $1" -c 'SET pg_trgm.similarity_threshold = 0.8' -c "SELECT count(*) FROM name WHERE t % 'Johann Hofmann'" \
		-c 'SET pg_trgm.similarity_threshold = 0.9' -c "SELECT count(*) FROM name WHERE t % 'Margarete Pettersen'" | paste -sd, | sed 's/,/, /'
}
said=$(
	pair 0.3 'Anna Anderson' 'Anna Petersen'
	pair 0.4 'Anna Schneider' 'Elisabeth Schneider'
	pair 0.6 'Anna Andersen' 'Anna Anderson'
	pair 0.7 'Alexander Andersen' 'Alexander Petersen'
	pair 0.8 'Johann Hoffmann' 'Johann Hofmann'
	pair 0.9 'Margarete Petersen' 'Margarete Pettersen'
	printf 'found at 0.8 and 0.9 by a sequential scan: %s; ' "$(found on)"
	index gin && printf 'by GIN: %s; ' "$(found off)"
	index gist && printf 'by GiST: %s\n' "$(found off)"
) 2>/dev/null || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
