#!/bin/sh
# unpdf 1.7.0 and pdf-parse 2.4.5 (npm), both made of PDF.js
#
# What they do: of a text whose font has one of the encodings that PDF predefines for Chinese, Japanese and Korean, as printers' drivers and
# report generators write them, nothing comes out; what stands in Latin letters on the same page does. PDF.js has to be told where its
# CMap files are (cMapUrl). pdf-parse installs them with pdfjs-dist and does not say where, in no word to anybody. unpdf looks for a pdfjs-dist
# beside itself and gives its place as a file: URL, which PDF.js cannot read in Node; it warns on standard error. Every call succeeds.
#
# What the documentation says: unpdf's README: cMapUrl is "resolved from the local pdfjs-dist package" for these writings. pdf-parse's (its issue 12)
# leaves it to the caller. ISO 32000-1, 9.7.5.2: a reader knows the predefined CMaps by their names.
#
# What we do: poppler-data is a dependency of ours (INSTALL.md), and a document fails where it is missing (extract/pdf/pdf.c). With either package:
# cMapUrl as a path that ends in a slash, and cMapPacked.
#
# Seen on 2026-11-28, with Node 20.20:
#     on the page: Invoice 2026-0417, 水車の点検
#     unpdf: Invoice 2026-0417
#     unpdf beside pdfjs-dist 5.6.205: Invoice 2026-0417
#     unpdf with a path: Invoice 2026-0417, 水車の点検
#     pdf-parse: Invoice 2026-0417
#     pdf-parse with a path: Invoice 2026-0417, 水車の点検
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
mkdir "$T/one" "$T/other"
npm --silent --no-fund --no-audit --prefix "$T/one" install unpdf@1.7.0 >/dev/null 2>&1 || exit 2
npm --silent --no-fund --no-audit --prefix "$T/other" install pdf-parse@2.4.5 >/dev/null 2>&1 || exit 2
cd "$T"
python3 - <<'END' || exit 2
japanese = "水車の点検".encode("utf-16-be").hex()
page = "BT /L 12 Tf 72 720 Td (Invoice 2026-0417) Tj /J 12 Tf 0 -40 Td <%s> Tj ET" % japanese
objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
           "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</L 5 0 R/J 6 0 R>>>>>>",
           "<</Length %d>>stream\n%s\nendstream" % (len(page), page), "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
           "<</Type/Font/Subtype/Type0/BaseFont/HeiseiMin-W3/Encoding/UniJIS-UCS2-H/DescendantFonts[7 0 R]>>",
           "<</Type/Font/Subtype/CIDFontType0/BaseFont/HeiseiMin-W3/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>/FontDescriptor 8 0 R>>",
           "<</Type/FontDescriptor/FontName/HeiseiMin-W3/Flags 6/FontBBox[-123 -257 1001 910]/ItalicAngle 0/Ascent 723/Descent -241/CapHeight 709/StemV 69>>"]
pdf, at = "%PDF-1.4\n", []
for n, text in enumerate(objects, 1):
    at.append(len(pdf))
    pdf += "%d 0 obj\n%s\nendobj\n" % (n, text)
table = "".join("%010d 00000 n \n" % place for place in at)
pdf += "xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(at) + 1, table, len(at) + 1, len(pdf))
open("page.pdf", "w").write(pdf)
END
cat >one/read.mjs <<'END'
import { readFileSync } from "node:fs";
import { extractText, getDocumentProxy } from "unpdf";
const [what, cMapUrl] = process.argv.slice(2);
const document = await getDocumentProxy(new Uint8Array(readFileSync("page.pdf")), cMapUrl ? { cMapUrl, cMapPacked: true } : {});
console.log(`${what}: ${(await extractText(document, { mergePages: true })).text.trim().split(/\s*\n\s*/).join(", ")}`);
END
cat >other/read.mjs <<'END'
import { readFileSync } from "node:fs";
import { PDFParse } from "pdf-parse";
const [what, cMapUrl] = process.argv.slice(2);
const parser = new PDFParse({ data: new Uint8Array(readFileSync("page.pdf")), ...(cMapUrl && { cMapUrl, cMapPacked: true }) });
console.log(`${what}: ${(await parser.getText()).pages[0].text.trim().split(/\s*\n\s*/).join(", ")}`);
await parser.destroy();
END
said=$(
	echo 'on the page: Invoice 2026-0417, 水車の点検'
	node one/read.mjs unpdf
	npm --silent --no-fund --no-audit --ignore-scripts --prefix "$T/one" install pdfjs-dist@5.6.205 >/dev/null 2>&1
	node one/read.mjs 'unpdf beside pdfjs-dist 5.6.205'
	node one/read.mjs 'unpdf with a path' "$T/one/node_modules/pdfjs-dist/cmaps/"
	node other/read.mjs pdf-parse
	node other/read.mjs 'pdf-parse with a path' "$T/other/node_modules/pdfjs-dist/cmaps/"
) 2>/dev/null || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
