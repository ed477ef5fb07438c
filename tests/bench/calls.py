"""Statements that workers, streamd and runner send for a chat until its first token is in the log, of 1,000 at once, asked within a second.
Counted by pg_stat_statements, in an instance of its own; less what is sent while nothing is asked."""
import subprocess
import time
import urllib.request

from instance import Background, Instance, program, wait_port
from streams import chat_requests, client, tls_args

CHATS = 1000
HELD_MS = 40000         # from a first token to the next: all firsts come before any second
OURS = "FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname IN ('millrace_api', 'millrace_stream', 'millrace_runner')"


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


def most_frequent(instance):
    """A chat's calls of each of these, and its beginning."""
    return instance.sql("SELECT round(s.calls / %d.0, 2) || ' ' || r.rolname || ': ' || left(regexp_replace(s.query, '\\s+', ' ', 'g'), 100) %s "
                        "ORDER BY s.calls DESC LIMIT 25" % (CHATS, OURS)).splitlines()


def until_first(instance, tokens, background):
    """Calls a chat from the first POST until every chat has its first token, and the most frequent of them."""
    asked = chat_requests(instance, "calls", tokens, "[[first:300 tokens:2 delay:%d]] How deep is the river?" % HELD_MS)
    seen = "SELECT count(*) FROM stream_event WHERE type = 'token'"
    before = int(instance.sql(seen))
    instance.sql("SELECT pg_stat_statements_reset()")
    began = time.time()
    load = Background([program("client"), "--to", "127.0.0.1:%d" % instance.port, "--connections", str(CHATS), "--requests", str(CHATS), "--rate", str(CHATS),
                       "--seconds", "120", *tls_args(instance), asked], stdout=subprocess.DEVNULL)
    while (n := int(instance.sql(seen)) - before) < CHATS:
        if time.time() - began > HELD_MS / 1000 - 5:
            raise SystemExit("bench: %d of %d chats had a token in time" % (n, CHATS))
        time.sleep(0.2)
    calls = counted(instance) - background * (time.time() - began)
    most = most_frequent(instance)
    load.end()
    if n != CHATS:
        raise SystemExit("bench: %d first tokens of %d chats" % (n, CHATS))
    return calls / CHATS, most


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
        calls, most = until_first(instance, tokens, background)
        say("calls a chat: %.1f; idle %.1f/s" % (calls, background))
        return {"chat": calls, "idle": background, "statements": most}
    finally:
        provider.end()
        instance.stop()
