"""What the tests of the runner share: a PostgreSQL cluster of their own, a stand-in for a model's provider, runners to start and to
kill, and a look at what a run's client would have seen."""
import atexit
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(ROOT + "/tests")
import cluster  # noqa: E402

BIN = os.environ.get("MILLRACE_DEV_BIN", os.path.join(ROOT, "build"))
SAN = os.path.basename(BIN) in ("san", "tsan")
KEY = "sk-test-0123456789"
# How long one waits for what comes by itself, on a machine that is busy.
PATIENCE = 120

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def quoted(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def until(what, seconds=PATIENCE, every=0.02):
    """what()'s first true value."""
    end = time.time() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.time() > end:
            raise AssertionError("waited %s s in vain" % seconds)
        time.sleep(every)


class Cluster(cluster.Cluster):
    def __init__(self):
        super().__init__("runner", "-c full_page_writes=off")
        self.set_version(self.latest)
        # streamd is not here, and a runner only at times; work is taken all the same
        self.sql("INSERT INTO role_seen SELECT role, now() + interval '1 year' FROM unnest('{runner,streamd}'::text[]) role", "postgres")

    @contextlib.contextmanager
    def held(self, text):
        """With this done in a transaction that is open until then, and undone."""
        p = subprocess.Popen(["psql", "-h", self.top, "-U", "postgres", "-d", "millrace", "-AtqX"], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write("BEGIN; %s;\n\\echo held\n" % text)
        p.stdin.flush()
        assert any(line == "held\n" for line in p.stdout)
        try:
            yield
        finally:
            p.communicate()

    def rows(self, text):
        """Rows as dicts."""
        return json.loads(self.sql("SELECT coalesce(json_agg(q), '[]') FROM (%s) q" % text, "postgres") or "[]")


class Standin:
    """tests/standin/openai.mjs in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(["node", ROOT + "/tests/standin/openai.mjs", "--key", KEY], stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.url = self.process.stdout.readline().strip()

    def log(self, contains=""):
        url = self.url.rsplit("/", 1)[0] + "/_log?contains=" + urllib.parse.quote(contains)
        with urllib.request.urlopen(url) as reply:
            return json.load(reply)

    def requests(self, contains):
        return self.log(contains)["requests"]

    def permit(self, gate, n=None):
        """So many more tokens of the answers with [[gate:…]], or all."""
        url = self.url.rsplit("/", 1)[0] + "/_permit?" + urllib.parse.urlencode({"gate": gate, **({} if n is None else {"n": n})})
        urllib.request.urlopen(url).close()


class Runner:
    """A millrace-runner; what it logs is kept."""
    all = []

    def __init__(self, cluster, standin, **settings):
        self.all.append(self)
        self.cluster = cluster
        self.log = open(tempfile.mktemp(prefix="runner-", suffix=".log", dir=cluster.top), "w+")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("MILLRACE_", "API_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "PG"))}
        self.env.update(MILLRACE_DB="host=%s dbname=millrace" % cluster.top, MILLRACE_LIBEXEC_DIR=BIN, no_proxy="127.0.0.1")
        if standin:
            self.env.update(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.url)
        self.env.update({(k if k.isupper() else "MILLRACE_" + k.upper()): str(v) for k, v in settings.items()})
        self.process = None
        atexit.register(self.kill)

    def start(self, wait=True):
        n = self.said().count('"ready"')
        self.process = subprocess.Popen([os.path.join(BIN, "millrace-runner")], env=self.env, stderr=self.log, stdin=subprocess.DEVNULL)
        if wait:
            until(lambda: self.said().count('"ready"') > n or self.process.poll() is not None)
            assert self.process.poll() is None, self.said()
        return self

    def said(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def stop(self, seconds=PATIENCE):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def memory(self, field="VmRSS"):
        """Kilobytes of the process."""
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(next(line for line in f if line.startswith(field)).split()[1])


class World:
    """The cluster, the stand-in and a user in it."""

    def __init__(self):
        self.c = Cluster()
        self.standin = Standin()
        self.user = self.new_user()

    def new_user(self):
        self.users = getattr(self, "users", 0) + 1
        return self.c.sql("SELECT user_register('u%d@example.com', 'x', 'Ann', 'open', NULL)" % self.users)

    def runner(self, **settings):
        return Runner(self.c, self.standin, **settings)

    def as_user(self, sql, user=None):
        return self.c.psql("millrace_api", "millrace", input="SELECT set_config('millrace.caller', '%s', false) \\g /dev/null\n%s"
                           % (user or self.user, sql))

    def chat(self, message, conversation=None, user=None):
        """Starts a chat as POST /api/chat does; the run's id."""
        return self.as_user("SELECT run_id FROM chat_start(%s, %s, 100000);" % (quoted(message), quoted(conversation)), user)

    def chats(self, messages, user=None):
        return self.as_user("\n".join("SELECT run_id FROM chat_start(%s, NULL, 100000);" % quoted(m) for m in messages), user).split()

    def cancel(self, run):
        return json.loads(self.as_user("SELECT run_cancel('%s');" % run))

    def upload(self, data, name, waits=True, user=None):
        """A document, as an upload's last step makes it; its id and its run's."""
        chunks = [data[i:i + 262144] for i in range(0, len(data), 262144)]
        parts = ["INSERT INTO blob_chunk VALUES (:'b', %d, '\\x%s');" % (n, c.hex()) for n, c in enumerate(chunks)]
        text = self.as_user("""INSERT INTO blob (owner_id) VALUES (caller_id()) RETURNING id AS b \\gset
            %s
            SELECT body ->> 'id', run_id FROM document_create(:'b', sha256('x'), %d, %s, NULL, %s, %s, 0, 0, 1000);"""
            % ("\n".join(parts), len(data), quoted(name), quoted(name), "true" if waits else "false"), user)
        return text.splitlines()[-1].split("|")

    def search(self, q, user=None):
        run = self.as_user("SELECT run_enqueue('search', '%s', 1000);" % json.dumps({"q": q, "limit": 5, "reply": "search"}).replace("'", "''"), user)
        self.ended(run)
        return next(d for t, d in self.events(run) if t == "result")["body"]

    def run(self, run):
        return self.c.rows("SELECT * FROM run WHERE id = '%s'" % run)[0]

    def job(self, run):
        return self.c.rows("SELECT * FROM job WHERE run_id = '%s'" % run)[0]

    def events(self, run):
        """(type, data) in order; the log is checked to have no gap."""
        rows = self.c.rows("SELECT seq, type, data FROM stream_event WHERE topic = 'run:%s' ORDER BY seq" % run)
        assert [r["seq"] for r in rows] == list(range(1, len(rows) + 1)), "gaps in the log: %s" % [r["seq"] for r in rows]
        return [(r["type"], r["data"]) for r in rows]

    def said(self, run):
        return "".join(d["content"] for t, d in self.events(run) if t == "token")

    def waiting(self, runs, tokens):
        """Waits until each run has so many token events."""
        runs = [runs] if isinstance(runs, str) else runs
        until(lambda: self.c.sql("SELECT bool_and((SELECT count(*) >= %d FROM stream_event WHERE topic = 'run:' || r AND type = 'token')) "
                                 "FROM unnest('{%s}'::text[]) r" % (tokens, ",".join(runs)), "postgres") == "t")

    def ended(self, run, seconds=PATIENCE):
        """Waits for the run's end; its row."""
        return self.all_ended([run], seconds)[0]

    def all_ended(self, runs, seconds=PATIENCE):
        """Waits for the end of all runs and checks what holds for every run; their rows, in order."""
        array = "'{%s}'::uuid[]" % ",".join(runs)
        until(lambda: self.c.sql("SELECT count(*) FROM run WHERE id = ANY (%s) AND ended_at IS NULL" % array, "postgres") == "0", seconds)
        rows = self.c.rows("""SELECT r.*, (SELECT json_agg(json_build_array(e.seq, e.type, e.data) ORDER BY e.seq) FROM stream_event e
            WHERE e.topic = 'run:' || r.id) AS events,
            (SELECT json_agg(m.content) FROM message m WHERE m.run_id = r.id AND m.role = 'assistant') AS messages
            FROM run r JOIN unnest(%s) WITH ORDINALITY AS u (id, n) USING (id) ORDER BY u.n""" % array)
        for row in rows:
            self.check(row)
        return rows

    def check(self, row):
        events = row["events"]
        assert [e[0] for e in events] == list(range(1, len(events) + 1)), "gaps: %s" % [e[0] for e in events]
        assert [t for n, t, d in events if t in ("done", "error")] == [events[-1][1]], "ends: %s" % [t for n, t, d in events]
        assert row["last_seq"] == len(events) and row["outcome"] == events[-1][2]
        if events[-1][1] == "done" and row["kind"] == "chat":
            said = "".join(d["content"] for n, t, d in events if t == "token")
            assert row["outcome"]["content"] == said, (row["outcome"]["content"], said)
            if row["outcome"]["messageId"] or said == "":
                assert row["messages"] == ([said] if said else None), row["messages"]

    def all_say(self, runs, content, seconds=PATIENCE):
        """Every run ends well and has said exactly this."""
        for row in self.all_ended(runs, seconds):
            assert row["status"] == "completed", row
            assert row["outcome"]["content"] == content, row["outcome"]["content"]

    def done(self, run, seconds=PATIENCE):
        """The `done` event of a run that ends well."""
        row = self.ended(run, seconds)
        assert row["status"] == "completed", row
        return row["outcome"]

    def error(self, run, seconds=PATIENCE):
        row = self.ended(run, seconds)
        assert row["status"] == "failed", row
        return row["outcome"]

    def usage(self, run):
        return self.c.rows("SELECT * FROM usage_event WHERE run_id = '%s' ORDER BY call" % run)


def words(n, first=0):
    """What the stand-in says."""
    return "".join((" w" if i else "w") + str(i) for i in range(first, n))
