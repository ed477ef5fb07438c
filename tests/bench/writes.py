"""Durable writes: POST /api/leads by many users, at 64 connections and one after the other."""
from rates import pgbench, statements, wrk

BODY = '{"name":"Ada","email":"ada@example.org","company":"Mill","source":"bench"}'


def measure(instance, users, rounds, seconds):
    tokens = instance.dir + "/tokens"
    with open(tokens, "w") as f:
        f.writelines(token + "\n" for _, token in users)
    out = {"many": [], "alone": [], "statements": []}
    given = ("'Ada'", "'ada@example.org'", "NULL", "'Mill'", "'bench'", "NULL", "NULL", "NULL", "NULL")
    asked = statements(instance, [users[0][0]], "lead_create", *given)
    for _ in range(rounds):
        out["statements"].append(pgbench(instance, asked, seconds, "millrace_api", "-c synchronous_commit=off"))
        for name, connections in (("many", 64), ("alone", 1)):
            out[name].append(wrk("http://127.0.0.1:%d" % instance.plain, "/api/leads", tokens, connections, seconds, BODY))
    return out
