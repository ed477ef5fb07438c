#!/bin/sh
# PostgreSQL 15 (Debian's 15.x), with pg_trgm 1.6
#
# What it does: for a role that a table's row-level security applies to, no GIN or GiST index is used for what these are made for. Text search, `%` of
# pg_trgm, LIKE '%…%', containment of jsonb, arrays and ranges: all read the table from its beginning to its end, and so does LIKE 'word%' on a
# B-tree of text_pattern_ops. A policy goes before an operator that is not marked leakproof, and an index would look at rows before the policy. Of
# equality and order of text the indexes are used, and of `^@`. The table's owner, who is not subject to it, sees a plan with the index.
#
# What the documentation says: "Row Security Policies" (5.8) has leakproof functions as an exception that may be evaluated ahead of a policy;
# indexes are not mentioned there, nor row security in "Indexes" (11) or "Preferred Index Types for Text Search" (12.9).
#
# What we do: searches are the runner's, a role with BYPASSRLS (sql/roles.sql), whose statements have the account as a condition. EXPLAIN is read
# as the role that will ask.
#
# Seen on 2026-11-29 (15.20), 50,000 rows:
#     words @@ 'word77': owner index, reader every row
#     fields @> '{"k":77}': owner index, reader every row
#     tags @> '{tag77}': owner index, reader every row
#     span @> 77: owner index, reader every row
#     title LIKE '%ord7777%': owner index, reader every row
#     title LIKE 'word777%': owner index, reader every row
#     title ^@ 'word777': owner index, reader index
#     title = 'word777': owner index, reader index
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
sql >/dev/null 2>&1 <<'END' || exit 2
CREATE EXTENSION pg_trgm;
CREATE ROLE reader;
CREATE TABLE note (owner int, title text, words tsvector, fields jsonb, tags text[], span int4range);
INSERT INTO note SELECT i % 10, 'word' || i, to_tsvector('simple', 'word' || i), jsonb_build_object('k', i), ARRAY['tag' || i], int4range(i, i + 1)
	FROM generate_series(1, 50000) i;
CREATE INDEX ON note USING gin (words);
CREATE INDEX ON note USING gin (fields);
CREATE INDEX ON note USING gin (tags);
CREATE INDEX ON note USING gist (span);
CREATE INDEX ON note USING gin (title gin_trgm_ops);
CREATE INDEX ON note (title text_pattern_ops);
CREATE INDEX ON note (title);
ANALYZE note;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = current_setting('app.owner')::int);
GRANT SELECT ON note TO reader;
END
plan() { # ROLE CONDITION
	sql -c "SET ROLE $1" -c "SET app.owner = 1" -c "EXPLAIN (COSTS OFF) SELECT * FROM note WHERE $2" | grep -q 'Index' && echo index || echo 'every row'
}
said=$(
	while read -r condition; do
		echo "$condition: owner $(plan postgres "$condition" </dev/null), reader $(plan reader "$condition" </dev/null)"
	done <<'END'
words @@ 'word77'
fields @> '{"k":77}'
tags @> '{tag77}'
span @> 77
title LIKE '%ord7777%'
title LIKE 'word777%'
title ^@ 'word777'
title = 'word777'
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
