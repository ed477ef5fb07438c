#!/bin/sh
# pdftotext of poppler 22.12.0 (Debian 12: poppler-utils 22.12.0-2+deb12u3)
#
# What it does: a hyphen at a line's end goes together with the line break, whatever stands on either side of it. So ranges, dates, codes and
# negative numbers become others that look as sound: "12-" and "15 litres" are 1215 litres, "2026-" and "11-28" are 202611-28, "AB-" and "1234"
# are AB1234, and of "minus -" and "5 degrees" the sign is gone. Nothing in the text shows it, and the exit status is 0.
#
# What the documentation says: pdftotext(1) has the default "undo" the page's layout, with columns and hyphenation in brackets; numbers are not
# hyphenated. -raw is described by the order of the text; that it leaves every hyphen and its line break as they stand is not said.
#
# What we do: text is taken by -raw, and lines are joined by rules of our own, which keep a hyphen beside a digit or a capital
# (extract/pdf/pdf_hyphen.c).
#
# Seen on 2026-11-29:
#     default: The tank holds 1215 litres at minus 5 degrees, by order AB1234 of 202611-28.
#     -raw: The tank holds 12-|15 litres at minus -|5 degrees, by order AB-|1234 of 2026-|11-28.
#     -layout: The tank holds 12-|15 litres at minus -|5 degrees, by order AB-|1234 of 2026-|11-28.
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download poppler-utils=22.12.0-2+deb12u3 libpoppler126=22.12.0-2+deb12u3 >/dev/null 2>&1 || exit 2
for deb in ./*.deb; do dpkg -x "$deb" .; done
LD_LIBRARY_PATH=$T/$(dirname "$(find usr -name 'libpoppler.so.*' | head -n 1)")
export LD_LIBRARY_PATH
python3 - <<'END' || exit 2
lines = "The tank holds 12-", "15 litres at minus -", "5 degrees, by order AB-", "1234 of 2026-", "11-28."
text = b"BT /F 12 Tf 72 720 Td 16 TL " + b" ".join(b"(%s) Tj T*" % line.encode() for line in lines) + b" ET"
objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
           b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
           b"<</Length %d>>stream\n%s\nendstream" % (len(text), text), b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
pdf, xref = b"%PDF-1.4\n", b"0000000000 65535 f \n"
for n, o in enumerate(objects, 1):
    xref += b"%010d 00000 n \n" % len(pdf)
    pdf += b"%d 0 obj\n%s\nendobj\n" % (n, o)
open("tank.pdf", "wb").write(pdf + b"xref\n0 6\n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (xref, len(pdf)))
END
text() { # OPTION...
	usr/bin/pdftotext "$@" tank.pdf - | tr -d '\f' | sed 's/^ *//; /^$/d' | paste -sd '|'
}
said=$(
	echo "default: $(text)"
	echo "-raw: $(text -raw)"
	echo "-layout: $(text -layout)"
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
