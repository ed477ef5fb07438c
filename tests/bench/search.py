"""Searches: of a user who has 3,180 passages, the same beside 2 million passages of others, and of one who has 200,000. The 3,180 are
a file that is uploaded; the others are copied from them in the database, those of others with thirty words each."""
import json
import os
import random
import time
import urllib.parse
import urllib.request

from report import percentile
from streams import client, tls_args

SMALL, BIG, OTHERS, OWNERS = 3180, 200000, 2000000, 100
ASKED = ("GET /api/documents/search?q=%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n\0")

# As they come in languages: the nth word of some 20,000 once in n.
SOUNDS = [a + b for a in "bdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "ai", "ou")]


def sentences(n):
    """The same at each call."""
    chance = random.Random(1)
    words = ["".join(chance.choice(SOUNDS) for _ in range(chance.choice((1, 2, 2, 3)) if i < 300 else chance.choice((2, 3, 3, 4)))) for i in range(20000)]
    weights = [1 / (i + 5) for i in range(len(words))]
    return [" ".join(chance.choices(words, weights, k=12)).capitalize() + "." for _ in range(n)]


def uploaded(instance, token, text):
    """The document of the first passages of a text; waits until it is ingested."""
    body = b'--mill\r\nContent-Disposition: form-data; name="file"; filename="words.txt"\r\n\r\n' + text.encode() + b"\r\n--mill--\r\n"
    ask = urllib.request.Request("http://127.0.0.1:%d/api/documents/upload" % instance.plain, body,
                                 {"Authorization": "Bearer " + token, "Content-Type": "multipart/form-data; boundary=mill"})
    document = json.load(urllib.request.urlopen(ask))["id"]
    end = time.time() + 120
    while True:
        status = instance.sql("SELECT status FROM document WHERE id = '%s'" % document)
        if status == "ready":
            break
        if status == "failed" or time.time() > end:
            raise SystemExit("bench: the passages to search were not ingested: " + status)
        time.sleep(0.1)
    if int(instance.sql("SELECT count(*) FROM chunk WHERE document_id = '%s'" % document)) < SMALL:
        raise SystemExit("bench: fewer than %d passages to search" % SMALL)
    instance.sql("DELETE FROM chunk WHERE document_id = '%s' AND n > %d; UPDATE document SET chunk_count = %d WHERE id = '%s'"
                 % (document, SMALL, SMALL, document))
    instance.sql("VACUUM ANALYZE")
    return document


def copied(instance, source, owner, passages, words):
    """Documents of another owner with the source's passages, of which the first so many words are indexed."""
    instance.sql("""SET session_replication_role = replica;
        CREATE TEMP TABLE made AS SELECT uuid_v7() AS document, (g - 1) * {small} AS before FROM generate_series(1, {passages} / {small} + 1) g;
        WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('{owner}', sha256('x'), 1) RETURNING id)
        INSERT INTO document (id, owner_id, name, file_name, size, status, blob_id, index_version, chunk_count)
        SELECT m.document, '{owner}', 'd', 'd.txt', 1, 'ready', b.id, (SELECT index_version FROM document WHERE id = '{source}'),
            least({small}, {passages} - m.before) FROM made m, b;
        INSERT INTO chunk (document_id, owner_id, n, mark, text, words, stems)
        SELECT m.document, '{owner}', c.n, c.mark, left(c.text, 8 * {words}), array_to_tsvector((tsvector_to_array(c.words))[1:{words}]),
            substring(c.stems FOR 4 + 4 * {words})
        FROM made m JOIN chunk c ON c.document_id = '{source}' AND m.before + c.n <= {passages} ORDER BY m.before, c.n;
        INSERT INTO passage_word AS k (owner_id, word, n)
        SELECT '{owner}', x.word, x.n * {passages} / {small} FROM (
            SELECT w AS word, count(*) AS n FROM chunk c CROSS JOIN unnest((tsvector_to_array(c.words))[1:{words}]) w WHERE c.document_id = '{source}' GROUP BY 1
            UNION ALL SELECT '', sum(octet_length(substring(c.stems FOR 4 + 4 * {words})) / 4) FROM chunk c WHERE c.document_id = '{source}') x
        ON CONFLICT (owner_id, word) DO UPDATE SET n = k.n + excluded.n;
        INSERT INTO storage (owner_id, passages) VALUES ('{owner}', {passages}) ON CONFLICT (owner_id)
        DO UPDATE SET passages = storage.passages + {passages}"""
                 .format(small=SMALL, source=source, owner=owner, passages=passages, words=words))


def crowd(instance, source, big, say):
    """The 200,000 of one and the 2,000,000 of others, whose index is built afterwards, as is faster."""
    index = instance.sql("SELECT pg_get_indexdef('chunk_keys'::regclass)")
    instance.sql("DROP INDEX chunk_keys")
    owners = [user for user, _, _ in instance.signed_in(OWNERS)]
    for i, owner in enumerate(owners):
        copied(instance, source, owner, OTHERS // OWNERS, 30)
        if i % (OWNERS // 10) == 0:
            copied(instance, source, big, BIG // 10, 1000)
            say("passages of others: %d" % ((i + 1) * OTHERS // OWNERS))
    instance.sql("SET maintenance_work_mem = '1GB'; " + index)
    say("their index")
    instance.sql("VACUUM ANALYZE")


def p50(instance, path, requests):
    r = client("--requests", requests, *tls_args(instance), path, to="127.0.0.1:%d" % instance.port, seconds=600)
    bad = [x[4] for x in r["requests"] if x[4] != 200]
    if bad:
        raise SystemExit("bench: %d searches failed: %s" % (len(bad), sorted(set(bad))))
    return percentile([(end - due) / 1000 for due, _, end, *_ in r["requests"]], 50)


def measure(instance, users, rounds, say):
    """In milliseconds, a list of the rounds' p50 each: `alone`, `beside` (others) and `big`."""
    text = sentences(SMALL * 16)
    source = uploaded(instance, users[0][1], "\n\n".join(" ".join(text[i:i + 14]) for i in range(0, len(text), 14)))
    chance = random.Random(2)
    questions = [" ".join(chance.sample(chance.choice(text)[:-1].lower().split(), 8)) for _ in range(20)]
    paths = []
    for name, (_, token) in (("small", users[0]), ("big", users[1])):
        paths.append(os.path.join(instance.dir, name + ".requests"))
        with open(paths[-1], "w") as f:
            f.writelines(ASKED % (urllib.parse.quote(q), token) for q in questions)
    small, big = paths
    p50(instance, small, 20)
    out = {"alone": [p50(instance, small, 100) for _ in range(rounds)], "beside": [], "big": []}
    say("searches over %d passages: %.1f ms" % (SMALL, out["alone"][0]))
    crowd(instance, source, users[1][0], say)
    for path in (small, big):
        p50(instance, path, 20)
    for _ in range(rounds):
        out["beside"].append(p50(instance, small, 100))
        out["big"].append(p50(instance, big, 40))
    say("beside 2 million: %.1f ms; over 200,000: %.1f ms" % (out["beside"][-1], out["big"][-1]))
    return out
