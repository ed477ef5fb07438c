"""An instance of Millrace of its own for measuring, made by ./dev, and what can be asked of it: users, SQL, its processes, their
memory and processor time."""
import atexit
import base64
import glob
import hmac
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "tests", "bench")
BUILD = os.path.join(ROOT, "build", "bench")
PGBIN = os.environ.get("MILLRACE_DEV_PGBIN", "/usr/lib/postgresql/15/bin")
NOT_WORKERS = ["streamd", "runner", "nginx", "spawn", "postgresql"]     # of the roles; the others are pools
TICK = os.sysconf("SC_CLK_TCK")
PROGRAMS = {
    "client": ["client", "net"], "provider": ["provider"], "publish": ["publish", "events", "net"],
    "fanout": ["fanout", "subscriber", "publisher", "ws", "events", "net"],
}
BIN = os.environ.get("MILLRACE_DEV_BIN", ROOT + "/build")

# Nothing of a benchmark is limited by a setting that is there against abuse.
SETTINGS = {
    "MILLRACE_RATE_READ": "0", "MILLRACE_RATE_WRITE": "0", "MILLRACE_RATE_LOGIN": "0",
    "MILLRACE_USER_JOBS": "10000", "MILLRACE_USER_STREAMS": "0", "MILLRACE_RUNNER_JOBS": "2000",
    "MILLRACE_ARGON2_OPS": "1", "MILLRACE_ARGON2_KIB": "8192",
    "MILLRACE_DEV_LOGIN_RATE": "10000r/s", "MILLRACE_DEV_PUBLIC_RATE": "10000r/s",
    "OPENAI_API_KEY": "bench", "MILLRACE_FETCH_NETWORKS": "127.0.0.9",
}

# The same drop-in files on a plain and on a TLS listener, with nginx's own reply and the peers beside them.
SERVERS = """
    upstream bench_node { server 127.0.0.1:%(node)d; keepalive 64; }
    upstream bench_fastapi { server 127.0.0.1:%(fastapi)d; keepalive 64; }
    server {
        listen 127.0.0.1:%(plain)d;
        %(locations)s
    }
    server {
        listen 127.0.0.1:%(tls)d ssl http2;
        ssl_certificate %(dir)s/tls/cert.pem;
        ssl_certificate_key %(dir)s/tls/key.pem;
        include millrace/tls.conf;
        %(locations)s
    }
"""
LOCATIONS = """
        include millrace/server.conf;
        include millrace/api-only.conf;
        location = /bench/static { default_type application/json; return 200 '{"status":"ok"}'; }
        location = /bench/node { proxy_pass http://bench_node/api/user; include millrace-bench-peer.conf; }
        location = /bench/fastapi { proxy_pass http://bench_fastapi/api/user; include millrace-bench-peer.conf; }
"""
PEER = "proxy_http_version 1.1;\nproxy_set_header Connection \"\";\n"


def file_limit():
    """As many descriptors as the units give streamd, where the machine lets us; for us too."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = 262144 if hard == resource.RLIM_INFINITY else min(hard, 262144)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files


def free_ports(n):
    """Of the fifty from MILLRACE_TEST_PORTS on, or from 9000."""
    first = int(os.environ.get("MILLRACE_TEST_PORTS", "9000"))
    last, found = first + 49, []
    for port in range(first, last + 1):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == n:
            return found
    raise SystemExit("bench: fewer than %d free ports between %d and %d" % (n, first, last))


def compile_programs():
    """Ours in C, against the library that make has built."""
    os.makedirs(BUILD, exist_ok=True)
    include = subprocess.run(["pg_config", "--includedir"], check=True, capture_output=True, text=True).stdout.strip()
    for name, parts in PROGRAMS.items():
        subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-I" + ROOT + "/include",
                        "-isystem", include, "-o", os.path.join(BUILD, name), *[os.path.join(BENCH, part + ".c") for part in parts],
                        ROOT + "/build/libmillrace.a", "-pthread", "-lhttp_parser", "-lssl", "-lcrypto", "-lpq", "-ljson-c",
                        "-lsodium", "-ljwt", "-lidn2", "-lqrencode", "-lunistring", "-lnettle"], check=True)
    # A worker whose caller is the benchmark's own: caller_stub.c says why.
    sources = [s for s in glob.glob("fcgi/*.c", root_dir=ROOT) + glob.glob("handlers/**/*.c", root_dir=ROOT, recursive=True) if s != "fcgi/caller.c"]
    parts = [ROOT + "/build/obj/" + s[:-2] + ".o" for s in sources]
    subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-I" + ROOT + "/include", "-I" + ROOT,
                    "-isystem", include, "-pthread", "-o", os.path.join(BUILD, "worker-stub"), BENCH + "/caller_stub.c", *parts,
                    ROOT + "/build/libmillrace.a", "-lfcgi", "-lpq", "-ljson-c", "-lsodium", "-ljwt", "-lcrypto", "-lidn2", "-lqrencode", "-lunistring", "-lnettle"], check=True)


def program(name):
    return os.path.join(BUILD, name)


class Missing(Exception):
    """A peer cannot be had here; says which and why."""


def npm_peer(name, node, env):
    """The directory of a peer with what it needs installed: peers/NAME, copied."""
    if not node:
        raise Missing("Node: left out (%s), there is no Node 20 and none could be installed" % name)
    path, source = os.path.join(BUILD, "peers", name), os.path.join(BENCH, "peers", name)
    os.makedirs(path, exist_ok=True)
    for file in os.listdir(source):
        if os.path.isfile(os.path.join(source, file)):
            shutil.copy(os.path.join(source, file), path)
    if not os.path.isdir(path + "/node_modules"):
        got = subprocess.run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=path, env=env, capture_output=True, text=True)
        if got.returncode != 0:
            raise Missing("Node: left out (%s), npm could not install it: %s" % (name, got.stderr.strip()[-200:]))
    return path


class Instance:
    """Started by the constructor; stopped and removed when the process ends."""

    def __init__(self, settings=None):
        ports = free_ports(12)
        self.port, self.plain, self.tls, self.node, self.fastapi, self.provider = ports[:6]
        self.fanout_ports = ports[6:]
        self.dir = tempfile.mkdtemp(prefix="millrace-bench-")
        os.chmod(self.dir, 0o755)
        bin_dir = os.path.join(self.dir, "bin")      # a copy: a build in the tree meanwhile changes nothing
        os.mkdir(bin_dir)
        for name in os.listdir(BIN):
            if name.startswith(("millrace", "thesaurus")):
                shutil.copy2(os.path.join(BIN, name), bin_dir)
        self.env = {k: v for k, v in os.environ.items() if not re.match("MILLRACE_(?!DEV_PGBIN)|OPENAI_|ANTHROPIC_|GEMINI_|API_JWT|PG", k)}
        self.env.update(known(SETTINGS), MILLRACE_DEV_DIR=self.dir, MILLRACE_DEV_PORT=str(self.port), MILLRACE_DEV_BIN=bin_dir,
                        **{"OPENAI_BASE_URL": "http://127.0.0.1:%d/v1" % self.provider, **(settings or {})})
        atexit.register(self.stop)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that what is registered is done then, too
        self.dev("run", "--detach")
        self.cert = self.dir + "/tls/cert.pem"
        self.run_dir = self.dir + "/run"
        self.add_servers()

    def dev(self, *args, **more):
        done = subprocess.run([ROOT + "/dev", *args], env=self.env, cwd=ROOT, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, **more)
        if done.returncode != 0:
            raise SystemExit("bench: ./dev %s failed:\n%s%s" % (" ".join(args), done.stdout, done.stderr))
        return done.stdout

    def stop(self):
        if not os.path.isdir(self.dir):
            return
        subprocess.run([ROOT + "/dev", "stop"], env=self.env, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def add_servers(self):
        path = self.dir + "/nginx/conf/nginx.conf"
        with open(path) as f:
            text = f.read().rstrip()
        # both ends of each connection that is passed on, on whichever process
        text = re.sub(r"worker_connections \d+", "worker_connections %d" % (file_limit() - 256), text)
        servers = SERVERS % dict(vars(self), locations=LOCATIONS)
        with open(path, "w") as f:
            f.write(text[:text.rindex("}")] + servers + "}\n")
        with open(self.dir + "/nginx/conf/millrace-bench-peer.conf", "w") as f:
            f.write(PEER)
        before = set(self.processes()["nginx"])
        self.dev("restart", "nginx")
        end = time.time() + 15
        while True:     # a process of before may still take a connection, and close it
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/bench/static" % self.plain, timeout=1).close()
                if len(before & set(self.processes()["nginx"])) <= 1 or time.time() > end:     # the master stays
                    return
            except OSError:
                if time.time() > end:
                    raise
            time.sleep(0.1)

    # ---------------------------------------------------------------- asking

    @property
    def conninfo(self):
        return "host=%s/pg dbname=millrace" % self.run_dir

    def sql(self, text):
        return subprocess.run([PGBIN + "/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo + " user=postgres", "-c", text],
                              check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()

    def secret(self):
        with open(self.dir + "/millrace.env") as f:
            return re.search(r"^API_JWT_SECRET=(\S+)", f.read(), re.M).group(1)

    def users(self, n):
        """n new users: (id, token) of each."""
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl.create_default_context(cafile=self.cert))
        made = []
        for i in range(n):
            body = json.dumps({"email": "bench%d@example.org" % i, "password": "correct horse 7", "display_name": "Bench %d" % i})
            c.request("POST", "/api/auth/register", body, {"Content-Type": "application/json"})
            reply = c.getresponse()
            text = reply.read()
            if reply.status != 201:
                raise SystemExit("bench: register: %d %s" % (reply.status, text[:300]))
            user = json.loads(text)
            made.append((user["uid"], user["token"]))
        c.close()
        return made

    def signed_in(self, n):
        """n new users, made without asking anybody: (id, session, token) of each."""
        secret, now = self.secret().encode(), int(time.time())
        rows = self.sql("WITH u AS (INSERT INTO app_user (email, display_name) SELECT gen_random_uuid() || '@example.org', 'Listener' "
                        "FROM generate_series(1, %d) RETURNING id) INSERT INTO session (user_id, expires_at) "
                        "SELECT id, now() + interval '1 day' FROM u RETURNING user_id, id" % n)
        made = []
        for row in rows.splitlines():
            user, session = row.split("|")
            claims = {"iss": "millrace", "sub": user, "sid": session, "iat": now, "exp": now + 86400}
            text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
            made.append((user, session, text + "." + base64url(hmac.digest(secret, text.encode(), "sha256"))))
        return made

    # ------------------------------------------------------------- processes

    def spawners(self):
        """Who looks after each role, in the order of their starts: {role: pid}."""
        found = {}
        for file in sorted(glob.glob(self.run_dir + "/*.pid"), key=os.path.getmtime):
            with open(file) as f:
                found[os.path.basename(file)[:-4]] = int(f.read())
        return found

    def processes(self):
        """The pids of each role; "spawn" are those that look after the others."""
        roles = {"spawn": []}
        for name, pid in self.spawners().items():
            roles[name] = children(pid)
            if name == "nginx":
                roles[name].append(pid)
            else:
                roles["spawn"].append(pid)
        with open(self.dir + "/pg/postmaster.pid") as f:
            postmaster = int(f.readline())
        roles["postgresql"] = [postmaster] + children(postmaster)
        return roles

    def sole(self, role, before=()):
        """The pid of a role of one process, once those of `before`, and those that have handed over, are gone."""
        end = time.time() + 60
        while len(now := self.processes()[role]) != 1 or now[0] in before:
            if time.time() > end:
                raise SystemExit("bench: the old %s does not end" % role)
            time.sleep(0.2)
        return now[0]

    def memory(self):
        """Each role's kilobytes: {role: {"n", "pss", "rss"}}."""
        out = {}
        for role, pids in self.processes().items():
            maps = [m for m in map(smaps, pids) if m]
            out[role] = {"n": len(maps), "pss": sum(m["Pss"] for m in maps), "rss": sum(m["Rss"] for m in maps),
                         "most": max((m["Pss"] for m in maps), default=0)}
        return out

    def cpu(self):
        """Each role's seconds of processor time so far."""
        out = {}
        for role, pids in self.processes().items():
            out[role] = sum(map(cpu_seconds, pids))
            if role == "postgresql":
                out[role] += cpu_seconds(pids[0], 13)       # of backends that have ended
        return out

    def database_connections(self):
        """By application name, without ours."""
        rows = self.sql("SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                        "AND usename LIKE 'millrace%' GROUP BY 1 ORDER BY 1")
        return {name: int(n) for name, n in (line.rsplit("|", 1) for line in rows.splitlines())}


def known(settings):
    """Those that this tree has: an earlier commit refuses what it does not know."""
    with open(ROOT + "/lib/config.c") as f:
        table = f.read()
    return {name: value for name, value in settings.items() if name.startswith("MILLRACE_DEV_") or '"%s"' % name in table}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def smaps(pid):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return {line.split(":")[0]: int(line.split()[1]) for line in f if re.match("(Pss|Rss):", line)}
    except (OSError, ProcessLookupError):
        return None


def cpu_seconds(pid, first=11):
    """User and system time of a process; `first` 13: of its children that have ended."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[first]) + int(fields[first + 1])) / TICK
    except (OSError, ProcessLookupError):
        return 0.0


class Background:
    """A program of ours or a peer, ended with us."""

    def __init__(self, command, ready=None, **more):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **more)
        atexit.register(self.end)

    def end(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


def wait_port(port, seconds=20):
    end = time.time() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.time() > end:
                raise SystemExit("bench: nothing listens on port %d" % port)
            time.sleep(0.1)
