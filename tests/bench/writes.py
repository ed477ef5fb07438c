"""Durable writes: POST /api/leads by many users, at 64 connections and one after the other."""
from rates import wrk

BODY = '{"name":"Ada","email":"ada@example.org","company":"Mill","source":"bench"}'


def measure(instance, users, rounds, seconds):
    tokens = instance.dir + "/tokens"
    with open(tokens, "w") as f:
        f.writelines(token + "\n" for _, token in users)
    out = {"many": [], "alone": []}
    for _ in range(rounds):
        for name, connections in (("many", 64), ("alone", 1)):
            out[name].append(wrk("http://127.0.0.1:%d" % instance.plain, "/api/leads", tokens, connections, seconds, BODY))
    return out
