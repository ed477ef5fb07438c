"""Calls of models through the gateway beside @portkey-ai/gateway, which stores nothing, in front of the same provider: one alone, 64 in
flight, the first byte of a stream, memory; all of ours have to be settled. And beside pgbench, which calls the two functions that reserve
and settle, for many users and for one."""
import json
import os
import subprocess

from instance import PGBIN, Missing, children, npm_peer, program, smaps, wait_port, Background
from report import percentile

ALONE, AT_ONCE, MANY = 200, 64, 1000
PAIRS_AT_ONCE = 32      # of 100 connections that ./dev's PostgreSQL takes, Millrace has some 40
DIRECTIVE = "[[first:%d tokens:%d delay:%d]]"
CALL = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s\0"

# One reservation and its settlement, each a transaction.
PAIR = """\\set n random(1, %d)
SELECT charge FROM charge_reserve((SELECT id FROM bench_user WHERE n = :n), 'default', gen_random_uuid()::text, 'call', 'openai', 'gpt-4o-mini',
 'chat/completions', 0.001, false, NULL) \\gset
SELECT charge_settle(:charge, 0.0005, 100);
"""


def requests(instance, name, tokens, headers, directive, streams=True):
    """A file of one call a token."""
    body = json.dumps({"model": "gpt-4o-mini", "stream": streams, "max_tokens": 100, "messages": [{"role": "user", "content": directive}]})
    file = os.path.join(instance.dir, name + ".requests")
    with open(file, "w") as f:
        f.writelines(CALL % (token, headers, len(body), body) for token in tokens)
    return file


def calls(file, port, connections, n, streams=True):
    """So many calls; what became of each. One that failed voids the measurement."""
    args = [program("client"), "--to", "127.0.0.1:%d" % port, "--seconds", "120", "--connections", str(connections), "--requests", str(n), file]
    got = json.loads(subprocess.run(args, check=True, capture_output=True, text=True).stdout)
    bad = [q for q in got["requests"] if q[4] != 200 or not q[2] or (streams and q[5] == 0)]
    if bad:
        raise SystemExit("bench: %d of %d calls failed, the first with status %d" % (len(bad), n, bad[0][4]))
    return got


def alone(file, port, n):
    """Milliseconds of a call beyond what the provider takes of itself: to the first token, and to the end."""
    q = calls(file, port, 1, n)["requests"]
    return {"first": percentile([(x[1] - x[0] - x[3]) / 1000 for x in q], 50), "whole": percentile([(x[2] - x[0] - x[3]) / 1000 for x in q], 50)}


def whole(file, port, n):
    """The same to the end of one that is not streamed, whose provider says nothing of its own time: it has none to speak of."""
    return percentile([(x[2] - x[0]) / 1000 for x in calls(file, port, 1, n, False)["requests"]], 50)


def rate(file, port, n):
    got = calls(file, port, AT_ONCE, n)["requests"]
    return n / ((max(x[2] for x in got) - min(x[0] for x in got)) / 1e6)


def pairs(instance, users, seconds):
    """Reservations with their settlements a second."""
    script = instance.dir + "/pair.sql"
    with open(script, "w") as f:
        f.write(PAIR % users)
    out = subprocess.run([PGBIN + "/pgbench", "-n", "-M", "prepared", "-c", str(PAIRS_AT_ONCE), "-j", "2", "-T", str(seconds), "-f", script,
                          "-h", instance.run_dir + "/pg", "-U", "postgres", "millrace"], check=True, capture_output=True, text=True).stdout
    return next(float(line.split()[2]) for line in out.splitlines() if line.startswith("tps ="))


def tree_kb(pid):
    pids, total = [pid], 0
    while pids:
        one = pids.pop()
        pids += children(one)
        total += (smaps(one) or {"Pss": 0})["Pss"]
    return total


def ours_kb(instance):
    """What a call goes through: the pool's workers, streamd and the runner."""
    memory = instance.memory()
    return sum(m["pss"] for role, m in memory.items() if role in ("gateway", "streamd", "runner"))


def start_peer(instance, node):
    path, port = npm_peer("gateway", node, instance.env), instance.node
    env = {k: v for k, v in instance.env.items() if not k.startswith(("MILLRACE_", "OPENAI_", "ANTHROPIC_", "GEMINI_"))}
    peer = Background([node, "node_modules/@portkey-ai/gateway/build/start-server.js", "--headless", "--port=%d" % port], cwd=path,
                      env=dict(env, PORT=str(port), NODE_ENV="production"))
    wait_port(port)
    return peer


def settled(instance):
    """How many calls are charged; one that is still reserved voids the measurement."""
    left = int(instance.sql("SELECT count(*) FROM charge WHERE state = 'reserved' AND kind = 'call'"))
    if left:
        raise SystemExit("bench: %d calls were not settled" % left)
    return int(instance.sql("SELECT count(*) FROM charge WHERE state = 'settled' AND kind = 'call'"))


def measure(instance, users, node, is_alone, rounds, n, seconds, say):
    tokens = [token for _, token in users]
    to = "x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:%d/v1\r\n" % instance.provider
    quick, slow = DIRECTIVE % (0, 1, 0), DIRECTIVE % (300, 50, 20)
    ours, theirs = requests(instance, "ours", tokens, "", quick), requests(instance, "theirs", ["bench"], to, quick)
    many, one = requests(instance, "many", tokens, "", slow), requests(instance, "one", tokens[:1], "", quick)
    ours_whole, theirs_whole = (requests(instance, name + "-whole", of, headers, quick, False)
                                for name, of, headers in (("ours", tokens, ""), ("theirs", ["bench"], to)))
    out, peer = {"ours": [], "peer": [], "pairs": [], "many_kb": [], "notes": []}, None
    instance.sql("CREATE TABLE bench_user (n int PRIMARY KEY, id uuid); INSERT INTO bench_user VALUES "
                 + ", ".join("(%d, '%s')" % (i + 1, user) for i, (user, _) in enumerate(users)))
    try:
        peer = None if is_alone else start_peer(instance, node)
    except Missing as e:
        out["notes"].append(str(e))
    try:
        calls(ours, instance.plain, 4, 40)
        for _ in range(rounds):
            if peer:
                out["peer"].append({**alone(theirs, instance.node, ALONE), "unstreamed": whole(theirs_whole, instance.node, ALONE),
                                    "rate": rate(theirs, instance.node, n), "kb": tree_kb(peer.process.pid)})
            out["pairs"].append({"rate": pairs(instance, len(users), seconds), "one": pairs(instance, 1, seconds)})
            before = settled(instance)
            out["ours"].append({**alone(ours, instance.plain, ALONE), "unstreamed": whole(ours_whole, instance.plain, ALONE),
                                "rate": rate(ours, instance.plain, n), "one": rate(one, instance.plain, n), "kb": ours_kb(instance)})
            if settled(instance) - before != 2 * ALONE + 2 * n:
                raise SystemExit("bench: not every call was charged")
            say("calls: ours %s; peer %s; pairs %s" % (out["ours"][-1], out["peer"][-1] if peer else "none", out["pairs"][-1]))
        calls(many, instance.plain, MANY, MANY)
        settled(instance)
        out["many_kb"].append(instance.memory()["runner"]["pss"])
    finally:
        if peer:
            peer.end()
    return out
