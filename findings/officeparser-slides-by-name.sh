#!/bin/sh
# officeparser 7.8.0 (npm)
#
# What it does: it reads the slides of a .pptx by the numbers in their files' names. A talk whose slides were moved by a program that leaves the
# names as they are comes out in the order in which the slides were made, and what refers to "the next slide" refers to another.
#
# What the standard says: ECMA-376 part 1, 19.2.1.34: the slides are those of sldIdLst, each by its relationship; that the names of parts tell an order is
# said nowhere. The README says nothing of it.
#
# What we do: slides are read by presentation.xml's list and its relationships (extract/slides/pptx.c; tests/extract/cases/pptx-order.pptx).
#
# Seen on 2026-11-29, with Node 20.20; the list says that slide3.xml is first:
#     names:  slide1 slide2 slide3
#     listed: slide3 slide1 slide2
#     read:   then grind | then bake | first sow
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install officeparser@7.8.0 pptxgenjs@4.0.1 jszip@3.10.1 >/dev/null 2>&1 || exit 2
said=$(node - 2>/dev/null <<'JS'
const JSZip = require("jszip"), pptxgen = require("pptxgenjs"), { OfficeParser } = require("officeparser");
(async () => {
	const talk = new pptxgen();
	for (const text of ["then grind", "then bake", "first sow"])
		talk.addSlide().addText(text, { x: 1, y: 1, w: 5, h: 1 });
	/* The last slide is moved to the front, as Open XML's own SDK does it: in the list alone. */
	const zip = await JSZip.loadAsync(await talk.write({ outputType: "nodebuffer" })), part = "ppt/presentation.xml";
	const xml = await zip.file(part).async("string"), slides = xml.match(/<p:sldId [^>]*>/g);
	zip.file(part, xml.replace(slides.join(""), [slides[2], slides[0], slides[1]].join("")));
	const rels = await zip.file("ppt/_rels/presentation.xml.rels").async("string"), target = {};
	for (const [relationship] of rels.matchAll(/<Relationship [^>]*>/g))
		target[/ Id="(\w+)"/.exec(relationship)[1]] = /slide\d+/.exec(relationship)?.[0];
	const listed = (await zip.file(part).async("string")).match(/<p:sldId [^>]*>/g).map((s) => target[/r:id="(\w+)"/.exec(s)[1]]);
	console.log("names: ", Object.keys(zip.files).filter((f) => /slides\/slide\d+\.xml$/.test(f)).map((f) => f.match(/slide\d+/)[0]).sort().join(" "));
	console.log("listed:", listed.join(" "));
	const read = await OfficeParser.parseOffice(await zip.generateAsync({ type: "nodebuffer" }));
	console.log("read:  ", read.toText().split("\n").filter((l) => / /.test(l)).join(" | "));
})();
JS
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
