"""Statements that our roles send for a chat until its first token is in the log, counted by pg_stat_statements: of 1,000 at once, asked within
a second, and of ten one after the other. An instance of its own, whose server counts them."""
import subprocess
import time
import urllib.request

from instance import Background, Instance, program, wait_port
from streams import chat_requests, client, tls_args

CHATS, ALONE = 1000, 10
HELD_MS = 40000         # from a first token to the next: all firsts come before any second
OURS = "FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname LIKE 'millrace%'"


def ready(instance):
    end = time.time() + 60
    while True:
        try:
            urllib.request.urlopen("http://127.0.0.1:%d/readyz" % instance.plain, timeout=2).close()
            return
        except OSError:
            if time.time() > end:
                raise
            time.sleep(0.2)


def counting(instance):
    instance.sql("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    instance.dev("restart", "postgresql")
    ready(instance)
    instance.sql("CREATE EXTENSION pg_stat_statements")


def counted(instance):
    return int(instance.sql("SELECT coalesce(sum(calls), 0) " + OURS))


def idle(instance, seconds=10):
    """Calls a second while nothing is asked."""
    instance.sql("SELECT pg_stat_statements_reset()")
    time.sleep(seconds)
    return counted(instance) / seconds


def until_first(instance, tokens, chats, rate, background):
    """Calls a chat from the first POST until every chat has its first token."""
    asked = chat_requests(instance, "calls", tokens, "[[first:300 tokens:2 delay:%d]] How deep is the river?" % HELD_MS)
    seen = "SELECT count(*) FROM stream_event WHERE type = 'token'"
    before = int(instance.sql(seen))
    instance.sql("SELECT pg_stat_statements_reset()")
    began = time.time()
    load = Background([program("client"), "--to", "127.0.0.1:%d" % instance.port, "--connections", str(chats), "--requests", str(chats), "--rate", str(rate),
                       "--seconds", "120", *tls_args(instance), asked], stdout=subprocess.DEVNULL)
    while (n := int(instance.sql(seen)) - before) < chats:
        if time.time() - began > HELD_MS / 1000 - 5:
            raise SystemExit("bench: %d of %d chats had a token in time" % (n, chats))
        time.sleep(0.2)
    calls = counted(instance) - background * (time.time() - began)
    load.process.wait(150)
    if n != chats:
        raise SystemExit("bench: %d first tokens of %d chats" % (n, chats))
    return calls / chats


def statements(instance, chats):
    """The most frequent of the last count, a chat."""
    rows = instance.sql("SELECT round(s.calls / %d.0, 2) || ' ' || r.rolname || ': ' || left(regexp_replace(s.query, '\\s+', ' ', 'g'), 100) %s "
                        "ORDER BY s.calls DESC LIMIT 25" % (chats, OURS))
    return rows.splitlines()


def measure(users, say):
    instance = Instance()
    provider = Background([program("provider"), str(instance.provider)], stdout=subprocess.DEVNULL)
    try:
        wait_port(instance.provider)
        tokens = [token for _, token in instance.users(users)]
        counting(instance)
        warm = chat_requests(instance, "warm", tokens, "[[first:10 tokens:1 delay:1]] How deep is the river?")
        client("--connections", 50, "--requests", 200, *tls_args(instance), warm, to="127.0.0.1:%d" % instance.port)
        background = idle(instance)
        alone = until_first(instance, tokens, ALONE, 2, background)
        many = until_first(instance, tokens, CHATS, CHATS, background)
        say("calls a chat: %.1f of 1,000 at once, %.1f alone; idle %.1f/s" % (many, alone, background))
        return {"many": many, "alone": alone, "idle": background, "statements": statements(instance, CHATS)}
    finally:
        provider.end()
        instance.stop()
