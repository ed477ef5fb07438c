"""A task that matches 200,000 rows of a file with 100,000 leads, beside the same stages as somebody would write them in SQL (COPY, normalize,
join, trigrams), and one pass of libphonenumber over the same numbers: once for rows and leads, and once more for the rows, when what leads
are compared by is there. How much memory the runner and its children have meanwhile."""
import http.server
import json
import os
import random
import subprocess
import threading
import time
import urllib.request

from instance import children, smaps

ROWS, LEADS, SIMILAR = 200000, 100000, 1000
HOST = "127.0.0.9"          # MILLRACE_FETCH_NETWORKS of instance.py

SOUNDS = [a + b for a in "bdfglmnprstv" for b in ("a", "e", "i", "o", "u")]

# The keys of rows and of leads, in the same way: an address's in small letters; a name's words in small letters and in order.
KEYS = """CREATE TABLE %(to)s AS SELECT s.n, lower(btrim(s.email)) AS email, p.e164, p.phone,
    (SELECT string_agg(w, ' ' ORDER BY w) FROM regexp_split_to_table(lower(s.name), '[^[:alnum:]]+') w WHERE w <> '') AS name
    FROM %(source)s s LEFT JOIN %(source)s_phone p ON p.n = s.n"""
INDEXES = """CREATE INDEX ON lead_key (email); CREATE INDEX ON lead_key (e164); CREATE INDEX ON lead_key (phone); CREATE INDEX ON lead_key (name);
    CREATE INDEX ON lead_key USING gin (name gin_trgm_ops); ANALYZE lead_key"""
JOIN = """ANALYZE row_key; CREATE TABLE found AS SELECT DISTINCT ON (n) n, lead, score FROM (
        SELECT r.n, k.n AS lead, 96 AS score FROM row_key r JOIN lead_key k USING (email)
        UNION ALL SELECT r.n, k.n, 96 FROM row_key r JOIN lead_key k USING (e164)
        UNION ALL SELECT r.n, k.n, 85 FROM row_key r JOIN lead_key k USING (phone)
        UNION ALL SELECT r.n, k.n, 60 FROM row_key r JOIN lead_key k USING (name)) m ORDER BY n, score DESC, lead;
    CREATE INDEX ON found (n); ANALYZE found"""
SIMILAR_NAMES = """SET pg_trgm.similarity_threshold = 0.5; INSERT INTO found SELECT r.n, k.n, round(60 * k.likeness) FROM row_key r CROSS JOIN LATERAL (
        SELECT k.n, similarity(k.name, r.name) AS likeness FROM lead_key k WHERE k.name %% r.name AND left(k.name, 1) = left(r.name, 1)
        ORDER BY likeness DESC, k.n LIMIT 1) k
    WHERE length(r.name) >= 4 AND r.name !~ '[0-9]' AND NOT EXISTS (SELECT FROM found f WHERE f.n = r.n)"""


def name_of(chance):
    return " ".join("".join(chance.choice(SOUNDS) for _ in range(n)).capitalize() for n in (chance.choice((2, 3)), chance.choice((3, 4))))


def people():
    """The leads, and the rows: by address, by number, by name, by a name that is written differently, and nobody's. The same at each call."""
    chance = random.Random(1)
    leads = [(name_of(chance), "lead%d@example.com" % i, "+35191%07d" % i) for i in range(LEADS)]
    rows = []
    for i in range(ROWS):
        name, email, phone = leads[chance.randrange(LEADS)]
        other = ("row%d@example.org" % i, "+351 92%d %03d %03d" % (i % 10, i // 10 % 1000, i // 10000))
        if i % (ROWS // SIMILAR) == 0:
            at = chance.randrange(1, len(name))
            rows.append((name[:at] + chance.choice("aeiou") + name[at + 1:], *other))
        elif i % 10 < 6:
            rows.append((name, email.upper(), other[1]))
        elif i % 10 < 8:
            rows.append((name, other[0], "%s %s %s" % (phone[4:7], phone[7:10], phone[10:])))
        elif i % 10 < 9:
            rows.append((name, *other))
        else:
            rows.append(("", *other))
    return leads, rows


def text_of(rows):
    return "name,email,phone\n" + "".join("%s,%s,%s\n" % row for row in rows)


class Site(http.server.BaseHTTPRequestHandler):
    text = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *args):
        pass


class Watch(threading.Thread):
    """The most kB that a process and its children, and theirs, have at once."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0, threading.Event()
        self.start()

    def family(self, pid):
        return [pid] + [p for child in children(pid) for p in self.family(child)]

    def run(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, sum(m["Pss"] for m in map(smaps, self.family(self.pid)) if m))

    def end(self):
        self.over.set()
        self.join()
        return self.most


def post(instance, token, path, body):
    ask = urllib.request.Request("http://127.0.0.1:%d%s" % (instance.plain, path), json.dumps(body).encode(),
                                 {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(ask))


def task(instance, token, process):
    """Seconds of one task, its stages' and what it found."""
    began, stages = time.time(), {}
    made = post(instance, token, "/api/agent/task", {"process_id": process})["id"]
    while True:
        step, status, matches, error = instance.sql("SELECT step, status, matches, error FROM task WHERE id = '%s'" % made).split("|")
        stages.setdefault(step, time.time())
        if status in ("completed", "failed"):
            break
        if time.time() > began + 300:
            raise SystemExit("bench: the task takes too long, in its step " + step)
        time.sleep(0.05)
    if status == "failed":
        raise SystemExit("bench: the task failed: " + error)
    took = time.time() - began
    instance.sql("SELECT task_sweep(10000000)")
    ends = sorted(stages.values())[1:] + [began + took]
    return {"seconds": took, "matches": int(matches), "stages": {s: e - at for (s, at), e in zip(sorted(stages.items(), key=lambda x: x[1]), ends)}}


class Hand:
    """The same by hand: a database of its own in the same server."""

    def __init__(self, instance, leads, text):
        self.instance, self.dir = instance, instance.dir + "/hand"
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        with open(self.dir + "/rows.csv", "w") as f:
            f.write(text)
        with open(self.dir + "/leads.csv", "w") as f:
            f.write(text_of(leads))
        instance.sql("CREATE DATABASE hand")
        self.sql("CREATE EXTENSION pg_trgm; CREATE TABLE lead (n serial, name text, email text, phone text)")
        self.copy("lead (name, email, phone)", "leads.csv")

    def sql(self, text):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "host=%s/pg dbname=hand user=postgres" % self.instance.run_dir, "-c", text],
                              check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()

    def copy(self, to, file):
        self.sql("\\copy %s FROM '%s/%s' (FORMAT csv, HEADER)" % (to, self.dir, file))

    def phones(self, table):
        """One pass of libphonenumber: its seconds. The numbers are written for it, and read back, like the rest."""
        self.sql("\\copy (SELECT 'PT', phone FROM %s ORDER BY n) TO '%s/in' (FORMAT text)" % (table, self.dir))
        with open(self.dir + "/in", "rb") as given, open(self.dir + "/out", "wb") as got:       # it writes to no file itself
            program = os.path.join(self.instance.env["MILLRACE_DEV_BIN"], "millrace-phones")
            got.write(subprocess.run([program], stdin=given, stdout=subprocess.PIPE, check=True).stdout)
        self.sql("DROP TABLE IF EXISTS %s_phone; CREATE TABLE %s_phone (n serial, e164 text, phone text)" % (table, table))
        self.sql("\\copy %s_phone (e164, phone) FROM '%s/out' (FORMAT text, NULL '')" % (table, self.dir))

    def keys(self, table, to):
        self.phones(table)
        self.sql("DROP TABLE IF EXISTS %s; " % to + KEYS % {"to": to, "source": table})

    def rows(self):
        """Seconds, by stage."""
        out, began = {}, time.time()

        def stage(name):
            nonlocal began
            out[name], began = time.time() - began, time.time()
        self.sql("DROP TABLE IF EXISTS given, found; CREATE TABLE given (n serial, name text, email text, phone text)")
        self.copy("given (name, email, phone)", "rows.csv")
        stage("extract")
        self.keys("given", "row_key")
        stage("transform")
        self.sql(JOIN)
        stage("match")
        self.sql(SIMILAR_NAMES % ())
        stage("compare")
        return out

    def leads(self):
        began = time.time()
        self.keys("lead", "lead_key")
        self.sql(INDEXES)
        return time.time() - began


def measure(instance, users, rounds, say):
    uid, token = users[0]
    leads, rows = people()
    Site.text = text_of(rows).encode()
    server = http.server.ThreadingHTTPServer((HOST, 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hand = Hand(instance, leads, Site.text.decode())
    instance.sql("CREATE TABLE public.given_leads (n serial, name text, email text, phone text)")
    subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", instance.conninfo + " user=postgres", "-c",
                    "\\copy given_leads (name, email, phone) FROM '%s/leads.csv' (FORMAT csv, HEADER)" % hand.dir], check=True, stdin=subprocess.DEVNULL)
    instance.sql("SET session_replication_role = replica; INSERT INTO lead (owner_id, name, email, phone) SELECT '%s', name, email, phone FROM given_leads ORDER BY n; "
                 "DROP TABLE given_leads" % uid)
    instance.sql("VACUUM ANALYZE lead")
    process = post(instance, token, "/api/v1/admin/processes", {"name": "bench"})["id"]
    post(instance, token, "/api/datasources", {"process_id": process, "platform": "url", "config": [{"region": "PT"}],
                                               "resource_identifier": "http://%s:%d/rows.csv" % (HOST, server.server_address[1])})
    out = {"first": [], "again": [], "kb": [], "matches": []}
    watch = Watch(instance.sole("runner"))
    for i in range(rounds):
        instance.sql("DELETE FROM lead_key; ")
        instance.sql("VACUUM lead_key")
        ours = task(instance, token, process)
        say("matching, all: %.1f s (%s)" % (ours["seconds"], stages(ours["stages"])))
        by_hand = hand.leads()
        theirs = hand.rows()
        out["first"].append((ours["seconds"], by_hand + sum(theirs.values())))
        say("matching, all: by hand %.1f s: leads %.1f, %s" % (out["first"][-1][1], by_hand, stages(theirs)))
        ours = task(instance, token, process)
        theirs = hand.rows()
        found = int(hand.sql("SELECT count(*) FROM found"))
        if abs(found - ours["matches"]) > ROWS / 1000:
            raise SystemExit("bench: %d matches, by hand %d" % (ours["matches"], found))
        out["again"].append((ours["seconds"], sum(theirs.values())))
        out["matches"].append(ours["matches"])
        say("matching, once more: %.1f s (%s); by hand %.1f s (%s)" % (ours["seconds"], stages(ours["stages"]), sum(theirs.values()), stages(theirs)))
    out["kb"].append(watch.end())
    server.shutdown()
    return out


def stages(seconds):
    return ", ".join("%s %.1f" % s for s in seconds.items())
