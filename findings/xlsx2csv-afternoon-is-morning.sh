#!/bin/sh
# xlsx2csv 0.7.8 (Debian 12: xlsx2csv 1:0.7.8-1), sheets written by openpyxl 3.0.9 (python3-openpyxl 3.0.9-1)
#
# What it does: a time of the format `yyyy-mm-dd h:mm:ss`, the one that openpyxl gives every date with a time, comes out on a clock of twelve
# hours without its half of the day: 23:30 and 11:30 are the same text. The seconds of `hh:mm:ss` go, 0.00000015 becomes 0.000000 (six
# decimals wherever the file has an exponent or a long fraction), and of a number format with quoted letters, `0" days"`, the d is taken for a
# day. The exit status is 0, standard error empty.
#
# What the documentation says: xlsx2csv(1) has -f "date/time format" and --floatformat as options and no word that, without them, values change.
# In OOXML (ISO/IEC 29500-1, 18.8.31) h is of 24 hours unless AM/PM is in the format, and text in quotes is literal.
#
# What we do: we read sheets ourselves (extract/sheet/sheet_format.c). With `-f '%Y-%m-%d %H:%M:%S' --floatformat %.15g` it has both halves of the
# day and all digits, and the days as a date.
#
# Seen on 2026-11-28:
#     2024-03-05 23:30:00 as yyyy-mm-dd h:mm:ss: 2024-03-05 11:29:59
#     2024-03-05 11:30:00 as yyyy-mm-dd h:mm:ss: 2024-03-05 11:29:59
#     2024-03-05 01:02:03 as hh:mm:ss: 01:02
#     1.5e-07 as General: 0.000000
#     3 as 0" days": 0" 02ays"
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download xlsx2csv=1:0.7.8-1 python3-openpyxl=3.0.9-1 python3-et-xmlfile=1.0.1-2.1 >/dev/null 2>&1 || exit 2
for deb in ./*.deb; do dpkg -x "$deb" .; done
PYTHONPATH=$T/usr/lib/python3/dist-packages
export PYTHONPATH
python3 - <<'END' || exit 2
from datetime import datetime

from openpyxl import Workbook

book = Workbook()
rows = [(datetime(2024, 3, 5, 23, 30), None), (datetime(2024, 3, 5, 11, 30), None), (datetime(2024, 3, 5, 1, 2, 3), "hh:mm:ss"), (1.5e-7, None),
        (3, '0" days"')]
for n, (value, form) in enumerate(rows, 1):
    cell = book.active.cell(n, 3, value)
    cell.number_format = form or cell.number_format
    book.active.cell(n, 1, str(value))
    book.active.cell(n, 2, cell.number_format)
book.save("book.xlsx")
END
python3 usr/bin/xlsx2csv book.xlsx book.csv || exit 2
said=$(python3 -c 'import csv
for row in csv.reader(open("book.csv")):
    print("%s as %s: %s" % tuple(row))')
printf '%s\n' "$said"
[ "$said" = "$seen" ]
