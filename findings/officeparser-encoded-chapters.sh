#!/bin/sh
# officeparser 7.8.0 (npm)
#
# What it does: a chapter of an .epub whose file's name has a blank, or another character that a URL percent-encodes, is left out of the text, and
# nothing says so: there is no error, no warning and no hole.
#
# What the standard says: EPUB 3.3, 5.6.2 (item): href is a URL string, to be parsed as one against the package document's own; 4.2.3 lets names of
# files have a blank, which a writer therefore encodes. epub2 3.0.2 reads the same book whole.
#
# What we do: e-books are refused in words (extract/main.c); names of parts in DOCX and PPTX, which are URLs in the same way, are decoded before they are
# looked for (tests/extract/cases/docx-odd-targets.docx).
#
# Seen on 2026-11-29, with Node 20.20:
#     chapter-1.xhtml, chapter-2.xhtml: officeparser: It rained. | It stopped. | epub2: It rained. | It stopped.
#     chapter%201.xhtml, chapter-2.xhtml: officeparser: It stopped. | epub2: It rained. | It stopped.
#     caf%C3%A9.xhtml, chapter-2.xhtml: officeparser: It stopped. | epub2: It rained. | It stopped.
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install officeparser@7.8.0 epub2@3.0.2 jszip@3.10.1 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const JSZip = require("jszip"), { EPub } = require("epub2"), { OfficeParser } = require("officeparser"), { writeFileSync } = require("node:fs");
async function book(hrefs) {
	const zip = new JSZip();
	zip.file("mimetype", "application/epub+zip", { compression: "STORE" });
	zip.file("META-INF/container.xml", `<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
		<rootfile full-path="book/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>`);
	zip.file("book/book.opf", `<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
		<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:x:weather</dc:identifier><dc:title>Weather</dc:title><dc:language>en</dc:language>
		<meta property="dcterms:modified">2026-01-01T00:00:00Z</meta></metadata><manifest><item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
		${hrefs.map((href, i) => `<item id="c${i}" href="${href}" media-type="application/xhtml+xml"/>`).join("")}</manifest>
		<spine>${hrefs.map((_, i) => `<itemref idref="c${i}"/>`).join("")}</spine></package>`);
	const page = (body) => `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title>x</title></head><body>${body}</body></html>`;
	zip.file("book/nav.xhtml", page(`<nav epub:type="toc"><ol>${hrefs.map((href) => `<li><a href="${href}">x</a></li>`).join("")}</ol></nav>`));
	for (const [i, text] of ["It rained.", "It stopped."].entries())
		zip.file(`book/${decodeURIComponent(hrefs[i])}`, page(`<p>${text}</p>`));
	return zip.generateAsync({ type: "nodebuffer" });
}
(async () => {
	for (const first of ["chapter-1.xhtml", "chapter%201.xhtml", "caf%C3%A9.xhtml"]) {
		const hrefs = [first, "chapter-2.xhtml"], bytes = await book(hrefs);
		writeFileSync("book.epub", bytes);
		const read = (await OfficeParser.parseOffice(bytes)).toText(), other = await EPub.createAsync("book.epub");
		const chapters = await Promise.all(other.flow.map((c) => other.getChapterAsync(c.id)));
		console.log(`${hrefs.join(", ")}: officeparser: ${read.match(/It \w+\./g).join(" | ")} | epub2: ${chapters.join(" ").match(/It \w+\./g).join(" | ")}`);
	}
})();
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
