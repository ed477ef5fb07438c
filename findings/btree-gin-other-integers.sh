#!/bin/sh
# PostgreSQL 15 (Debian's 15.x), btree_gin 1.3
#
# What it does: a GIN index on a bigint or smallint column is not used for a comparison with an integer of another width. `owner = 5` is one, since
# the constant is an integer, and so is a parameter of type integer: all rows are read, although enable_seqscan is off; of an index on
# (owner, words) only the words are looked up, in the lists of all owners. With `owner = '5'`, 5::bigint or `owner IN (5, 6)`, whose constants take
# the column's type, the index is used. A B-tree index is used for all of them.
#
# What the documentation says: btree_gin (F.8) has operator classes that "implement B-tree equivalent behavior", for int2, int4 and int8 among others.
# That B-tree compares across types is in "Operator Classes and Operator Families" (38.16.5); for this module no limit is named.
#
# What we do: the owners in such an index of ours are uuids, which have one width (sql/migrations/0087_tasks.sql). Where they are numbers, a
# parameter gets the column's type.
#
# Seen on 2026-11-29 (15.20), with enable_seqscan off:
#     note, id = 5: every row
#     tree, id = 5: index by (id = 5)
#     note, id = '5': index by (id = '5'::bigint)
#     note, id = 5::bigint: index by (id = '5'::bigint)
#     note, id IN (5, 6): index by (id = ANY ('{5,6}'::bigint[]))
#     note, owner = 5 AND words @@ 'w1': index by (words @@ '''w1'''::tsquery)
#     note, owner = 5::bigint AND words @@ 'w1': index by ((owner = '5'::bigint) AND (words @@ '''w1'''::tsquery))
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
CREATE EXTENSION btree_gin;
CREATE TABLE note (id bigint, owner bigint, words tsvector);
INSERT INTO note SELECT i, i % 1000, to_tsvector('simple', 'mill w' || i % 7) FROM generate_series(1, 20000) i;
CREATE TABLE tree AS TABLE note;
CREATE INDEX ON note USING gin (id);
CREATE INDEX ON note USING gin (owner, words);
CREATE INDEX ON tree (id);
ANALYZE;
END
plan() { # TABLE CONDITION
	sql -c 'SET enable_seqscan = off' -c "EXPLAIN (COSTS OFF) SELECT * FROM $1 WHERE $2" |
		awk -v what="$1, $2" '/Seq Scan/ { how = "every row" } /Index Cond/ { sub(/.*Index Cond: /, "index by "); how = $0 } END { print what ": " how }'
}
said=$(
	plan note 'id = 5'
	plan tree 'id = 5'
	plan note "id = '5'"
	plan note 'id = 5::bigint'
	plan note 'id IN (5, 6)'
	plan note "owner = 5 AND words @@ 'w1'"
	plan note "owner = 5::bigint AND words @@ 'w1'"
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
