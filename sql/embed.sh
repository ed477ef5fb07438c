#!/bin/sh
# Prints what `millracectl migrate` applies as C tables (migrations.h). Run at the top of the tree.
# The checksums are kept in the database: an edited old migration is refused, and functions that
# differ are applied anew.
# Lists of paths are to be split:
# shellcheck disable=SC2086
set -eu

# What migrations need to be there: functions that no table's row is given to
# (sql/functions/base.sql says which).
first="sql/functions/base.sql $(echo sql/triggers/*.sql)"
# Grants first, since they begin by taking everything back.
all="sql/grants.sql $(echo sql/functions/*.sql sql/triggers/*.sql)"

text() {
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/\t    "&\\n"/' "$1"
}

files() {
	table=$1
	shift
	echo "const struct sql_file ${table}[] = {"
	for file; do
		printf '\t{ "%s",\n' "$file"
		text "$file"
		printf '\t},\n'
	done
	printf '\t{ NULL, NULL },\n};\n'
}

echo '/* Generated from sql/ by sql/embed.sh. */'
echo '#include <millrace/migrations.h>'
echo '#pragma GCC diagnostic ignored "-Woverlength-strings"'
echo 'const struct migration migrations[] = {'
for file in sql/migrations/*.sql; do
	name=$(basename "$file" .sql)
	last=$(echo "$name" | sed 's/^0*\([0-9]*\)_.*/\1/')
	printf '\t{ %s, "%s", "%s",\n' "$last" "$name" "$(sha256sum "$file" | cut -d' ' -f1)"
	text "$file"
	printf '\t},\n'
done
printf '\t{ 0, NULL, NULL, NULL },\n};\nconst int migration_latest = %s;\n' "$last"
files functions_first $first
files functions_all $all
printf 'const char functions_sha256[] = "%s";\n' "$(cat $first $all | sha256sum | cut -d' ' -f1)"
