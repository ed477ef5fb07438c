#!/bin/sh
# mammoth 1.13.0 and officeparser 7.8.0 (npm), which both make text of a DOCX for an index or a model
#
# What they do: mammoth leaves out a simple field with its result (w:fldSimple: a merge field, a cross reference, a document property), so that
# "Contract AB-1234 with Anna Meier." is "Contract  with .". officeparser has those, and leaves out every content control around a
# paragraph (w:sdt), as forms, templates, cover pages and tables of contents are made of them, without a word. Both leave out a ruby's base,
# the word itself. mammoth tells of an "unrecognised element" among its messages, which are no error; officeparser's warnings are empty.
#
# What the standard says (ISO/IEC 29500-1, 17.16.19, 17.5.2, 17.3.3.25): these elements hold the document's content. mammoth's README
# counts what it supports, and simple fields are not among it; python-mammoth has an issue for them (69, open since 2018). officeparser's names
# DOCX as read, and nothing as left out.
#
# What we do: our reader takes text by what the element holds, whatever is around it (extract/docx). Who uses either compares its output with
# a count of the w:t in word/document.xml.
#
# Seen on 2026-11-28, with Node 20.20:
#     mammoth:
#       Contract  with . | Controls: inline | in a block | in a cell | は川のそば
#     officeparser:
#       Contract AB-1234 with Anna Meier. | Controls: inline | は川のそば
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit --ignore-scripts install mammoth@1.13.0 officeparser@7.8.0 >/dev/null 2>&1 || exit 2
python3 - <<'END' || exit 2
import zipfile


def run(text):
    return '<w:r><w:t xml:space="preserve">%s</w:t></w:r>' % text


def field(instruction, text):
    return '<w:fldSimple w:instr=" %s ">%s</w:fldSimple>' % (instruction, run(text))


def control(content):
    return "<w:sdt><w:sdtContent>%s</w:sdtContent></w:sdt>" % content


def paragraph(content):
    return "<w:p>%s</w:p>" % content


body = (paragraph(run("Contract ") + field("DOCPROPERTY Number", "AB-1234") + run(" with ") + field("MERGEFIELD Client", "Anna Meier") + run("."))
        + paragraph(run("Controls: ") + control(run("inline")))
        + control(paragraph(run("in a block")))
        + "<w:tbl><w:tr>%s</w:tr></w:tbl>" % control("<w:tc>%s</w:tc>" % paragraph(run("in a cell")))
        + paragraph("<w:r><w:ruby><w:rt>%s</w:rt><w:rubyBase>%s</w:rubyBase></w:ruby></w:r>" % (run("すいしゃ"), run("水車")) + run("は川のそば")))
with zipfile.ZipFile("contract.docx", "w") as z:
    z.writestr("[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
               'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType='
               '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>')
    z.writestr("_rels/.rels", '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type='
               '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>')
    z.writestr("word/document.xml", '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%s</w:body>'
               "</w:document>" % body)
END
cat >read.mjs <<'END'
import mammoth from "mammoth";
import { parseOffice } from "officeparser";
const lines = (text) => "  " + text.split("\n").filter(Boolean).join(" | ");
console.log(`mammoth:\n${lines((await mammoth.extractRawText({ path: "contract.docx" })).value)}`);
console.log(`officeparser:\n${lines(await (await parseOffice("contract.docx")).toText())}`);
process.exit();
END
said=$(node read.mjs) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
