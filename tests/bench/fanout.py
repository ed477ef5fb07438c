"""Real-time fan-out: Millrace's WebSockets and Socket.IO beside nchan, ws and socket.io, directly and through nginx. Every
subscriber has to get every message once and in order; what did not is counted as lost and shown.

With few subscribers it is publishing that counts, which for Millrace alone goes through a database. Of the median of one event to 100
subscribers (the load client's due and sent, with 1 subscriber and with 100), BEGIN and publish_many() take two fifths, COMMIT to streamd's
first write one fifth, the hundred writes and their reading two fifths. streamd makes one epoll_wait, one recv and a writev a
subscriber. So one at a time, and for the slowest of 100, a server that is told of a message by its own socket is ahead."""
import json
import os
import subprocess
import time

from instance import Background, Missing, children, cpu_seconds, file_limit, npm_peer, program, smaps, wait_port
from streams import encoded, idle_streams

NCHAN = "/usr/lib/nginx/modules/ngx_nchan_module.so"
LENGTH = 200
FIELD = "\x1e"
ENGINE = "?EIO=4&transport=websocket"
MANY_TOPICS, EACH = 2000, 5

# nchan, with the other peers behind the same nginx: another than Millrace's, so that each one's processor time is known.
NGINX = """
load_module %(nchan)s;
daemon off;
worker_processes auto;
worker_rlimit_nofile %(files)d;
pid %(dir)s/nginx.pid;
error_log %(dir)s/error.log;
events { worker_connections %(connections)d; }
http {
    access_log off;
    client_body_temp_path %(dir)s/body;
    proxy_temp_path %(dir)s/proxy;
    fastcgi_temp_path %(dir)s/fastcgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    scgi_temp_path %(dir)s/scgi;
    keepalive_requests 1000000000;      # of the publisher
    nchan_shared_memory_size 512m;
    server {
        listen 127.0.0.1:%(plain)d backlog=4096;
        %(locations)s
    }
    server {
        listen 127.0.0.1:%(tls)d ssl backlog=4096;
        ssl_certificate %(cert)s;
        ssl_certificate_key %(key)s;
        include %(tls_conf)s;
        %(locations)s
    }
}
"""
LOCATIONS = """
        location = /publish {
            nchan_publisher;
            nchan_channel_id $arg_id;
            nchan_message_buffer_length 100000;
            nchan_message_timeout 5m;
        }
        location = /subscribe {
            nchan_subscriber websocket;
            nchan_channel_id $arg_id;
            nchan_subscriber_first_message newest;
        }
        location /socket.io/ { proxy_pass http://127.0.0.1:%(socketio)d; %(upgrade)s }
"""
UPGRADE = ("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
           "proxy_buffering off; proxy_read_timeout 1h;")


def handshake(path, headers=""):
    return ("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n" % (path, headers))


def socketio_script(path, room, headers=""):
    """A handshake, a connection to the main namespace, a room; the server acknowledges that the client is in it."""
    return FIELD.join([handshake(path, headers), "0{", "40", "40{", '420["join",{"room":"%s"}]' % room, "430", ""])


# ------------------------------------------------------------------ systems

class System:
    """Something that is measured: `server` says what it is, `way` how it is reached (direct, nginx, tls), `protocol` ws or
    socketio."""

    def __init__(self, server, way, protocol):
        self.server, self.way, self.protocol = server, way, protocol
        self.key = "%s %s" % (server, way) if server != "millrace" else "millrace %s %s" % (protocol, way)

    # What each has to tell: to(), cert(), publish() for the load client; topics(n): names that are new; script(topic): how a
    # subscriber of it is opened; pids(): {role: [pid]} of the server.


    def renew(self):
        """Makes its process a new one where another measurement may have left memory in it."""


class Millrace(System):
    """A topic is a user's own; its subscribers are that user's connections."""

    def __init__(self, instance, way, protocol):
        super().__init__("millrace", way, protocol)
        self.instance, self.users = instance, {}

    def to(self):
        return {"direct": "unix:%s/streamd.sock" % self.instance.run_dir, "nginx": "127.0.0.1:%d" % self.instance.plain,
                "tls": "127.0.0.1:%d" % self.instance.tls}[self.way]

    def cert(self):
        return self.instance.cert if self.way == "tls" else None

    def publish(self):
        return "pg:%s user=millrace_runner" % self.instance.conninfo

    def topics(self, n):
        self.users = {"user:" + user: (user, session, token) for user, session, token in self.instance.signed_in(n)}
        return list(self.users)

    def script(self, topic):
        user, session, token = self.users[topic]
        if self.way == "direct":
            path, headers = self.handed_over(user, session)
        else:
            path = "/api/ws/notifications?token=" + token if self.protocol == "ws" else "/api/socket.io/" + ENGINE
            headers = "Authorization: Bearer %s\r\n" % token if self.protocol == "socketio" else ""
        return handshake(path, headers) if self.protocol == "ws" else socketio_script(path, "user_" + user, headers)

    def handed_over(self, user, session):
        """What nginx makes of it when a worker has said who it is."""
        path = "/_stream/ws/notifications" if self.protocol == "ws" else "/_stream/socketio" + ENGINE
        grant = {"method": "GET", "user": user, "session": session, "analytics": False, "topic": "user:" + user, "after": 0, "expires_at": 0,
                 "wait_seconds": 0, "timeout_status": 504, "timeout_body": "", "request_id": "bench", "headers": []}
        return path, "X-Request-Id: bench\r\nX-Grant: %s\r\n" % encoded(grant)

    def renew(self):
        before = self.instance.processes()["streamd"]
        self.instance.dev("restart", "streamd")
        self.instance.sole("streamd", before)

    def pids(self):
        roles = self.instance.processes()
        return {role: roles[role] for role in ["streamd", "postgresql"] + (["nginx"] if self.way != "direct" else [])}


class Peer(System):
    def __init__(self, peers, server, way, protocol="ws"):
        super().__init__(server, way, protocol)
        self.peers = peers

    def to(self):
        port = self.peers.ports[{"nginx": "plain", "tls": "tls"}.get(self.way, self.server)]
        return "127.0.0.1:%d" % port

    def cert(self):
        return self.peers.cert if self.way == "tls" else None

    def publish(self):
        if self.server == "nchan":
            return "http:127.0.0.1:%d/publish?id=" % self.peers.ports["plain"]
        return "line:127.0.0.1:%d" % self.peers.ports[self.server + "_publish"]

    def topics(self, n):
        return ["%s-%d-%d" % (self.way, n, i) for i in range(n)]

    def script(self, topic):
        if self.server == "nchan":
            return handshake("/subscribe?id=" + topic)
        if self.server == "ws":
            return handshake("/ws/" + topic)
        return socketio_script("/socket.io/" + ENGINE, topic)

    def pids(self):
        nginx = self.peers.nginx.process.pid
        roles = {} if self.way == "direct" else {"nginx": [nginx] + children(nginx)}
        if self.server in self.peers.node:
            roles[self.server] = [self.peers.node[self.server].process.pid]
        return roles


class Peers:
    """nchan in an nginx of its own, ws and socket.io; what cannot be had is left out and said."""

    def __init__(self, instance, node, files):
        self.notes, self.node, self.systems = [], {}, []
        names = ("plain", "tls", "ws", "ws_publish", "socketio", "socketio_publish")
        self.ports = dict(zip(names, instance.fanout_ports))
        self.cert = instance.cert
        if not os.path.exists(NCHAN):
            raise Missing("nchan: left out, and the fan-out with it: Debian's package is not there")
        self.start_nginx(instance, files)
        self.systems += [Peer(self, "nchan", "nginx"), Peer(self, "nchan", "tls")]
        try:
            self.start_node(instance, node)
        except Missing as e:
            self.notes.append(str(e))

    def start_nginx(self, instance, files):
        at = os.path.join(instance.dir, "peers")
        os.makedirs(at)
        os.chmod(at, 0o755)
        locations = LOCATIONS % dict(self.ports, upgrade=UPGRADE)
        with open(at + "/nginx.conf", "w") as f:
            f.write(NGINX % dict(self.ports, dir=at, nchan=NCHAN, files=files, connections=files - 256, cert=self.cert,
                                 key=instance.dir + "/tls/key.pem", locations=locations,
                                 tls_conf=instance.dir + "/nginx/conf/millrace/tls.conf"))
        self.nginx = Background(["/usr/sbin/nginx", "-p", at, "-c", at + "/nginx.conf", "-e", at + "/error.log"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_port(self.ports["tls"])

    def start_node(self, instance, node):
        path = npm_peer("fanout", node, instance.env)
        for name in ("ws", "socketio"):
            env = dict(PATH=os.environ["PATH"], NODE_ENV="production", PORT=str(self.ports[name]),
                       PUBLISH_PORT=str(self.ports[name + "_publish"]))
            self.node[name] = Background([node, name + ".mjs"], cwd=path, env=env)
            wait_port(self.ports[name])
            wait_port(self.ports[name + "_publish"])
            for way in ("direct", "nginx", "tls") if name == "socketio" else ("direct",):
                self.systems.append(Peer(self, name, way, "socketio" if name == "socketio" else "ws"))

    def end(self):
        for background in [self.nginx, *self.node.values()]:
            background.end()


# --------------------------------------------------------------------- load

class Load:
    """Subscribers of one system, and their publisher."""

    def __init__(self, instance, system, subscribers, topics=1):
        self.system = system
        base = os.path.join(instance.dir, "fanout-%s-%d-%d" % (system.key.replace(" ", "-"), subscribers, topics))
        names = system.topics(topics)
        with open(base + ".topics", "w") as f:
            f.writelines(name + "\0" for name in names)
        with open(base + ".scripts", "w") as f:
            f.writelines(system.script(name) + "\0" for name in names)
        cert = ["--tls", system.cert()] if system.cert() else []
        self.p = subprocess.Popen([program("fanout"), "--to", system.to(), *cert, "--publish", system.publish(), "--connections",
                                   str(subscribers), "--length", str(LENGTH), base + ".topics", base + ".scripts"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def opens(self):
        return self.p.stdout.readline() == "ready\n"

    def cpu(self):
        return {role: sum(map(cpu_seconds, pids)) for role, pids in self.system.pids().items()}

    def run(self, window=0, rate=0, count=0, seconds=0.0, batch_ms=0):
        """What the load client says, with microseconds of the server's processor time a delivery."""
        before = self.cpu()
        self.p.stdin.write("%d %g %d %g %g\n" % (window, rate, count, seconds, batch_ms))
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit("bench: the load client of %s ended" % self.system.key)
        after, out = self.cpu(), json.loads(line)
        out["rate"] = out["deliveries"] / max(out["took_s"], 1e-6)
        out["cpu_us"] = {role: (after[role] - before[role]) / max(out["deliveries"], 1) * 1e6 for role in after}
        return out

    def end(self):
        self.p.stdin.close()
        self.p.wait()


def opened(instance, systems, subscribers, topics=1):
    loads = [Load(instance, system, subscribers, topics) for system in systems]
    for load in loads:
        if not load.opens():
            raise SystemExit("bench: the subscribers of %s could not be opened" % load.system.key)
    time.sleep(0.5)     # nchan's processes tell one another of a new channel after the handshake
    return loads


def rounds_of(loads, modes, rounds, quick):
    """{system: {mode: [result of each round]}}, interleaved, after one round that does not count."""
    out = {load.system.key: {mode: [] for mode in modes} for load in loads}
    for i in range(rounds + 1):
        for mode, settings in modes.items():
            for load in loads:
                got = load.run(**shorter(settings) if quick or i == 0 else settings)
                if i:
                    out[load.system.key][mode].append(got)
    return out


def shorter(settings):
    """The same load for less long."""
    out = dict(settings)
    if "count" in out:
        out["count"] = max(1, out["count"] // 2)
    if "seconds" in out:
        out["seconds"] /= 2
    return out


# What is asked of how many subscribers: one message at a time; more than anybody keeps up with, at 500 a second and more; a
# fixed rate that all can keep.
MODES = {
    1: {"one": dict(window=1, seconds=0.2), "paced": dict(rate=500, count=75)},
    100: {"one": dict(window=1, seconds=0.2), "many": dict(rate=2000, count=300), "paced": dict(rate=500, count=150)},
    1000: {"one": dict(window=1, seconds=0.3), "many": dict(rate=500, count=60), "paced": dict(rate=20, count=8)},
    5000: {"one": dict(window=1, seconds=0.4), "many": dict(rate=500, count=20), "paced": dict(rate=10, count=5)},
}
TOPIC_MODES = {
    "many": dict(window=2000, seconds=0.4), "100/s": dict(rate=100, count=50), "5,000/s": dict(rate=5000, count=2500, batch_ms=20),
}


def chosen(systems, n):
    """What is compared; socket.io behind nginx at 1,000 subscribers alone."""
    return [s for s in systems if s.server in ("millrace", "nchan") or s.way == "direct" or n == 1000]


def measure(instance, systems, rounds, quick, say):
    out = {"sizes": {}, "topics": {}, "modes": MODES, "what": {s.key: [s.server, s.way, s.protocol] for s in systems}}
    for n, modes in MODES.items():
        out["sizes"][n] = {}
        for protocol in ("ws", "socketio"):
            loads = opened(instance, [s for s in chosen(systems, n) if s.protocol == protocol], n)
            out["sizes"][n].update(rounds_of(loads, modes, rounds, quick))
            for load in loads:
                load.end()
            say("%d subscribers, %s" % (n, protocol))
    # one way after the other: together they would take more descriptors than a process may have on some machines
    for ways in (("direct", "nginx"), ("tls",)):
        few = [s for s in systems if s.protocol == "ws" and s.way in ways and (s.server, s.way) != ("millrace", "nginx")]
        loads = opened(instance, few, MANY_TOPICS * EACH, MANY_TOPICS)
        out["topics"].update(rounds_of(loads, TOPIC_MODES, rounds, quick))
        for load in loads:
            load.end()
    say("%d topics" % MANY_TOPICS)
    return out


def pss_kb(system):
    """Of the server itself: without the nginx in front of it."""
    pids = system.pids()
    own = pids.get(system.server) or pids.get("streamd") or pids["nginx"]
    return sum(m["Pss"] for m in map(smaps, own) if m)


def idle(instance, systems, n):
    """Kilobytes of the server for each of n connections on which nothing happens, each of a topic of its own. Asked before there has
    been any load: what a server once had, it does not give back."""
    out = {}
    for system in systems:
        system.renew()
        before = pss_kb(system)
        load = opened(instance, [system], n, n)[0]
        time.sleep(1)
        out[system.key] = (pss_kb(system) - before) / n
        load.end()
    return out


def there(instance, systems, notes):
    """Those whose one subscriber can be opened; the others are left out and said."""
    out = []
    for system in systems:
        load = Load(instance, system, 1)
        if load.opens():
            out.append(system)
        else:
            notes.append("%s: left out, a subscriber could not be opened" % system.key)
        load.end()
    return out


def run(instance, node, users, quick, alone, say):
    peers = None if alone else Peers(instance, node, file_limit())
    systems = [Millrace(instance, way, protocol) for protocol in ("ws", "socketio") for way in ("direct", "nginx", "tls")]
    notes = peers.notes if peers else []
    systems += peers.systems if peers else []
    systems = there(instance, systems, notes)
    idle_n = 5000 if quick else 10000
    direct = [s for s in systems if s.way == "direct" or (s.server, s.way) == ("nchan", "nginx")]
    kb = idle(instance, direct, idle_n)
    systems[0].renew()
    kb["millrace sse direct"] = idle_streams(instance, users[0][0], idle_n)["bytes"] / 1024
    say("idle connections")
    out = measure(instance, systems, 2 if quick else 5, quick, say)
    out["idle_n"], out["idle"] = idle_n, kb
    out["notes"] = notes
    if peers:
        peers.end()
    return out
