"""A PostgreSQL cluster of their own for the tests of one program."""
import atexit
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PGBIN = os.environ.get("MILLRACE_DEV_PGBIN", "/usr/lib/postgresql/15/bin")


class Cluster:
    """An initialised, migrated cluster in a directory that goes with us, named after `name`. `options` are the server's."""

    def __init__(self, name, options):
        self.options = options
        self.top = tempfile.mkdtemp(prefix="millrace-%s-" % name)
        self.data = os.path.join(self.top, "data")
        os.chmod(self.top, 0o755)
        if os.getuid() == 0:
            shutil.chown(self.top, "postgres")
        atexit.register(self.remove)
        self.as_server(PGBIN + "/initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8",
                       "--locale=C.UTF-8")
        self.start()
        self.psql("postgres", "postgres", "-f", ROOT + "/sql/roles.sql")
        self.psql("postgres", "postgres", "-c", "CREATE DATABASE millrace OWNER millrace_owner")
        self.migrate()
        self.latest = int(self.sql("SELECT max(version) FROM migration", "millrace_owner"))

    def migrate(self):
        programs = os.environ.get("MILLRACE_DEV_BIN", os.path.join(ROOT, "build"))
        done = subprocess.run([programs + "/millracectl", "migrate"], capture_output=True, text=True,
                              env={**os.environ, "MILLRACE_DB": "host=%s dbname=millrace" % self.top})
        if done.returncode:
            raise AssertionError("migrate: " + done.stderr)

    def as_server(self, *command):
        """PostgreSQL refuses to run as root."""
        if os.getuid() == 0:
            command = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups") + command
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        """Plans are not compiled, as they are not in sessions of our programs: a test's own are like theirs."""
        self.as_server(PGBIN + "/pg_ctl", "-D", self.data, "-l", self.top + "/log", "-w", "-o",
                       "-k %s -c listen_addresses='' -c jit=off %s" % (self.top, self.options), "start")

    def stop(self, mode="fast"):
        self.as_server(PGBIN + "/pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def remove(self):
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.top, ignore_errors=True)

    def psql(self, role, db, *args, input=""):
        done = subprocess.run(["psql", "-h", self.top, "-U", role, "-d", db, "-v", "ON_ERROR_STOP=1", "-AtqX", *args],
                              capture_output=True, text=True, input=input)
        if done.returncode:
            raise AssertionError("psql: " + done.stderr)
        return done.stdout.strip()

    def sql(self, text, role="millrace_owner"):
        return self.psql(role, "millrace", input=text)

    def set_version(self, version):
        self.sql("DELETE FROM migration; INSERT INTO migration VALUES (%d, 'test', '')" % version, "millrace_owner")
