"""What checking a caller costs: GET /api/user by the account pool, and by a pool of the same worker in which fcgi/caller.c is the
benchmark's own (caller_stub.c). Both behind the same nginx, round by round, each round both in turns."""
import os
import subprocess
import time

from instance import BUILD, Background, children, cpu_seconds, program
from rates import wrk

# The drop-in's own location, with another pool behind it.
LOCATION = "location = /bench/stub { include millrace-bench-stub.conf; }\n"
UPSTREAM = "upstream bench_stub { server unix:%s max_fails=0; keepalive 64; keepalive_timeout 3s; keepalive_requests 1000; }\n"


def add_location(instance):
    conf = instance.dir + "/nginx/conf/"
    with open(conf + "millrace/worker.conf") as f:
        text = f.read().replace("fastcgi_pass $millrace_pool;", "fastcgi_pass bench_stub;")
    with open(conf + "millrace-bench-stub.conf", "w") as f:
        f.write(text.replace("DOCUMENT_URI    $millrace_path;", "DOCUMENT_URI    /api/user;"))
    with open(conf + "nginx.conf") as f:
        text = f.read()
    text = text.replace("    server {", "    " + UPSTREAM % (instance.run_dir + "/stub.sock") + "    server {", 1)
    text = text.replace("location = /bench/static", LOCATION + "        location = /bench/static")
    with open(conf + "nginx.conf", "w") as f:
        f.write(text)
    instance.dev("restart", "nginx")
    time.sleep(2)


def start_stub(instance, user):
    env = {k: v for k, v in instance.env.items() if not k.startswith(("MILLRACE_DEV_", "OPENAI_", "ANTHROPIC_", "GEMINI_"))}
    env.update(API_JWT_SECRET=instance.secret(), MILLRACE_DB="host=%s/pg dbname=millrace" % instance.run_dir,
               MILLRACE_RUNTIME_DIR=instance.run_dir, MILLRACE_TEST_BENCH_USER=user)
    pids, socket = instance.processes()["account"], os.stat(instance.run_dir + "/account.sock")
    owner, n = os.stat("/proc/%d" % pids[0]), len(pids)
    stub = Background([instance.env["MILLRACE_DEV_BIN"] + "/millrace-spawn", "--name", "stub", "--processes", str(n), "--socket",
                       instance.run_dir + "/stub.sock", "--group", str(socket.st_gid), "--user", "%d:%d" % (owner.st_uid, owner.st_gid),
                       "--pidfile", instance.run_dir + "/stub.pid", "--", program("worker-stub"), "--pool", "account"], env=env, stderr=subprocess.DEVNULL)
    end = time.time() + 20
    while not os.path.exists(instance.run_dir + "/stub.sock"):
        if time.time() > end:
            raise SystemExit("bench: the stubbed worker did not start")
        time.sleep(0.1)
    return stub


def measure(instance, users, rounds, seconds, say):
    tokens = instance.dir + "/tokens"
    with open(tokens, "w") as f:
        f.writelines(token + "\n" for _, token in users)
    stub = start_stub(instance, users[0][0])
    add_location(instance)
    url = "http://127.0.0.1:%d" % instance.plain
    paths = {"checked": "/api/user", "stub": "/bench/stub"}
    pids = {"checked": instance.processes()["account"], "stub": children(stub.process.pid)}
    samples = {name: [] for name in paths}
    for path in paths.values():
        wrk(url, path, tokens, 64, 1)
    for i in range(rounds):
        for name in sorted(paths, reverse=i % 2 == 1):
            worker = sum(map(cpu_seconds, pids[name]))
            database = instance.cpu()["postgresql"]
            got = wrk(url, paths[name], tokens, 64, seconds)
            n = got["rate"] * seconds
            got["worker_us"] = (sum(map(cpu_seconds, pids[name])) - worker) / n * 1e6
            got["postgresql_us"] = (instance.cpu()["postgresql"] - database) / n * 1e6
            samples[name].append(got)
    say("callers")
    stub.end()
    return samples
