"""Streams: how far the first token is behind the provider's, a thousand chats at once, the event log's throughput, and what an
idle stream costs."""
import glob
import json
import os
import re
import subprocess
import threading
import time
import uuid

from instance import PGBIN, base64url, program, smaps
from rates import statements
from report import percentile

CHAT = ("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        "Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s\0")


def chat_requests(instance, name, tokens, directive, path="/api/chat", direct=False):
    """A file of one request a token."""
    if direct:
        body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": directive}]}
    else:
        body = {"message": directive}
    text = json.dumps(body)
    file = os.path.join(instance.dir, name + ".requests")
    with open(file, "w") as f:
        f.writelines(CHAT % (path, token, len(text), text) for token in tokens)
    return file


def client(*args, to, seconds=120):
    out = subprocess.run([program("client"), "--to", to, "--seconds", str(seconds), *map(str, args)],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def tls_args(instance):
    return ["--tls", instance.cert]


def figures(values):
    return {"p50": percentile(values, 50), "p99": percentile(values, 99), "max": max(values)}


# ------------------------------------------------------------- first token

def flush_ms(instance):
    """What a commit waits for the disk, 50 a second, on average: a token is not shown before, nor a provider asked."""
    took = {}
    script = instance.dir + "/flush.sql"
    with open(script, "w") as f:
        f.write("SELECT pg_logical_emit_message(true, 'bench', '');\n")
    for mode in ("on", "off"):
        out = subprocess.run([PGBIN + "/pgbench", "-n", "-M", "prepared", "-R", "50", "-T", "2", "-f", script, "-h", instance.run_dir + "/pg",
                              "-U", "postgres", "millrace"], env=dict(os.environ, PGOPTIONS="-c synchronous_commit=" + mode),
                             check=True, capture_output=True, text=True).stdout
        # its latency counts from when a transaction was due
        average, lag = (float(re.search(what + r" = ([\d.]+)|" + what + r": avg ([\d.]+)", out).group(i)) for what, i in
                        (("latency average", 1), ("rate limit schedule lag", 2)))
        took[mode] = average - lag
    return took["on"] - took["off"]


def first_token(instance, tokens, rounds, each):
    """One chat after the other over one kept HTTPS connection, beside the same from the provider itself. In milliseconds:
    `overhead`: from POST to the first token, less what the provider took for it; `before`: of that, until the provider had been
    asked; `after`: from the provider's token to ours; `direct`: the overhead of the client and the provider alone; `flush`: what waiting
    for the disk costs. Two flushes are in the way whatever else is saved: that of the claim, before which nobody is asked, and of the
    token, before which nobody sees it."""
    directive = "[[first:50 tokens:3 delay:5]] How deep is the river?"
    ours = chat_requests(instance, "first", tokens[:1], directive)
    direct = chat_requests(instance, "direct", ["bench"], directive, "/v1/chat/completions", True)
    provider = "127.0.0.1:%d" % instance.provider
    got = {"overhead": [], "before": [], "after": [], "direct": [], "flush": []}
    client("--requests", 5, *tls_args(instance), ours, to="127.0.0.1:%d" % instance.port)
    for _ in range(rounds):
        sample = {name: [] for name in got}
        r = client("--requests", each, *tls_args(instance), ours, to="127.0.0.1:%d" % instance.port)
        firsts = first_stamps(r)
        for (due, first, _, own, status, tokens_seen, done), (sent, came) in zip(r["requests"], firsts):
            if status != 200 or not done or tokens_seen != 3:
                raise SystemExit("bench: a chat failed: status %d, %d tokens, done %d" % (status, tokens_seen, done))
            sample["overhead"].append((first - due - own) / 1000)
            sample["before"].append((sent - own - due) / 1000)
            sample["after"].append((came - sent) / 1000)
        r = client("--requests", each, direct, to=provider)
        sample["direct"] = [(first - due - own) / 1000 for due, first, _, own, _, _, _ in r["requests"]]
        sample["flush"] = [flush_ms(instance)]
        for name, values in sample.items():
            got[name].append(figures(values))
    return got


def first_stamps(r):
    """Of requests that followed one another: the stamp of each one's first token."""
    out, at = [], 0
    for q in r["requests"]:
        out.append(r["stamps"][at] if q[5] else (0, 0))
        at += q[5]
    return out


# --------------------------------------------------------------- at once

class Watch(threading.Thread):
    """Looks at the memory of all roles until it is told to stop; keeps the greatest of each."""

    def __init__(self, instance, every=1.0):
        super().__init__(daemon=True)
        self.instance, self.every, self.over = instance, every, threading.Event()
        self.peak, self.connections = {}, {}

    def run(self):
        while not self.over.wait(self.every):
            if not self.connections:
                self.connections = self.instance.database_connections()
            for role, m in self.instance.memory().items():
                if m["pss"] > self.peak.get(role, {"pss": -1})["pss"]:
                    self.peak[role] = m

    def end(self):
        self.over.set()
        self.join()


class Asked:
    """Statements of so many chats' requests, each undone, within a second by pgbench's eight connections, in the background."""

    def __init__(self, instance, users, chats):
        self.log = instance.dir + "/asked"
        script = statements(instance, [user for user, _ in users], "chat_start", "'How deep is the river?'", "NULL", "1000000", "false", undone=True)
        self.p = subprocess.Popen([PGBIN + "/pgbench", "-n", "-M", "prepared", "-c", "8", "-t", str(chats // 8), "-R", str(chats), "-l",
                                   "--log-prefix", self.log, "-f", script, "-h", instance.run_dir + "/pg", "-U", "millrace_api", "millrace"],
                                  env=dict(os.environ, PGOPTIONS="-c jit=off"), stdout=subprocess.DEVNULL)

    def figures(self):
        """Of the milliseconds from when each was due."""
        if self.p.wait() != 0:
            raise SystemExit("bench: the statements of a chat failed")
        took = []
        for file in glob.glob(self.log + ".*"):
            with open(file) as f:
                took += [int(line.split()[2]) / 1000 for line in f]
            os.remove(file)
        return figures(took)


STAGES = ["from when it was due until its transaction begins", "until it is claimed", "until the provider is asked",
          "from the provider's token until its write begins", "until the client has it"]
STAMPS = """SELECT concat_ws(' ', w.m[1], w.m[2], %s) FROM run r JOIN stream_event e ON e.topic = 'run:' || r.id
    CROSS JOIN LATERAL (SELECT regexp_match(e.data::text, '~([0-9]+)[.]([0-9]+)~')) w (m)
    WHERE e.type = 'token' AND w.m IS NOT NULL""" % ", ".join(
        "(extract(epoch FROM %s) * 1000000)::int8" % at for at in ("r.created_at", "r.started_at", "e.created_at"))


def stages(instance, r):
    """Where first tokens lose their time: each stage's median, and its mean of the slowest hundredth, in milliseconds. Their ends are what the
    client says, and when transactions began."""
    told = {int(line.split(" ")[0]): [int(x) for x in line.split(" ")] for line in instance.sql(STAMPS).splitlines()}
    came, found = {}, []
    for sent, at in r["stamps"]:
        if sent in told:
            came.setdefault(at, []).append(told[sent])
    for due, first, _, _, _, _, _ in r["requests"]:
        if came.get(first):
            sent, waited, made, claimed, written = came[first].pop()
            found.append([made - due, claimed - made, sent - waited - claimed, written - sent, first - written])
    found.sort(key=sum)
    slow = found[-max(len(found) // 100, 1):]
    return [{"stage": what, "p50": percentile([f[i] / 1000 for f in found], 50), "slow": sum(f[i] for f in slow) / len(slow) / 1000}
            for i, what in enumerate(STAGES)] if found else []


def token_rate(requests):
    """Tokens a second, from the first one of all to the last end."""
    return sum(x[5] for x in requests) / ((max(x[2] for x in requests) - min(x[1] for x in requests if x[1])) / 1e6)


def at_once(instance, users, chats, per_chat, delay_ms):
    """So many chats, asked within a second, over HTTPS with a connection each. All have to end with `done`. `direct`: tokens/s of the
    same client at the provider itself, without TLS: since the chats do not all begin at once it is less than the provider's rate, and
    more is not to be had. `floor`: its first tokens; `statements`: what a chat begins with, as often in that second by pgbench, with nothing
    beside it that a chat needs, too; `stages`: where its first token waits."""
    directive = "[[first:300 tokens:%d delay:%d]] How deep is the river?" % (per_chat, delay_ms)
    asked = Asked(instance, users, chats)
    direct = client("--connections", chats, "--requests", chats, "--rate", chats,
                    chat_requests(instance, "chats-direct", ["bench"], directive, "/v1/chat/completions", True),
                    to="127.0.0.1:%d" % instance.provider, seconds=60)
    statements = asked.figures()
    file = chat_requests(instance, "chats", [token for _, token in users], directive)
    watch = Watch(instance)
    before, began = instance.cpu(), time.time()
    watch.start()
    r = client("--connections", chats, "--requests", chats, "--rate", chats, *tls_args(instance), file,
               to="127.0.0.1:%d" % instance.port, seconds=180)
    watch.end()
    after = instance.cpu()
    q = r["requests"]
    done = sum(1 for x in q if x[6] and x[4] == 200)
    seen = sum(x[5] for x in q)
    firsts = lambda requests: figures([(x[1] - x[0] - x[3]) / 1000 for x in requests if x[1]])
    behind = [(came - sent) / 1000 for sent, came in r["stamps"]]
    return {"chats": chats, "done": done, "tokens": seen, "expected": chats * per_chat, "rate": token_rate(q), "direct": token_rate(direct["requests"]),
            "provider_rate": chats * 1000 / delay_ms, "took_s": r["took_s"], "first": firsts(q), "token": figures(behind),
            "floor": firsts(direct["requests"]), "statements": statements, "stages": stages(instance, r),
            "cpu_s": {role: after[role] - before.get(role, 0) for role in after}, "seconds": time.time() - began,
            "peak": watch.peak, "connections": watch.connections}


# ---------------------------------------------------------------- streamd

def encoded(grant):
    """As X-Grant has it."""
    return base64url(json.dumps(grant).encode())


def stream_requests(instance, name, runs, user):
    """Requests as nginx sends them, with the grant that a worker would have given."""
    file = os.path.join(instance.dir, name + ".requests")
    with open(file, "w") as f:
        for run in runs:
            grant = {"method": "GET", "user": user, "topic": "run:" + run, "after": 0, "expires_at": 0, "wait_seconds": 0,
                     "timeout_status": 504, "timeout_body": "", "request_id": "bench", "headers": [["X-Run-Id", run]]}
            f.write("GET /_stream/run/%s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: bench\r\nX-Grant: %s\r\n\r\n\0" % (run, encoded(grant)))
    return file


class Held:
    """Streams that are held open at streamd's own socket until end()."""

    def __init__(self, instance, file, n):
        self.p = subprocess.Popen([program("client"), "--to", "unix:%s/streamd.sock" % instance.run_dir, "--connections", str(n),
                                   "--requests", str(n), "--seconds", "300", "--hold", "--late", file],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "ready\n":
            raise SystemExit("bench: the streams did not begin")

    def end(self):
        return json.loads(self.p.communicate()[0])


def events(instance, user, rate, seconds, topics=1000):
    """Token events of many runs at a fixed rate, a transaction every 20 ms as the runner writes them; a subscriber a run at
    streamd's own socket. Milliseconds from the commit being sent to the event at the client."""
    runs = [str(uuid.uuid4()) for _ in range(topics)]
    file = os.path.join(instance.dir, "topics")
    with open(file, "w") as f:
        f.writelines("run:%s\n" % run for run in runs)
    held = Held(instance, stream_requests(instance, "events", runs, user), topics)
    before = instance.cpu()
    said = json.loads(subprocess.run(
        [program("publish"), instance.conninfo + " user=millrace_runner", file, str(rate), str(seconds), "20"],
        check=True, capture_output=True, text=True).stdout)
    after = instance.cpu()
    time.sleep(1)
    got = held.end()
    committed = {batch: sent for batch, sent, _, _ in said["batches"]}
    late = [(came - committed[batch]) / 1000 for batch, came in got["stamps"]]
    took = [(answered - sent) / 1000 for _, sent, answered, _ in said["batches"]]
    return {"asked": rate, "rate": said["events"] / said["took_s"], "sent": said["events"], "came": len(late),
            "latency": figures(late), "commit": figures(took),
            "cpu_s": {role: after[role] - before.get(role, 0) for role in after}, "seconds": seconds}


def idle_streams(instance, user, n):
    """streamd's bytes for each of n streams on which nothing happens, each of a topic of its own."""
    pid = instance.sole("streamd")
    before = smaps(pid)["Pss"]
    held = Held(instance, stream_requests(instance, "idle", [str(uuid.uuid4()) for _ in range(n)], user), n)
    time.sleep(2)
    after = smaps(pid)["Pss"]
    held.end()
    return {"streams": n, "bytes": (after - before) * 1024 / n, "pss_kb": after}
