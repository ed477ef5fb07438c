#!/usr/bin/env python3
"""Copies a suite's output and appends to a file how long each of its cases took: tests/times.py SUITE FILE.

A line of the file is "SECONDS SUITE: CASE". A time that the case itself prints, "(1.5 s)" or "(1500 ms)", counts; else it is the
time since the line of the case before it.
"""
import re
import sys
import time

CASE = re.compile(rb"\s*(?:(?:not )?ok\b[ -]*|[\xe2]\x9c[\x94\x96] )(.*)")
TIME = re.compile(r"\s*\((\d+(?:\.\d+)?) ?(m?)s\)$")


def main(suite, path):
    last = time.monotonic()
    with open(path, "a", encoding="utf-8") as times:
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            case = CASE.match(line)
            if case is None:
                continue
            now = time.monotonic()
            name = case[1].decode("utf-8", "replace").strip()
            told = TIME.search(name)
            seconds = float(told[1]) / (1000 if told[2] else 1) if told else now - last
            last = now
            times.write("%.2f %s: %s\n" % (seconds, suite, TIME.sub("", name)))


main(sys.argv[1], sys.argv[2])
