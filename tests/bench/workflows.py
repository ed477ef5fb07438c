"""Workflows of ten empty steps, a hundred at once, beside chains of ten jobs by graphile-worker, which keeps them in the same server; and
five hundred runs at once, each of which waits."""
import json
import subprocess
import time
import urllib.request

from instance import Missing, npm_peer
from rates import wrk

AT_ONCE, STEPS, MANY, WAIT_S = 100, 10, 500, 2


def workflow(instance, token, steps):
    ask = urllib.request.Request("http://127.0.0.1:%d/api/workflows" % instance.plain, json.dumps({"name": "bench", "definition": {"steps": steps}}).encode(),
                                 {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(ask))["id"]


def ended(instance, flow):
    """How many of a workflow's runs have completed; one that failed voids the measurement."""
    n = dict(row.split("|") for row in instance.sql("SELECT r.status, count(*) FROM run r JOIN workflow_run w ON w.id = r.id "
                                                    "WHERE w.workflow_id = '%s' GROUP BY 1" % flow).splitlines())
    if "failed" in n:
        raise SystemExit("bench: %s runs of workflows failed" % n["failed"])
    return int(n.get("completed", 0))


def many(instance, token, flow):
    """Seconds from the first of so many runs until the last has ended."""
    before, began = ended(instance, flow), time.time()
    body = json.dumps({"workflow_id": flow, "async": True}).encode()
    for _ in range(MANY):
        urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:%d/api/agents/workflows/execute" % instance.plain, body,
                                                      {"Authorization": "Bearer " + token, "Content-Type": "application/json"})).close()
    while ended(instance, flow) < before + MANY:
        if time.time() > began + 120:
            raise SystemExit("bench: %d runs at once did not end" % MANY)
        time.sleep(0.05)
    return time.time() - began


def measure(instance, users, node, alone, rounds, seconds, say):
    """Steps a second of both, and the seconds of the many: a list of the rounds' each."""
    token = users[0][1]
    empty = [{"id": "s%d" % i, "type": "transform"} for i in range(STEPS)]
    flow, waiting = workflow(instance, token, empty), workflow(instance, token, [{"id": "w", "type": "wait", "seconds": WAIT_S}] + empty)
    tokens, out = instance.dir + "/token", {"ours": [], "peer": [], "many": [], "notes": []}
    with open(tokens, "w") as f:
        f.write(token + "\n")
    peer = None
    try:
        peer = None if alone else npm_peer("chains", node, instance.env)
        instance.sql("CREATE DATABASE chains")
    except Missing as e:
        out["notes"].append(str(e))
    for _ in range(rounds):
        got = wrk("http://127.0.0.1:%d" % instance.plain, "/api/agents/workflows/execute", tokens, AT_ONCE, seconds,
                  json.dumps({"workflow_id": flow}))
        out["ours"].append(got["rate"] * STEPS)
        if peer:
            env = dict(instance.env, DATABASE_URL="postgres://postgres@/chains?host=%s/pg" % instance.run_dir, NODE_ENV="production")
            done = subprocess.run([node, "chains.mjs", str(AT_ONCE), str(STEPS), str(seconds)], cwd=peer, env=env, check=True,
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL)
            got = json.loads(done.stdout)
            out["peer"].append(got["steps"] / got["seconds"])
        out["many"].append(many(instance, token, waiting))
        say("workflows: %d steps/s; chains: %d; %d at once: %.1f s" % (out["ours"][-1], out["peer"][-1] if peer else 0, MANY, out["many"][-1]))
    return out
