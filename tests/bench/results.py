"""The tables of a run, as Markdown."""
from figures import LEADS as FIGURE_LEADS, MESSAGES
from instance import NOT_WORKERS
from matching import LEADS, ROWS
from neighbours import KINDS
from report import median, number, spread, table
from results_fanout import fanout
from workflows import AT_ONCE, MANY, WAIT_S


def rate_rows(r):
    rows = []
    base = median([s["rate"] for s in r["samples"]["select"]])
    for name, samples in r["samples"].items():
        values = [s["rate"] for s in samples]
        latency = ["p50", "p99"]
        ms = ["%s" % number(median([s[k] for s in samples]), 2) if k in samples[0] else "" for k in latency]
        cpu = {role: median([c.get(role, 0) for c in r["cpu_us"][name]]) for role in r["cpu_us"][name][0]}
        workers = sum(us for role, us in cpu.items() if role not in NOT_WORKERS)
        rows.append([r["what"][name], spread(values), number(median(values) / base, 2), *ms, number(cpu["nginx"]), number(workers),
                     number(cpu["postgresql"])])
    return rows


def ratio(a, b):
    """Of two rows in the same run: the median of the rounds' own ratios."""
    return [x["rate"] / y["rate"] for x, y in zip(a, b)]


def rates(out):
    r = out["rates"]
    s = r["samples"]
    text = "## Requests a second, 64 connections where not said otherwise\n\n"
    text += table(["", "requests/s: median (least to most)", "over pgbench", "p50 ms", "p99 ms", "nginx us", "worker us", "PostgreSQL us"],
                  rate_rows(r))
    text += "\n\nThe last three columns: processor time a request.\n\n"
    in_turns = [1 / (1 / h["rate"] + 1 / q["rate"]) for h, q in zip(s["healthz"], s["statements"])]
    rows = [["GET /api/user over the bare SELECT", spread(ratio(s["user"], s["select"]), 2), "0.42"],
            ["its floor over the bare SELECT: healthz, and its statements by pgbench, one after the other",
             spread([x / q["rate"] for x, q in zip(in_turns, s["select"])], 2), ""],
            ["GET /api/user over this floor", spread([u["rate"] / x for u, x in zip(s["user"], in_turns)], 2), ""],
            ["GET /api/user over the bare SELECT, HTTPS", spread(ratio(s["user_tls"], s["select"]), 2), ""],
            ["healthz over nginx's return 200", spread(ratio(s["healthz"], s["static"]), 2), ""]]
    for peer, name, asked in (("node", "Node", "5"), ("fastapi", "FastAPI", "8"), ("node_bare", "Node without nginx", "")):
        if peer in s:
            rows.append(["GET /api/user over " + name, spread(ratio(s["user"], s[peer]), 1), asked])
    rows.append(["p99 over p50 at 64 connections", spread([x["p99"] / x["p50"] for x in s["user"]], 1), "under 4"])
    fixed = r["fixed"]
    rows.append(["p99 ms at a fixed %s/s, 64 connections" % number(fixed[0]["rate"]), spread([x["p99"] for x in fixed], 1), ""])
    rows.append(["p50 ms of that", spread([x["p50"] for x in fixed], 2), ""])
    return text + table(["ratio", "median (least to most)", "asked"], rows) + "\n"


def callers(out):
    checked, stub = out["callers"]["checked"], out["callers"]["stub"]
    rows = [["GET /api/user by its token, requests/s", spread([x["rate"] for x in checked]), ""],
            ["the same with everybody taken for one user", spread([x["rate"] for x in stub]), ""],
            ["what the token adds to a request's time, %", spread([(s / c - 1) * 100 for s, c in zip([x["rate"] for x in stub], [x["rate"] for x in checked])], 1),
             "under 15"]]
    for key, name in (("worker_us", "worker"), ("postgresql_us", "PostgreSQL")):
        rows.append(["of that, %s us a request" % name, spread([c[key] - s[key] for c, s in zip(checked, stub)], 1), ""])
    return "## What checking a token costs, 64 connections\n\n" + table(["", "median (least to most)", "asked"], rows) + "\n"


def writes(out):
    rows = [[what, *(spread([x[key] for x in out["writes"][name]], places) for key, places in (("rate", 0), ("p50", 2), ("p99", 1)))]
            for name, what in (("many", "64 connections"), ("alone", "one after the other"))]
    rows.append(["pgbench, its statements, no wait for the disk", spread([x["rate"] for x in out["writes"]["statements"]]), "", ""])
    return "## Durable writes, POST /api/leads\n\n" + table(["", "requests/s: median (least to most)", "p50 ms", "p99 ms"], rows) + "\n"


def first(out):
    r = out["first"]
    names = {"overhead": "from POST to the first token, less the provider's own time", "before": "of that, until the provider is asked",
             "after": "the provider's first token to ours", "direct": "the client at the provider itself",
             "flush": "a flush, of which one comes before the provider is asked and one before a token is shown"}
    rows = [[names[n], spread([x["p50"] for x in r[n]], 2), spread([x["p99"] for x in r[n]], 2), "2" if n == "after" else ""] for n in names]
    return "## First token, idle machine, one chat after the other over HTTPS\n\n" + table(["ms", "p50", "p99", "asked"], rows) + "\n"


def chats(out):
    text = "## 1,000 chats at once, over HTTPS, on one runner\n\n"
    rows = []
    for key, what in (("chats", "50 tokens, 100 ms apart"), ("chats_fast", "100 tokens, 50 ms apart")):
        r = out[key]
        rows += [[what + ": ended with done", spread([x["done"] for x in r]), "all"],
                 ["tokens lost", spread([x["expected"] - x["tokens"] for x in r]), "0"],
                 ["tokens/s at the clients", spread([x["rate"] for x in r]), ""],
                 ["the most that there is: these clients at the provider itself, without TLS, tokens/s", spread([x["direct"] for x in r]), ""],
                 ["tokens/s at the clients over the most that there is", spread([x["rate"] / x["direct"] for x in r], 2), ""],
                 ["first token behind, p50 ms", spread([x["first"]["p50"] for x in r], 1), ""],
                 ["its floor, p50 ms: at the provider itself, while pgbench asks for as many chats", spread([x["floor"]["p50"] for x in r], 1), ""],
                 ["and these statements, p50 ms", spread([x["statements"]["p50"] for x in r], 1), ""],
                 ["first token behind, p99 ms", spread([x["first"]["p99"] for x in r], 1), ""],
                 ["its floor, p99 ms: at the provider itself, while pgbench asks for as many chats", spread([x["floor"]["p99"] for x in r], 1), ""],
                 ["and these statements, p99 ms", spread([x["statements"]["p99"] for x in r], 1), ""]]
        for stage in zip(*(x["stages"] for x in r)):
            rows += [["of a first token, %s, p50 ms" % stage[0]["stage"], spread([x["p50"] for x in stage], 1), ""],
                     ["and of the slowest hundredth, ms", spread([x["slow"] for x in stage], 1), ""]]
        rows += [["a token behind the provider's, p50 ms", spread([x["token"]["p50"] for x in r], 1), ""],
                 ["a token behind the provider's, p99 ms", spread([x["token"]["p99"] for x in r], 1), ""]]
        for role in ("runner", "streamd", "nginx", "postgresql"):
            rows.append([role + ": processors busy", spread([x["cpu_s"][role] / x["seconds"] for x in r], 2), ""])
        rows.append(["runner, PSS MB", spread([x["peak"]["runner"]["pss"] / 1024 for x in r], 1), "under 300"])
        rows.append(["streamd, PSS MB", spread([x["peak"]["streamd"]["pss"] / 1024 for x in r], 1), ""])
    return text + table(["", "median (least to most)", "asked"], rows) + "\n"


def calls(out):
    r = out["calls"]
    rows = [[text.split(" ", 1)[1].replace("|", "\\|"), text.split(" ", 1)[0]] for text in r["statements"][:10]]
    return ("## Statements of a chat, from POST until its first token is in the log, 1,000 chats at once\n\n"
            + table(["", "calls a chat"], [["all", number(r["chat"], 1)], *rows]) + "\n")


def events(out):
    rows = []
    for rate, r in out["events"].items():
        what = "%s events/s" % number(int(rate))
        rows += [[what + ": reached", spread([x["rate"] for x in r]), what.split()[0]],
                 [what + ": lost", spread([x["sent"] - x["came"] for x in r]), "0"],
                 [what + ": commit to client, p50 ms", spread([x["latency"]["p50"] for x in r], 2), ""],
                 [what + ": commit to client, p99 ms", spread([x["latency"]["p99"] for x in r], 1), "25" if int(rate) == 5000 else ""],
                 [what + ": PostgreSQL, processors busy", spread([x["cpu_s"]["postgresql"] / x["seconds"] for x in r], 2), ""],
                 [what + ": streamd, processors busy", spread([x["cpu_s"]["streamd"] / x["seconds"] for x in r], 2), ""]]
    return "## The event log: 1,000 topics, a transaction every 20 ms, streamd's own socket\n\n" + table(
        ["", "median (least to most)", "asked"], rows) + "\n"


def neighbours(out):
    rows = [[KINDS[kind], spread([x["alone"] for x in r], 1), spread([x["beside"] for x in r], 1),
             spread([x["beside"] / x["alone"] for x in r], 1), "under 3"] for kind, r in out["neighbours"].items()]
    return "## What one user can do to another, p99, over HTTPS\n\n" + table(
        ["", "alone, ms", "beside, ms", "beside over alone", "asked"], rows) + "\n"


def searches(out):
    r = out["search"]
    ms = lambda part: spread(r[part], 1)
    over = lambda part, asked: [spread([x / median(r["beside" if part == "big" else "alone"]) for x in r[part]], 1), asked]
    rows = [["over 3,180 passages", ms("alone"), "", ""],
            ["the same, beside 2 million of others", ms("beside"), *over("beside", "1.0")],
            ["over 200,000, beside 2 million of others", ms("big"), *over("big", "under 10")]]
    return "## Searches, p50 of one after the other, over HTTPS\n\n" + table(["", "ms", "over 3,180 passages", "asked"], rows) + "\n"


def workflows(out):
    r = out["workflows"]
    rows = [["Millrace, by POST /api/agents/workflows/execute", spread(r["ours"]), ""]]
    if r["peer"]:
        rows += [["graphile-worker, chains of ten jobs", spread(r["peer"]), ""],
                 ["ours over graphile-worker's", spread([a / b for a, b in zip(r["ours"], r["peer"])], 1), "3"]]
    rows.append(["%d runs at once, each of which waits %d s: all have ended after, s" % (MANY, WAIT_S), spread(r["many"], 1), ""])
    return "## Workflows of ten empty steps, %d at once\n\n" % AT_ONCE + table(["steps/s", "median (least to most)", "asked"], rows) + "\n"


def matching(out):
    r = out["matching"]
    row = lambda name, key: [name, *[spread([x[i] for x in r[key]], 1) for i in (0, 1)], spread([a / b for a, b in r[key]], 2), "at most 1.5"]
    return ("## %s rows of a file matched with %s leads, s\n\n" % (number(ROWS), number(LEADS))
            + table(["", "Millrace", "SQL by hand, and one pass of libphonenumber", "ratio", "asked"],
                    [row("keys of the leads, too", "first"), row("once more, with the keys that there are", "again")])
            + "\n\nThe runner and its children have %s MB at most (asked: under 200); %s rows found a lead.\n"
            % (number(max(r["kb"]) / 1024, 1), number(r["matches"][0])))


def figures(out):
    r = out["figures"]
    rows = [["GET /api/analytics/overview", spread(r["ours"], 1), ""], ["the query over what is counted by the hour", spread(r["counted"], 1), ""],
            ["the query over all rows", spread(r["rows"], 1), ""],
            ["the overview over the query of what is counted", spread([a / b for a, b in zip(r["ours"], r["counted"])], 2), "under 2"]]
    return "## Figures of %s messages and %s leads, ms\n\n" % (number(MESSAGES), number(FIGURE_LEADS)) + table(["", "median (least to most)", "asked"], rows) + "\n"


def gateway(out):
    r = out["gateway"]
    ours, peer = r["ours"], r["peer"]
    of = lambda rounds, key: spread([x[key] for x in rounds], 2)
    against = lambda key: spread([a[key] / b[key] for a, b in zip(ours, peer)], 2) if peer else ""
    rows = [["one alone: beyond the provider, p50 in ms", of(ours, "whole"), of(peer, "whole") if peer else "", against("whole"), "at most 1.0"],
            ["one alone: first byte of the stream, likewise", of(ours, "first"), of(peer, "first") if peer else "", against("first"), "at most 1.0"],
            ["one alone, not streamed, likewise", of(ours, "unstreamed"), of(peer, "unstreamed") if peer else "", against("unstreamed"), "at most 1.0"],
            ["64 in flight, calls/s", of(ours, "rate"), of(peer, "rate") if peer else "", against("rate"), "2, better 3"],
            ["memory, kB of PSS", of(ours, "kb"), of(peer, "kb") if peer else "", against("kb"), "at most 0.3"]]
    pairs = [[what, of(r["pairs"], key), of(ours, key), spread([a[key] / b[key] for a, b in zip(ours, r["pairs"])], 2), "0.5"]
             for key, what in (("rate", "for many users"), ("one", "for one user"))]
    return ("## Calls of models, reserved before and all settled, beside @portkey-ai/gateway, which stores nothing\n\n"
            + table(["", "Millrace", "the peer", "ratio", "asked"], rows)
            + "\n\nThe two functions that reserve and settle, called by pgbench, 32 at once, and calls through the product:\n\n"
            + table(["a second", "pgbench", "calls", "ratio", "asked"], pairs)
            + "\n\n1,000 calls at once: the runner has %s MB (asked: under 300).\n" % number(max(r["many_kb"]) / 1024, 1))


def memory(out):
    idle = out["idle"]["memory"]
    busy = out.get("rates", {}).get("under_load", {}).get("memory", {})
    many = max(out.get("chats", []), key=lambda x: x["peak"]["runner"]["pss"])["peak"] if out.get("chats") else {}
    workers = [role for role in idle if role not in NOT_WORKERS]
    mb = lambda m, role: number(m[role]["pss"] / 1024, 1) if role in m else ""
    rows = [[role, idle[role]["n"], mb(idle, role), mb(busy, role), mb(many, role)] for role in workers + NOT_WORKERS]
    total = lambda m: number(sum(m[p]["pss"] for p in workers) / 1024, 1) if m else ""
    rows.insert(len(workers), ["all worker pools (asked: under 60 idle)", sum(idle[p]["n"] for p in workers), total(idle), total(busy), total(many)])
    text = "## Memory, PSS in MB\n\n" + table(["role", "processes", "idle", "GET /api/user, 64", "1,000 chats"], rows) + "\n"
    if out.get("peer_idle_kb"):
        text += "\nPeers, idle: " + ", ".join("%s %s MB" % (n, number(kb / 1024, 1)) for n, kb in out["peer_idle_kb"].items()) + ".\n"
    text += "\nDatabase connections, idle: " + ", ".join("%s %d" % c for c in out["idle"]["connections"].items()) + ".\n"
    if out.get("chats"):
        text += "\nWith 1,000 chats: " + ", ".join("%s %d" % c for c in out["chats"][0]["connections"].items()) + ".\n"
    if "idle_streams" in out:
        s = out["idle_streams"]
        text += "\nAn idle SSE stream costs streamd %s bytes (of %s; asked: at most 1,500).\n" % (number(s["bytes"]), number(s["streams"]))
    return text


def tables(out):
    m = out["machine"]
    parts = ["# What was measured",
             "%s. %d processors (%s), %d GiB, Linux %s, nginx %s, PostgreSQL %s; load client, peers and provider on the same "
             "processors, load before the start %.1f. Ratios count; absolute figures move by up to twofold between runs.%s\n\n"
             "Made by `tests/bench/run%s --save` in %d s. Each figure: the median of the rounds (the least to the most)."
             % (m["date"], m["processors"], m["model"], m["memory_gib"], m["kernel"], m["nginx"], m["postgresql"], m["load_before"],
                "".join(" %s." % note for note in out["notes"]), " --quick" if out["quick"] else "", out["took_s"])]
    for name, render in (("rates", rates), ("callers", callers), ("writes", writes), ("first", first), ("chats", chats), ("calls", calls), ("events", events), ("fanout", fanout),
                         ("search", searches), ("workflows", workflows), ("matching", matching), ("figures", figures), ("gateway", gateway), ("neighbours", neighbours)):
        if name in out:
            parts.append(render(out).rstrip())
    parts.append(memory(out).rstrip())
    return "\n\n".join(parts) + "\n"
