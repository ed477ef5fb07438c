"""The tables of the fan-out."""
from report import median, number, spread, table

SERVERS = {"millrace": "Millrace", "nchan": "nchan", "ws": "Node ws, frame built once", "socketio": "socket.io"}
WAYS = {"direct": "directly", "nginx": "through nginx", "tls": "through nginx, TLS"}


def name_of(what):
    server, way, protocol = what
    if server == "nchan":       # it is nginx
        return "nchan" + (", TLS" if way == "tls" else "")
    return "%s%s, %s" % (SERVERS[server], ", Socket.IO" if (server, protocol) == ("millrace", "socketio") else "", WAYS[way])


def cpu_of(samples):
    """Microseconds of processor time a delivery, over all rounds: streamd's own and the others' for Millrace."""
    deliveries = sum(x["deliveries"] for x in samples)
    roles = {role: sum(x["cpu_us"][role] * x["deliveries"] for x in samples) / max(deliveries, 1) for role in samples[0]["cpu_us"]}
    return " + ".join("%s %s" % (role, number(us, 1)) for role, us in roles.items())


def lost(samples):
    return sum(x["lost"] + x["repeated"] + x["ended"] for x in samples)


def size(n, systems, what):
    paced = None
    rows = []
    for key, modes in systems.items():
        paced = modes["paced"]
        rows.append([name_of(what[key]), spread([x["rate"] for x in modes["one"]]),
                     spread([x["rate"] for x in modes["many"]]) if "many" in modes else "",
                     spread([x["due"]["p50"] for x in paced], 2), spread([x["due"]["p99"] for x in paced], 1), cpu_of(paced),
                     sum(lost(samples) for samples in modes.values())])
    header = ["deliveries/s", "one message at a time", "many at once", "fixed rate: p50 ms", "p99 ms", "processor us a delivery", "lost"]
    return header, rows


def caption(n, modes):
    many = "; many at once: offered %s messages a second" % number(modes["many"]["rate"]) if "many" in modes else ""
    return "### %s subscriber%s\n\nFixed rate: %s messages a second%s.\n\n" % (
        number(n), "" if n == 1 else "s", number(modes["paced"]["rate"]), many)


def over(systems, a, b, mode, value=lambda x: x["rate"]):
    """Of two systems in the same run: the rounds' own ratios; None where one of them was not there."""
    if a not in systems or b not in systems or mode not in systems[a]:
        return None
    return [value(x) / max(value(y), 1e-9) for x, y in zip(systems[a][mode], systems[b][mode])]


def p99(x):
    return x["due"]["p99"]


# What is compared: its name, ours, theirs, the mode, what is asked, of how many subscribers, the value.
RATIOS = [("directly over nchan, one at a time", "millrace ws direct", "nchan nginx", "one", "over 1", (1000, 5000)),
          ("directly over nchan, many at once", "millrace ws direct", "nchan nginx", "many", "over 1", (1000, 5000)),
          ("through nginx over nchan, one at a time", "millrace ws nginx", "nchan nginx", "one", "0.5", (1000, 5000)),
          ("through nginx over nchan, many at once", "millrace ws nginx", "nchan nginx", "many", "over 1", (100, 1000, 5000)),
          ("the same with TLS, one at a time", "millrace ws tls", "nchan tls", "one", "0.5", (1000, 5000)),
          ("the same with TLS, many at once", "millrace ws tls", "nchan tls", "many", "over 1", (100, 1000, 5000)),
          ("directly over ws", "millrace ws direct", "ws direct", "one", "", (1000, 5000))]
SOCKETIO = [("Socket.IO over socket.io, %s, %s" % (WAYS[way], words), "millrace socketio " + way, "socketio " + way, mode, "2",
             (100, 1000, 5000)) for mode, words in (("one", "one at a time"), ("many", "many at once")) for way in WAYS]
LATE = [("p99 over nchan's, " + WAYS[way], "millrace ws " + way, "nchan tls" if way == "tls" else "nchan nginx", "paced", "at most 1",
         (100, 1000, 5000)) for way in WAYS]


def ratios(sizes):
    rows = []
    for value, list_ in ((lambda x: x["rate"], RATIOS + SOCKETIO), (p99, LATE)):
        for what, a, b, mode, asked, ns in list_:
            for n in ns:
                got = over(sizes[n], a, b, mode, value)
                if got:
                    rows.append(["%s: %s" % (number(n), what), spread(got, 2), asked])
    return rows


def topics(out):
    rows = []
    for key, modes in out["topics"].items():
        slow, fast = modes["100/s"], modes["5,000/s"]
        rows.append([name_of(out["what"][key]), spread([x["rate"] for x in modes["many"]]),
                     spread([x["sent"]["p50"] for x in slow], 2), spread([x["sent"]["p99"] for x in slow], 1),
                     spread([x["sent"]["p50"] for x in fast], 2), spread([x["sent"]["p99"] for x in fast], 1), cpu_of(fast),
                     sum(lost(samples) for samples in modes.values())])
    return table(["", "deliveries/s", "100 events/s: p50 ms", "p99 ms", "5,000 events/s: p50 ms", "p99 ms",
                  "processor us a delivery", "lost"], rows)


def idle(out):
    rows = []
    for key, kb in out["idle"].items():
        what = out["what"].get(key)
        rows.append([name_of(what) if what else "Millrace, SSE, directly", number(kb, 2), "1.5" if key in IDLE_ASKED else ""])
    return table(["of %s, kB each" % number(out["idle_n"]), "PSS", "asked"], rows)


IDLE_ASKED = ("millrace ws direct", "millrace sse direct")


def fanout(out):
    r = out["fanout"]
    parts = ["## Fan-out: messages of 200 bytes, subscribers of one topic\n\n"
             "A message reaches Millrace through PostgreSQL (asynchronous commit), nchan by POST, the others by a line over TCP. "
             "Latency is from when a message was due. Lost: what anybody did not get, or got again."]
    sizes = {int(n): systems for n, systems in r["sizes"].items()}
    for n, systems in sizes.items():
        header, rows = size(n, systems, r["what"])
        parts.append(caption(n, r["modes"][n]) + table(header, rows))
    if r["topics"]:
        parts.append("### 2,000 topics of 5 subscribers\n\nLatency from the commit, the POST or the line being sent; 5,000 events in "
                     "transactions of 20 ms.\n\n" + topics(r))
    parts.append("### Idle connections\n\n" + idle(r))
    rows = ratios(sizes)
    for way in WAYS:
        for rate, asked in (("100/s", ""), ("5,000/s", "under 25")):
            got = r["topics"].get("millrace ws " + way, {}).get(rate)
            if got:
                rows.append(["commit to socket, p99 ms, %s, %s" % (rate, WAYS[way]), spread([x["sent"]["p99"] for x in got], 1), asked])
    all_lost = sum(lost(s) for systems in [*sizes.values(), r["topics"]] for modes in systems.values() for s in modes.values())
    rows.append(["lost, of all", str(all_lost), "0"])
    parts.append("### Ratios\n\n" + table(["subscribers", "median (least to most)", "asked"], rows))
    return "\n\n".join(parts) + "\n"
