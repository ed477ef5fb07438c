#!/bin/sh
# xlsx 0.18.5 (npm, SheetJS)
#
# What it does: of an OpenDocument spreadsheet it loses the cells at the end of the widest row that are equal to the one before them, and with them
# the whole last column where no other row has another value in it. Hours of "8, 8" and "9, 9" come out as one column of 8 and 9. The cells
# are in the sheet object, beyond its !ref, by which sheet_to_json(), sheet_to_csv() and the rest read it. Where any row ends in two cells that
# differ all columns are there, so that one figure decides whether a column is read.
#
# What the standard says (OpenDocument 1.3, part 3, 19.675): table:number-columns-repeated is the number of columns in which a cell is repeated;
# LibreOffice writes every run of equal cells so. That the repeated cells were empty was mended in 0.8 (its issue 328); for their end none was found.
#
# What we do: our own reader counts a repeated cell as often as it stands there (extract/sheet/ods.c).
#
# Seen on 2026-11-29, with Node 20.20:
#     equal.ods: Mon,1,8 / Tue,2,9, of A1:C2; D1 is 8
#     other.ods: Mon,1,8,8 / Tue,2,9,7, of A1:D2; D1 is 8
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install xlsx@0.18.5 >/dev/null 2>&1 || exit 2
python3 - <<'END' || exit 2
import zipfile

NAMES = " ".join('xmlns:%s="urn:oasis:names:tc:opendocument:xmlns:%s:1.0"' % name for name in (("office", "office"), ("table", "table"), ("text", "text")))


def row(*cells):
    """Runs of equal cells are one, as LibreOffice writes them."""
    out = ""
    while cells:
        n = next((i for i, c in enumerate(cells) if c != cells[0]), len(cells))
        kind = 'float" office:value="%s' % cells[0] if isinstance(cells[0], int) else "string"
        out += '<table:table-cell%s office:value-type="%s"><text:p>%s</text:p></table:table-cell>' % (
            ' table:number-columns-repeated="%d"' % n if n > 1 else "", kind, cells[0])
        cells = cells[n:]
    return "<table:table-row>%s</table:table-row>" % out


def book(name, *rows):
    content = ('<?xml version="1.0" encoding="UTF-8"?><office:document-content %s office:version="1.3"><office:body><office:spreadsheet>'
               '<table:table table:name="Hours">%s</table:table></office:spreadsheet></office:body></office:document-content>')
    with zipfile.ZipFile(name, "w") as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        z.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" '
                   'manifest:version="1.3"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
                   '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>')
        z.writestr("content.xml", content % (NAMES, "".join(rows)))


book("equal.ods", row("Mon", 1, 8, 8), row("Tue", 2, 9, 9))
book("other.ods", row("Mon", 1, 8, 8), row("Tue", 2, 9, 7))
END
said=$(node - <<'END'
const xlsx = require("xlsx");
for (const name of ["equal.ods", "other.ods"]) {
	const sheet = xlsx.readFile(name).Sheets.Hours;
	console.log(`${name}: ${xlsx.utils.sheet_to_csv(sheet).trim().replaceAll("\n", " / ")}, of ${sheet["!ref"]}; D1 is ${sheet.D1?.v}`);
}
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
