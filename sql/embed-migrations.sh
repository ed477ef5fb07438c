#!/bin/sh
# Prints the migrations given as arguments as a C table, with the SHA-256 that `millracectl migrate` keeps: an edited old
# migration is noticed.
set -eu
echo '/* Generated from sql/migrations by sql/embed-migrations.sh. */'
echo '#include <millrace/migrations.h>'
echo '#pragma GCC diagnostic ignored "-Woverlength-strings"'
echo 'const struct migration migrations[] = {'
last=0
for file; do
	name=$(basename "$file" .sql)
	last=$(echo "$name" | sed 's/^0*\([0-9]*\)_.*/\1/')
	printf '\t{ %s, "%s", "%s",\n' "$last" "$name" "$(sha256sum "$file" | cut -d' ' -f1)"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/\t    "&\\n"/' "$file"
	printf '\t},\n'
done
printf '\t{ 0, NULL, NULL, NULL },\n};\nconst int migration_latest = %s;\n' "$last"
