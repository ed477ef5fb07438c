"""What one user can do to another: the other's p99 while the one does the worst of each kind, over its p99 alone. Each round measures
both, one after the other, every second round the other way round; the median of the rounds' ratios counts. An instance of its own, with
the limits that ship. The one's client is nice: it stands for one on another machine, and takes no processor from what is measured."""
import json
import os
import subprocess
import time
import urllib.request

from instance import BENCH, Background, Instance
from report import percentile
from streams import client, tls_args

CONNECTIONS = 4         # the other's, each asking when the last is answered
SECONDS = 10            # the most that one measurement takes
LIMITS = {"MILLRACE_USER_JOBS": "16", "MILLRACE_RUNNER_JOBS": "256", "MILLRACE_QUEUE_MAX": "10000", "MILLRACE_PROVIDER": "local"}

# What the worst is, and what is measured beside it.
KINDS = {
    "replies": "a short conversation, beside replies of 80 MB, twelve at a time",
    "leads": "a lead, beside searches of 80,000 leads that find nothing, twelve at a time",
    "passages": "an upload until it is indexed, beside sixteen files of 4 MiB of words",
    "queue": "a chat, beside a queue that is full of another's jobs and kept so",
    "files": "an upload until it is indexed, beside files that take half a minute to read",
    "searches": "a search, beside searches over 60,000 passages, sixteen at a time",
}


def request(token, method, path, body=b"", kind="application/json"):
    head = "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n" % (method, path, token)
    if body:
        head += "Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(body))
    return head.encode() + b"\r\n" + body + b"\0"


def form(name, content):
    body = b'--mill\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n' + content + b"\r\n--mill--\r\n"
    return body, "multipart/form-data; boundary=mill"


def endless_pdf():
    """A page that draws a form that draws another ten times, and so on."""
    draw = "/X Do " * 10
    forms = "".join("%d 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Length %d/Resources<</XObject<</X %d 0 R>>>>>>stream\n%s\nendstream endobj\n"
                    % (i, len(draw), i + 1, draw) for i in range(11, 20))
    return ("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj "
            "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 10 0 R/Resources<</XObject<</X 11 0 R>>>>>>endobj "
            "10 0 obj<</Length 5>>stream\n/X Do\nendstream endobj\n" + forms +
            "20 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Length 0>>stream\n\nendstream endobj\ntrailer<</Root 1 0 R/Size 21>>\n%%EOF\n").encode()


def nice(command, **more):
    """A program in the background that has what the processors are not needed for; where Linux schedules by sessions, as a session."""
    b = Background(["nice", *command], **more)
    try:
        with open("/proc/%d/autogroup" % b.process.pid, "w") as f:
            f.write("10")
    except OSError:
        pass
    return b


class Neighbours:
    def __init__(self):
        self.instance = Instance(LIMITS)
        (self.nasty, self.nasty_token), (self.other, self.token) = self.instance.users(2)
        self.conversation = self.make_conversation(self.other, 2, 10)
        self.long = self.make_conversation(self.nasty, 200, 12500)
        self.upload(self.token, "note.txt", b"The wheel of the mill turns twice a minute.", wait=True)
        self.make_passages()
        self.make_leads()

    def make_conversation(self, owner, messages, words):
        return self.instance.sql(
            "WITH c AS (INSERT INTO conversation (owner_id, title) VALUES ('%s', 'c') RETURNING id), m AS (INSERT INTO message "
            "(conversation_id, owner_id, role, content) SELECT c.id, '%s', 'user', repeat(md5(n::text), %d) FROM c, generate_series(1, %d) n) "
            "SELECT id FROM c" % (owner, owner, words, messages))

    def make_passages(self):
        self.instance.sql(
            "WITH b AS (INSERT INTO blob (owner_id, sha256, size) VALUES ('{0}', sha256('x'), 1) RETURNING id), d AS (INSERT INTO document "
            "(owner_id, name, file_name, size, status, blob_id, index_version, chunk_count) SELECT '{0}', 'long', 'd.txt', 1, 'ready', id, 1000, 60000 "
            "FROM b RETURNING id) INSERT INTO chunk (document_id, owner_id, n, mark, text, words) SELECT d.id, '{0}', n, 'paragraph 1', x, "
            "to_tsvector('simple', x) FROM d, generate_series(1, 60000) n, LATERAL (SELECT 'wheel ' || n || ' ' || md5(n::text) "
            "|| repeat(' mill water', 20) AS x) t".format(self.nasty))
        self.instance.sql("VACUUM ANALYZE")

    def make_leads(self):
        self.instance.sql("SET session_replication_role = replica; INSERT INTO lead (owner_id, name, email) SELECT u.id, 'Lead ' || n, "
                          "'lead' || n || '@example.org' FROM (VALUES ('%s'::uuid, 80000), ('%s', 1)) u (id, most), generate_series(1, u.most) n; "
                          "ANALYZE lead" % (self.nasty, self.other))

    def upload(self, token, name, content, wait=False):
        body, kind = form(name, content)
        ask = urllib.request.Request("http://127.0.0.1:%d/api/documents/upload%s" % (self.instance.plain, "?wait=1" if wait else ""), body,
                                     {"Authorization": "Bearer " + token, "Content-Type": kind})
        return json.load(urllib.request.urlopen(ask))

    def file(self, name, text):
        path = os.path.join(self.instance.dir, name + ".requests")
        with open(path, "wb") as f:
            f.write(text)
        return path

    def asked(self, kind):
        """What the other asks."""
        return self.file(kind, {
            "replies": request(self.token, "GET", "/api/conversations/" + self.conversation),
            "leads": request(self.token, "GET", "/api/leads"),
            "passages": request(self.token, "POST", "/api/documents/upload?wait=1", *form("n.txt", b"The wheel turns.")),
            "queue": request(self.token, "POST", "/api/chat", b'{"message": "How deep is the river?"}'),
            "files": request(self.token, "POST", "/api/documents/upload?wait=1", *form("n.txt", b"The wheel turns.")),
            "searches": request(self.token, "GET", "/api/documents/search?q=wheel"),
        }[kind])

    def worst(self, kind):
        """The one's worst, going on in the background."""
        path, connections = {"replies": ("/api/conversations/%s?limit=200" % self.long, 12), "queue": ("/api/documents/search?q=wheel", 32),
                             "leads": ("/api/leads?q=zzz", 12),
                             "searches": ("/api/documents/search?q=how+often+does+the+wheel+of+the+water+mill+turn", 16)}.get(kind, (None, 0))
        if kind == "queue":
            self.instance.sql("WITH r AS (INSERT INTO run (owner_id, kind, input) SELECT '{0}', 'chat', '{{\"message\": \"How deep is the river?\"}}' "
                              "FROM generate_series(1, 10000) RETURNING id) INSERT INTO job (run_id, owner_id, kind) SELECT id, '{0}', 'chat' FROM r; "
                              "NOTIFY millrace_job".format(self.nasty))
        if kind == "files":
            for _ in range(8):
                self.upload(self.nasty_token, "endless.pdf", endless_pdf())
            return None
        if kind == "passages":
            text = " ".join(os.urandom(4).hex() for _ in range(4 * 2 ** 20 // 9)).encode()
            for _ in range(16):
                self.upload(self.nasty_token, "words.txt", text)
            return None
        tokens = self.file("nasty", self.nasty_token.encode() + b"\n")
        return nice(["wrk", "-t", "1", "-c", str(connections), "-d", "600", "--timeout", "60", "-s", BENCH + "/wrk.lua",
                           "http://127.0.0.1:%d" % self.instance.plain, "--", tokens, path], stdout=subprocess.DEVNULL)

    def calm(self, background):
        """Ends the one's worst, and takes back what both have made meanwhile: the next measurement finds what the first one found."""
        if background:
            background.end()
        documents = "FROM document WHERE owner_id IN ('%s', '%s') AND name NOT IN ('long', 'note.txt')" % (self.nasty, self.other)
        self.instance.sql("DELETE FROM run WHERE owner_id = '%s' AND status = 'queued'" % self.nasty)
        self.instance.sql("SELECT count(run_stop(id)) FROM run WHERE ended_at IS NULL")
        end = time.time() + 60
        while self.instance.sql("SELECT EXISTS (SELECT FROM run WHERE ended_at IS NULL) OR EXISTS (SELECT FROM pg_stat_activity "
                                "WHERE usename = 'millrace_runner' AND state = 'active')") == "t":
            if time.time() > end:
                raise SystemExit("bench: the neighbour's jobs do not end")
            time.sleep(0.2)
        self.instance.sql("DELETE " + documents)
        self.instance.sql("DELETE FROM conversation WHERE owner_id = '%s' AND id <> '%s'" % (self.other, self.conversation))
        self.instance.sql("VACUUM ANALYZE run, job, topic, document, chunk, message")

    def p99(self, kind, requests):
        """Of so many requests, or of those that can be asked in SECONDS; one that has no reply then counts with its time so far."""
        r = client("--connections", CONNECTIONS, "--requests", requests, *tls_args(self.instance), self.asked(kind),
                   to="127.0.0.1:%d" % self.instance.port, seconds=SECONDS)
        over = time.time() * 1e6
        ended = [x for x in r["requests"] if x[2]]
        bad = [x[4] for x in ended if x[4] != 200 or (kind == "queue" and not x[6])]
        if bad:
            raise SystemExit("bench: the other's (%s): %d of %d requests failed: %s" % (kind, len(bad), len(ended), sorted(set(bad))))
        return percentile([((end or over) - due) / 1000 for due, _, end, *_ in r["requests"]], 99)

    def alone(self, kind, requests):
        self.p99(kind, requests // 10)
        return self.p99(kind, requests)

    def beside(self, kind, requests):
        background = self.worst(kind)
        time.sleep(2)
        self.p99(kind, requests // 10)
        try:
            return self.p99(kind, requests)
        finally:
            self.calm(background)


def measure(rounds, requests, say):
    n = Neighbours()
    samples = {kind: [] for kind in KINDS}
    for i in range(rounds):
        for kind in KINDS:
            ways = [("alone", n.alone), ("beside", n.beside)]
            got = {name: way(kind, requests) for name, way in (ways if i % 2 == 0 else ways[::-1])}
            samples[kind].append(got)
            say("neighbours, round %d of %d, %s: %.1f ms alone, %.1f ms beside" % (i + 1, rounds, kind, got["alone"], got["beside"]))
    n.instance.stop()
    return samples
