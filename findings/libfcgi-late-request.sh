#!/bin/sh
# libfcgi 2.4.2 (Debian 12: libfcgi-dev 2.4.2-2+deb12u1)
#
# What it does: FCGX_Accept_r takes a connection from a UNIX socket, waits two seconds for its first bytes, and where none come closes it and
# waits for the next one, without a word to the application. Nobody else is served while it waits. LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT
# (milliseconds) is another time, and never "for as long as it takes, beside others".
#
# What the documentation says: fcgiapp.h names no such limit ("accepts a new request"), nor does the FastCGI specification (1.0), in which a
# connection is the web server's to close. nginx, which on a busy host may be held up between connecting and sending, answers its client
# with 502, and repeats nothing.
#
# What we do: accept connections by ourselves, and give libfcgi each when there is something to read on it (fcgi/worker.c).
#
# Seen on 2026-11-28:
#     sent at once: hello
#     sent after 1 s: hello
#     sent after 3 s: closed, no reply
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download libfcgi-dev=2.4.2-2+deb12u1 >/dev/null 2>&1 || exit 2
dpkg -x ./*.deb .
cat >hello.c <<'END'
#include <fcgiapp.h>
int
main(int argc, char **argv)
{
	FCGX_Request r;

	FCGX_Init();
	FCGX_InitRequest(&r, FCGX_OpenSocket(argv[argc - 1], 5), 0);
	while (FCGX_Accept_r(&r) == 0)
		FCGX_PutS("Content-Type: text/plain\r\n\r\nhello", r.out);
	return 0;
}
END
cc -Iusr/include -o hello hello.c "$(find usr -name libfcgi.a)" || exit 2
./hello "$T/socket" &
server=$!
said=$(python3 - "$T/socket" <<'END'
import os, socket, struct, sys, time


def record(kind, content=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
for wait, what in (0, "at once"), (1, "after 1 s"), (3, "after 3 s"):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    time.sleep(wait)
    got = b""
    try:
        s.sendall(record(1, b"\0\1\0\0\0\0\0\0") + record(4) + record(5))
        while piece := s.recv(4096):
            got += piece
    except OSError:
        pass
    print("sent %s: %s" % (what, "hello" if b"hello" in got else "closed, no reply"))
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
