"""GET /api/analytics/overview with two million messages and three hundred thousand leads, beside the query over what has been counted of them
by the hour, and beside the one over all rows."""
import json
import subprocess
import time
import urllib.request

from report import percentile

MESSAGES, TALKS, LEADS, DAYS = 2000000, 100000, 300000, 30

ROWS = """SET session_replication_role = replica;
    INSERT INTO lead (id, owner_id, name, status, created_at)
        SELECT (left(uuid_v7_floor(at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, '%(user)s', 'x', (ARRAY['new', 'contacted', 'lost', 'converted'])[1 + g %% 4], at
        FROM (SELECT g, now() - g * interval '%(days)d days' / %(leads)d AS at FROM generate_series(1, %(leads)d) g) r;
    CREATE TABLE talks AS SELECT uuid_v7() AS id, g AS n FROM generate_series(1, %(talks)d) g;
    INSERT INTO conversation (id, owner_id, title) SELECT id, '%(user)s', 'x' FROM talks;
    INSERT INTO message (id, conversation_id, owner_id, role, content, created_at)
        SELECT (left(uuid_v7_floor(at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, t.id, '%(user)s', 'user', 'What is a mill?', at FROM (
            SELECT g %% %(talks)d + 1 AS n, now() - (g %% %(talks)d) * interval '%(days)d days' / %(talks)d - g / %(talks)d * interval '4 minutes' AS at
            FROM generate_series(0, %(messages)d - 1) g ORDER BY 2) r JOIN talks t USING (n);
    DROP TABLE talks"""

COUNTED = """SELECT (SELECT sum(n) FROM lead_hour WHERE hour >= now() - interval '60 days' AND hour < now() - interval '30 days'),
    (SELECT sum(n) FROM lead_hour WHERE hour >= now() - interval '30 days'),
    (SELECT count(*) FROM lead WHERE status = 'converted' AND created_at >= now() - interval '60 days' AND created_at < now() - interval '30 days'),
    (SELECT count(*) FROM lead WHERE status = 'converted' AND created_at >= now() - interval '30 days'),
    (SELECT count(DISTINCT conversation_id) FROM talk_hour WHERE hour >= now() - interval '60 days' AND hour < now() - interval '30 days'),
    (SELECT count(DISTINCT conversation_id) FROM talk_hour WHERE hour >= now() - interval '30 days')"""
ALL_ROWS = """SELECT (SELECT count(*) FROM lead WHERE created_at >= now() - interval '60 days' AND created_at < now() - interval '30 days'),
    (SELECT count(*) FROM lead WHERE created_at >= now() - interval '30 days'),
    (SELECT count(*) FROM lead WHERE status = 'converted' AND created_at >= now() - interval '60 days' AND created_at < now() - interval '30 days'),
    (SELECT count(*) FROM lead WHERE status = 'converted' AND created_at >= now() - interval '30 days'),
    (SELECT count(DISTINCT conversation_id) FROM message WHERE created_at >= now() - interval '60 days' AND created_at < now() - interval '30 days'),
    (SELECT count(DISTINCT conversation_id) FROM message WHERE created_at >= now() - interval '30 days')"""


def timed(instance, query, n):
    """Milliseconds that the server says, of n after the first."""
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", instance.conninfo + " user=postgres", "-c", "SET jit = off", "-c", "\\timing on",
                           *[part for _ in range(n + 1) for part in ("-c", query)]], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time:")][-n:]


def measure(instance, users, rounds, n, say):
    uid, token = users[0]
    instance.sql("UPDATE app_user SET role = 'admin' WHERE id = '%s'" % uid)
    instance.sql(ROWS % {"user": uid, "days": 2 * DAYS, "leads": LEADS, "talks": TALKS, "messages": MESSAGES})
    instance.sql("VACUUM ANALYZE lead, message, conversation")
    # Their ids are of when they were made; nothing is counted yet.
    instance.sql("UPDATE figure_upto SET lead = '%s', message = '%s'" % (2 * ("00000000-0000-0000-0000-000000000000",)))
    began = time.time()
    while instance.sql("SELECT figures_roll(now() - interval '10 minutes', 100000)") == "t":
        pass
    out = {"roll_s": time.time() - began, "ours": [], "counted": [], "rows": []}
    instance.sql("VACUUM ANALYZE lead_hour, talk_hour")
    say("figures: %d hours of conversations in %.1f s" % (int(instance.sql("SELECT count(*) FROM talk_hour")), out["roll_s"]))

    def overview():
        began = time.time()
        ask = urllib.request.Request("http://127.0.0.1:%d/api/analytics/overview?days=%d" % (instance.plain, DAYS), headers={"Authorization": "Bearer " + token})
        json.load(urllib.request.urlopen(ask))
        return 1000 * (time.time() - began)
    overview()
    for _ in range(rounds):
        out["ours"].append(percentile([overview() for _ in range(n)], 50))
        out["counted"].append(percentile(timed(instance, COUNTED, n), 50))
        out["rows"].append(percentile(timed(instance, ALL_ROWS, 1), 50))
        say("figures: %.0f ms; of what is counted %.0f ms; of all rows %.0f ms" % (out["ours"][-1], out["counted"][-1], out["rows"][-1]))
    return out
