"""Requests a second: nginx alone, through a worker, through worker and PostgreSQL; the bare SELECT; peers.

Where a request's time goes. On two processors that are never idle, 2,000,000 us over the requests a second is what one costs, load
client included (RESULTS.md of 2026-11-24, rounded):

    us   GET /api/user                                                          of it, the least that any service would need
    16   wrk, and the kernel's work for it                                      13   beside nginx's return 200
    34   nginx: reply and log line 16, FastCGI hop 14, 4 for a larger reply     30   as for healthz
    25   worker: FastCGI alone 12, then token, statements, rows                 12   as for healthz
    41   PostgreSQL: session, row-level security and the row                    30   the bare SELECT
   116   17,150/s, 0.35 of the bare SELECT (41 us with its client)              85   23,500/s: 0.48

Node's costs 404 us and FastAPI's 516, so that what checks nothing at all would come to 4.8 and 6.1 times theirs. 5 and 8 times are 81
and 64 us: not to be had with nginx in front and a row a request, however little a worker does. 0.45 of the SELECT is 91 us.

What the parts consist of, by strace -c and valgrind --tool=callgrind with the machine's load out of the picture:

    nginx        6 system calls; 61 thousand instructions of its own: the log line 19, headers 7, the random request id 7, and 400 each
                 time that a map's regular expression is tried (a dozen)
    worker       4 system calls: read, write and the statements' send (libpq 15 sends at each Sync, so requests that are ready together do
                 not share it), and one of receive and wait, which they do share; 36 thousand instructions, half of them libc's, mostly
                 malloc for libfcgi's parameters and buffers and libpq's rows
    PostgreSQL   1.7 system calls: it answers each Sync at once, and reads several together; two kept plans, each a lookup by primary key,
                 the policy's condition being the lookup's own
"""
import glob
import json
import os
import re
import subprocess
import time

from instance import BENCH, PGBIN, ROOT, Background, Missing, children, npm_peer, program, smaps, wait_port
from report import percentile

USERS = 100
# An installation has users; with a handful of rows nothing would use an index.
MANY = """WITH u AS (INSERT INTO app_user (email, display_name) SELECT 'many' || g || '@example.org', 'Many' FROM generate_series(1, 20000) g
    RETURNING id) INSERT INTO session (user_id, expires_at) SELECT id, now() + interval '7 days' FROM u"""


def query(name):
    """The text of a tree's own query."""
    for file in glob.glob(ROOT + "/sql/queries/**/*.sql", recursive=True):
        with open(file) as f:
            found = re.search(r"^-- name: %s\n(?:--.*\n)*([^;]*);" % name, f.read(), re.M)
        if found:
            return found.group(1)
    raise SystemExit("bench: there is no query " + name)


def select(user):
    """The bare SELECT: the row alone, without who asks. `user` is SQL."""
    return re.sub(r"caller_\w+\(\)", user, query("user_show"))


class Peers:
    """The services that do the same, each of two processes; what cannot be installed is left out and said."""

    def __init__(self, instance, node, alone):
        self.there, self.notes, self.running = [], [], {}
        if alone:
            return
        env = dict(instance.env, PGHOST=instance.run_dir + "/pg", PGUSER="postgres", PGDATABASE="millrace",
                   SECRET=instance.secret(), SELECT=select("$1"))
        for name in [n for n in env if n.startswith(("MILLRACE_", "OPENAI_", "ANTHROPIC_", "GEMINI_"))]:
            del env[name]
        self.start_node(dict(env, PORT=str(instance.node), NODE_ENV="production"), instance, node)
        self.start_fastapi(env, instance)

    def start_node(self, env, instance, node):
        try:
            path = npm_peer("node", node, env)
        except Missing as e:
            self.notes.append(str(e))
            return
        self.running["node"] = Background([node, "server.mjs"], cwd=path, env=env)
        wait_port(instance.node)
        self.there.append("node")

    def start_fastapi(self, env, instance):
        python = "/usr/bin/python3"
        if subprocess.run([python, "-c", "import fastapi, asyncpg, uvicorn, uvloop, httptools, jwt"], capture_output=True).returncode != 0:
            self.notes.append("FastAPI: left out, Debian's packages are not there")
            return
        env = {k: v for k, v in env.items() if not k.startswith("PYTHON")}
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        self.running["fastapi"] = Background(
            [python, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(instance.fastapi), "--workers", "2",
             "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
            cwd=os.path.join(BENCH, "peers/fastapi"), env=env)
        wait_port(instance.fastapi)
        self.there.append("fastapi")

    def memory(self):
        """Kilobytes of PSS of each peer's processes together."""
        out = {}
        for name, background in self.running.items():
            pids, found = [background.process.pid], []
            while pids:
                pid = pids.pop()
                found.append(pid)
                pids += children(pid)
            out[name] = sum(m["Pss"] for m in map(smaps, found) if m)
        return out

    def end(self):
        for background in self.running.values():
            background.end()


def wrk(url, path, tokens, connections, seconds, *body):
    """Requests a second and the latency in ms; a failed request voids the run."""
    out = subprocess.run(["wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", "%gs" % seconds, "--latency",
                          "-s", BENCH + "/wrk.lua", url, "--", tokens or "", path, *body],
                         check=True, capture_output=True, text=True).stdout
    r = json.loads(out.strip().splitlines()[-1])
    if r["failed"] or not r["requests"]:
        raise SystemExit("bench: %s%s: %d of %d requests failed" % (url, path, r["failed"], r["requests"]))
    return {"rate": r["requests"] / r["us"] * 1e6, "p50": r["p50"] / 1000, "p90": r["p90"] / 1000, "p99": r["p99"] / 1000}


def pgbench(instance, script, seconds, role="postgres", options=""):
    """Without JIT, as our own connections are (DB_SESSION): compiling a plan takes longer than it does."""
    out = subprocess.run([PGBIN + "/pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", str(max(1, round(seconds))),
                          "-f", script, "-h", instance.run_dir + "/pg", "-U", role, "millrace"],
                         check=True, capture_output=True, text=True, env=dict(os.environ, PGOPTIONS="-c jit=off " + options)).stdout
    for line in out.splitlines():
        if line.startswith("tps ="):
            return {"rate": float(line.split()[2])}
    raise SystemExit("bench: pgbench said no rate:\n" + out)


def statements(instance, users, name, *args, undone=False):
    """A script of what a worker asks for a request of one of the users: who it is, and the named statement; one transaction, one round trip."""
    sessions = instance.sql("SELECT array_agg(DISTINCT id) FROM session WHERE user_id = ANY ('{%s}')" % ",".join(users))
    text = "\\set n random(1, %d)\n\\startpipeline\n" % len(users) + ("BEGIN;\n" if undone else "")
    for asked, values in (("caller_session", ("('%s'::uuid[])[:n]" % sessions, "false")), (name, args)):
        text += re.sub(r"\$(\d+)", lambda m: values[int(m.group(1)) - 1], query(asked)) + ";\n"
    path = "%s/%s.sql" % (instance.dir, name)
    with open(path, "w") as f:
        f.write(text + ("ROLLBACK;\n" if undone else "") + "\\endpipeline\n")
    return path


def fixed_rate(instance, requests_file, rate, seconds, connections=64):
    """Latency in ms from when a request was due, at so many a second, over a plain listener."""
    out = subprocess.run([program("client"), "--to", "127.0.0.1:%d" % instance.plain, "--connections", str(connections), "--requests",
                          str(int(rate * seconds)), "--rate", str(rate), requests_file], check=True, capture_output=True, text=True).stdout
    got = json.loads(out)["requests"]
    took = [(end - due) / 1000 for due, _, end, _, status, _, _ in got if status == 200 and end]
    if len(took) != int(rate * seconds):
        raise SystemExit("bench: at a fixed rate %d of %d requests were answered" % (len(took), int(rate * seconds)))
    return {"rate": rate, "p50": percentile(took, 50), "p99": percentile(took, 99), "max": max(took)}


def rows(instance, peers, tokens, user):
    """name: (what it measures, a function of seconds)."""
    plain = "http://127.0.0.1:%d" % instance.plain
    tls = "https://127.0.0.1:%d" % instance.tls
    script, asked = instance.dir + "/select.sql", statements(instance, [user], "user_show")

    def load(url, path, with_token=True, connections=64):
        return lambda s: wrk(url, path, tokens if with_token else None, connections, s)

    out = {
        "select": ("pgbench, the bare SELECT", lambda s: pgbench(instance, script, s)),
        "statements": ("pgbench, what GET /api/user asks", lambda s: pgbench(instance, asked, s, "millrace_api")),
        "static": ("nginx return 200", load(plain, "/bench/static", False)),
        "static_tls": ("nginx return 200, HTTPS", load(tls, "/bench/static", False)),
        "healthz": ("healthz: nginx, worker", load(plain, "/healthz", False)),
        "healthz_tls": ("healthz, HTTPS", load(tls, "/healthz", False)),
        "user": ("GET /api/user: nginx, worker, PostgreSQL", load(plain, "/api/user")),
        "user_tls": ("GET /api/user, HTTPS", load(tls, "/api/user")),
        "user_1": ("GET /api/user, 1 connection", load(plain, "/api/user", True, 1)),
        "user_8": ("GET /api/user, 8 connections", load(plain, "/api/user", True, 8)),
        "user_256": ("GET /api/user, 256 connections", load(plain, "/api/user", True, 256)),
    }
    if "node" in peers.there:
        out["node"] = ("Node: fastify, pg, fast-jwt; behind nginx", load(plain, "/bench/node"))
        out["node_bare"] = ("the same without nginx", load("http://127.0.0.1:%d" % instance.node, "/api/user"))
    if "fastapi" in peers.there:
        out["fastapi"] = ("FastAPI, asyncpg, PyJWT; behind nginx", load(plain, "/bench/fastapi"))
    return out


def measure(instance, peers, users, rounds, seconds, say):
    tokens = instance.dir + "/tokens"
    with open(tokens, "w") as f:
        f.writelines(token + "\n" for _, token in users)
    with open(instance.dir + "/select.sql", "w") as f:
        f.write(select("'%s'" % users[0][0]) + ";\n")
    with open(instance.dir + "/user.requests", "wb") as f:
        f.write(b"".join(b"GET /api/user HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n\0" % token.encode()
                         for _, token in users))
    instance.sql(MANY)
    instance.sql("VACUUM ANALYZE")
    table = rows(instance, peers, tokens, users[0][0])
    for _, run in table.values():
        run(1)
    samples = {name: [] for name in table}
    cpu, peak = {}, {}
    for i in range(rounds):
        for name, (_, run) in table.items():
            before, began = instance.cpu(), time.time()
            result = run(seconds)
            took, after = time.time() - began, instance.cpu()
            samples[name].append(result)
            per_request = {role: max(0.0, after[role] - before.get(role, 0)) / (result["rate"] * took) * 1e6 for role in after}
            cpu.setdefault(name, []).append(per_request)
            if name == "user":
                peak = {"memory": instance.memory(), "connections": instance.database_connections()}
        say("round %d of %d" % (i + 1, rounds))
    rate = max(500, round(sorted(s["rate"] for s in samples["user"])[len(samples["user"]) // 2] * 0.5, -2))
    fixed = [fixed_rate(instance, instance.dir + "/user.requests", rate, seconds) for _ in range(rounds)]
    return {"what": {name: what for name, (what, _) in table.items()}, "samples": samples, "cpu_us": cpu, "fixed": fixed,
            "under_load": peak}
