"""What the tests of streamd share: a PostgreSQL cluster of their own, a streamd on a socket of its own, and a client that reads
chunked event streams strictly."""
import atexit
import base64
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(ROOT + "/tests")
import cluster  # noqa: E402

BIN = os.environ.get("MILLRACE_DEV_BIN", os.path.join(ROOT, "build"))
USER = "0198c0de-0000-7000-8000-000000000001"
# How long one waits for what comes by itself, on a machine that is busy.
PATIENCE = 120

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


class Cluster(cluster.Cluster):
    def __init__(self):
        super().__init__("streamd", "-c fsync=off -c wal_writer_delay=10s")
        self.psql("millrace_owner", "millrace", "-c", "INSERT INTO app_user (id, display_name) VALUES ('%s', 'Test')" % USER)

    def sql(self, text, role="millrace_runner"):
        """All of it in one transaction."""
        return self.psql(role, "millrace", "-c", text)

    def publish(self, topic, type, data):
        return int(self.sql("SELECT publish('%s', '%s', %s)" % (topic, type, quoted(json.dumps(data)))))

    def publish_many(self, topic, n, type="token", start=1):
        """n events {"content": "<number>"} in one transaction."""
        self.sql("SELECT publish_many(array_fill('%s'::text, ARRAY[%d]), array_fill('%s'::text, ARRAY[%d]), "
                 "(SELECT array_agg(json_build_object('content', g::text)::text ORDER BY g) FROM generate_series(%d, %d) g))"
                 % (topic, n, type, n, start, start + n - 1))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Streamd:
    """One streamd; the listening socket is ours and outlives it, as systemd's would."""

    secret = "0123456789abcdef0123456789abcdef"

    def __init__(self, cluster, files=None, **settings):
        """`files`: its limit of open ones."""
        self.cluster = cluster
        self.files = files
        self.path = tempfile.mktemp(prefix="streamd-", suffix=".sock", dir=cluster.top)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4096)
        self.log = open(self.path + ".log", "w+")
        self.settings = settings
        self.process = None
        # Where successors look for it: others of the same test are none.
        self.runtime = self.path + ".run"
        os.mkdir(self.runtime)
        atexit.register(self.end)

    def start(self, wait=True):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MILLRACE_", "API_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "PG", "LISTEN_"))}
        env["MILLRACE_DB"] = "host=%s dbname=millrace" % self.cluster.top
        env["API_JWT_SECRET"] = self.secret
        env["MILLRACE_RUNTIME_DIR"] = self.runtime
        env["MILLRACE_LIBEXEC_DIR"] = BIN
        env.update({"MILLRACE_" + k.upper(): str(v) for k, v in self.settings.items()})

        # LISTEN_PID has to be the daemon's own.
        launch = ("import os, resource, sys; " + ("resource.setrlimit(resource.RLIMIT_NOFILE, (%d, %d)); " % (self.files, self.files)
                                                  if self.files else "") + "os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
                  "os.execv(sys.argv[2], sys.argv[2:])")
        self.process = subprocess.Popen(
            [sys.executable, "-c", launch, str(self.listener.fileno()), os.path.join(BIN, "millrace-streamd")],
            env=env, stdout=self.log, stderr=self.log, pass_fds=(self.listener.fileno(),))
        if wait:
            self.wait_for("ready")
        return self

    def succeed(self):
        """Starts a successor beside it; the old process must end by itself."""
        old = self.process
        self.start(wait=False)
        assert old.wait(PATIENCE) == 0
        return old

    def ctl(self, *args):
        """millracectl with this daemon's settings: (status, what it printed)."""
        env = {"PATH": os.environ["PATH"], "MILLRACE_RUNTIME_DIR": self.runtime,
               "MILLRACE_DB": "host=%s dbname=millrace" % self.cluster.top}
        done = subprocess.run([os.path.join(BIN, "millracectl"), *args], env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def said(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def wait_for(self, word, seconds=PATIENCE):
        end = time.time() + seconds
        while '"' + word not in self.said():
            if time.time() > end or self.process.poll() is not None:
                raise AssertionError("streamd did not say %s: %s" % (word, self.said()))
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def heirs(self):
        """Successors: processes that the daemon has started."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    if b"MILLRACE_RUNTIME_DIR=" + self.runtime.encode() in f.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return [pid for pid in found if pid != self.process.pid]

    def end(self):
        self.kill()
        for pid in self.heirs():
            os.kill(pid, signal.SIGKILL)

    def processor(self):
        """Seconds of CPU that the daemon has used."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory(self, field="Pss"):
        """Kilobytes of the daemon."""
        with open("/proc/%d/smaps_rollup" % self.process.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise AssertionError(field)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(self.path)
        return s

    def raw(self, data, timeout=PATIENCE):
        """Everything that comes back for these bytes."""
        s = self.connect()
        s.settimeout(timeout)
        try:
            s.sendall(data)
        except OSError:
            pass
        return read_all(s)

    def request(self, path, grant, method="GET"):
        s = self.connect()
        s.sendall(request_bytes(path, grant, method))
        return s

    def stream(self, run, after=0, **grant):
        return Stream(self.request("/_stream/run/" + run, make_grant(run, after=after, **grant)))

    def reply(self, run, method="GET", **grant):
        return self.request("/_stream/reply/" + run, make_grant(run, method=method, **grant), method)


class Peer:
    """The client's side of a connection; `closed` after it ended. take(data) is called with what comes."""

    def __init__(self, s):
        self.s = s
        self.raw = b""
        self.closed = False

    def pump(self, seconds=0.0):
        """Takes in what comes within so long, or until the end."""
        end = time.time() + seconds
        while not self.closed:
            self.s.settimeout(max(end - time.time(), 0.0001))
            try:
                data = self.s.recv(1 << 20)
            except (TimeoutError, socket.timeout, BlockingIOError):
                return self
            except ConnectionResetError:
                data = b""
            if data:
                self.take(data)
            else:
                self.closed = True
                self.s.close()
        return self


class Channel(Peer):
    """A WebSocket of a channel, as nginx hands it over: `messages` are what came. Frames of the server are whole and unmasked."""

    def __init__(self, d, topic, after=0, channel="notifications", **grant):
        grant.setdefault("user", topic.partition(":")[2])
        head = request_bytes("/_stream/ws/" + channel, make_grant(new_run(), topic=topic, after=after, headers=[], **grant)).decode()
        super().__init__(d.connect())
        self.s.sendall(head.replace("Connection: close", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").encode())
        self.messages = []
        self.close_code = self.close_reason = None
        while b"\r\n\r\n" not in self.raw:
            self.raw += self.s.recv(4096)
        reply, _, self.raw = self.raw.partition(b"\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 101 "), reply
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in reply, reply
        self.take(b"")  # frames may come in one piece with the reply

    def frame(self, text, opcode=1):
        data = text.encode()
        head = bytes([0x80 | opcode]) + (bytes([0x80 | len(data)]) if len(data) < 126 else
                                         b"\xfe" + len(data).to_bytes(2, "big"))
        return head + b"\0\0\0\0" + data

    def send(self, data):
        self.s.settimeout(PATIENCE)
        try:
            self.s.sendall(data)
        except OSError as e:
            self.pump()
            raise AssertionError("the channel was closed with %r %r: %s" % (self.close_code, self.close_reason, e))

    def say(self, message):
        self.send(self.frame(json.dumps(message)))

    def take(self, data):
        self.raw += data
        while self.one():
            pass

    def one(self):
        if len(self.raw) < 2:
            return False
        opcode, n, at = self.raw[0] & 15, self.raw[1], 2
        if n >= 126:
            at = 4 if n == 126 else 10
            n = int.from_bytes(self.raw[2:at], "big")
        if len(self.raw) < at + n or (self.raw[1] >= 126 and len(self.raw) < at):
            return False
        payload, self.raw = self.raw[at:at + n], self.raw[at + n:]
        if opcode == 1:
            self.messages.append(json.loads(payload))
        elif opcode == 8:
            self.close_code, self.close_reason = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        else:
            assert opcode in (9, 10), opcode
        return True

    def seqs(self):
        return [m["seq"] for m in self.messages if m["type"] in ("notification_created", "event")]

    def until_seqs(self, n, seconds=PATIENCE):
        end = time.time() + seconds
        while len(self.seqs()) < n and time.time() < end and not self.closed:
            self.pump(0.02)
        return self


def new_run():
    return str(uuid.uuid4())


def make_grant(run, **more):
    g = {"method": "GET", "user": USER, "topic": "run:" + run, "after": 0, "expires_at": 0, "wait_seconds": PATIENCE,
         "timeout_status": 504, "timeout_body": '{"status":"running"}', "request_id": "req-1",
         "headers": [["X-Run-Id", run]]}
    g.update(more)
    return g


def encode_grant(grant):
    return base64.urlsafe_b64encode(json.dumps(grant).encode()).rstrip(b"=").decode()


def request_bytes(path, grant, method="GET"):
    return ("%s %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: req-1\r\nConnection: close\r\n%s\r\n"
            % (method, path, "X-Grant: %s\r\n" % encode_grant(grant) if grant is not None else "")).encode()


def read_all(s):
    got = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return got
        if not part:
            return got
        got += part


def parse_reply(raw):
    """(status, headers, body) of a whole reply with Content-Length."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return int(lines[0].split()[1]), headers, body


class Stream(Peer):
    """An SSE stream over chunked encoding, strictly. `events` are (id, type, data text); `clean` after its last chunk came."""

    def __init__(self, s):
        super().__init__(s)
        self.text = b""
        self.head = None
        self.events = []
        self.pings = 0
        self.lines = []  # beside the events
        self.frame = []
        self.clean = False

    def take(self, data):
        self.raw += data
        if self.head is None:
            head, sep, rest = self.raw.partition(b"\r\n\r\n")
            if not sep:
                return
            self.status, self.headers, _ = parse_reply(head + sep)
            self.head, self.raw = head, rest
        while not self.clean:
            size, sep, rest = self.raw.partition(b"\r\n")
            if not sep:
                break
            n = int(size, 16)
            if len(rest) < n + 2:
                break
            assert rest[n:n + 2] == b"\r\n", rest[:80]
            self.text += rest[:n]
            self.raw = rest[n + 2:]
            if n == 0:
                self.clean = True
                assert self.raw == b"", self.raw[:80]
        while b"\n" in self.text:
            line, _, self.text = self.text.partition(b"\n")
            self.line(line.decode())

    def line(self, line):
        """A blank line ends an event and nothing else; an event is three lines, the id the last."""
        if line == ": ping":
            self.pings += 1
        elif line.startswith((": ", "retry: ")):
            self.lines.append(line)
        elif line:
            self.frame.append(line)
            return
        else:
            event, data, id = self.frame
            assert event.startswith("event: ") and data.startswith("data: ") and id.startswith("id: "), self.frame
            self.events.append((int(id[4:]), event[7:], data[6:]))
            self.frame = []
        assert not self.frame, "within an event: %r" % self.frame

    def until(self, done, seconds=PATIENCE):
        end = time.time() + seconds
        while not done(self):
            if self.closed or time.time() > end:
                raise AssertionError("%d events, the last %r, clean %s, closed %s"
                                     % (len(self.events), self.events[-1:], self.clean, self.closed))
            self.pump(0.02)
        return self

    def until_events(self, n, seconds=PATIENCE):
        return self.until(lambda s: len(s.events) >= n, seconds)

    def until_end(self, seconds=PATIENCE):
        end = time.time() + seconds
        while not self.closed and time.time() < end:
            self.pump(0.05)
        assert self.closed, "the stream did not end"
        return self

    def is_let_in(self):
        """Not where it is refused for now; as soon as anything is there."""
        return self.lines[:1] == ["retry: 1000"]

    def ids(self):
        return [e[0] for e in self.events]

    def close(self):
        self.s.close()
