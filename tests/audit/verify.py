#!/usr/bin/env python3
"""The audit log, verified by what its documents say of it and by nothing of Millrace's: docs/money.md, "The audit log's format".

Reads a JSON object a line: {"row": …} of audit_log, in the order of seq, {"head": …} of audit_head, {"entry": …} of audit_entry, {"gone": "user's id"} of
erased users, and {"checkpoint": …} with its public key in hexadecimal digits. Prints "holds N" or "broken ROW why", and exits 0 or 1.
Signatures are openssl's to verify. As against whoever can write all of the tables, it takes what was kept elsewhere: `--key BASE64`, as `millracectl
audit key` prints it, of each key that may have signed, and `--checkpoint N:ROW:HASH`, which has to be there.
"""
import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tempfile

ZERO = "00" * 32


class Number(str):
    """A number as it was written: its digits are hashed."""


def canonical(value):
    """PostgreSQL's text of a jsonb value: members by the length of their names, then by bytes."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda n: (len(n.encode()), n.encode()))
        return "{" + ", ".join(f"{canonical(n)}: {canonical(value[n])}" for n in names) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(canonical(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def digest(*values):
    return hashlib.sha256(canonical(list(values)).encode()).hexdigest()


def is_signed(c):
    text = f"millrace audit checkpoint\n{c['n']}\n{c['seq']}\n{c['hash']}\n{c['at_us']}\n".encode()
    with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as signature, tempfile.NamedTemporaryFile() as said:
        key.write(bytes.fromhex("302a300506032b6570032100" + c["public_key"]))    # RFC 8410
        signature.write(bytes.fromhex(c["signature"]))
        said.write(text)
        for f in (key, signature, said):
            f.flush()
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", key.name, "-rawin", "-in", said.name,
                               "-sigfile", signature.name], capture_output=True).returncode == 0


def walk(rows, entries, gone):
    """The first broken row, and why; None: none is."""
    seq, prev, subjects, logged = 0, ZERO, {}, set()
    for r in rows:
        if int(r["seq"]) != seq + 1:
            return r["seq"], "a row before it is missing"
        if r["prev"] != prev or (r["subject"] and r["subject_prev"] != subjects.get(r["subject"], ZERO)):
            return r["seq"], "it does not follow"
        if r["hash"] != digest(r["seq"], r["at_us"], r["actor"], r["subject"], r["type"], r["data"], r["prev"], r["subject_prev"]):
            return r["seq"], "its content was changed"
        if r["type"] == "request_logged":
            e = entries.get(r["data"]["entry"])
            logged.add(r["data"]["entry"])
            if e is None and r["subject"] not in gone:
                return r["seq"], "its entry is missing"
            if e is not None and r["data"]["sha256"] != digest(e["id"], e["owner_id"], e["writer_id"], e["request_id"], e["type"], e["data"],
                                                               e["client_us"], e["created_us"]):
                return r["seq"], "its entry was changed"
        seq, prev = int(r["seq"]), r["hash"]
        if r["subject"]:
            subjects[r["subject"]] = r["hash"]
    for added in sorted(entries.keys() - logged):
        at = int(entries[added]["created_us"])
        return next((r["seq"] for r in rows if int(r["at_us"]) >= at), seq), "the entry of before it is in no row: " + added
    return None


def verdict(things, keys, kept):
    rows = [t["row"] for t in things if "row" in t]
    head = next(t["head"] for t in things if "head" in t)
    broken = walk(rows, {t["entry"]["id"]: t["entry"] for t in things if "entry" in t}, {t["gone"] for t in things if "gone" in t})
    if broken:
        return broken
    if int(head["seq"]) and (not rows or rows[-1]["seq"] != head["seq"] or rows[-1]["hash"] != head["hash"]):
        return head["seq"], "the rows up to it were cut off"
    checkpoints = [t["checkpoint"] for t in things if "checkpoint" in t]
    for n, c in enumerate(checkpoints, 1):
        if keys and c["public_key"] not in keys:
            return c["seq"], "it is signed by another key"
        if int(c["n"]) != n or not 1 <= int(c["seq"]) <= len(rows) or rows[int(c["seq"]) - 1]["hash"] != c["hash"] or not is_signed(c):
            return c["seq"], "it is not what was signed"
    for name in kept:
        if name not in [f"{c['n']}:{c['seq']}:{c['hash']}" for c in checkpoints]:
            return name.split(":")[1], "a checkpoint that was kept is not there"
    return None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--key", action="append", default=[])
    options.add_argument("--checkpoint", action="append", default=[])
    given = options.parse_args()
    things = [json.loads(line, parse_int=Number, parse_float=Number) for line in sys.stdin if line.strip()]
    broken = verdict(things, {base64.b64decode(k).hex() for k in given.key}, given.checkpoint)
    print(f"broken {broken[0]} {broken[1]}" if broken else f"holds {sum('row' in t for t in things)}")
    return 1 if broken else 0


sys.exit(main())
