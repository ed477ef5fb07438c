#!/usr/bin/env python3
"""Stand-ins for a worker pool and for streamd, to test what nginx does between them.

standin.py worker NAME    a FastCGI server that echoes what it was sent, or hands over
standin.py streamd        an HTTP/1.1 server that echoes what it was sent

Both take their listening socket as descriptor 3 (LISTEN_FDS=1).
"""
import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import sys

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6


def listening_socket():
    assert os.environ.get("LISTEN_FDS") == "1", "no socket given"
    assert os.environ.get("LISTEN_PID") == str(os.getpid()), "the socket is for another process"
    s = socket.socket(fileno=3)
    assert not os.get_blocking(3), "the socket is blocking"
    return s


def params_of(data):
    out, at = {}, 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            n = data[at]
            at += 1
            if n & 0x80:
                n = struct.unpack(">I", bytes([n & 0x7F]) + data[at:at + 3])[0]
                at += 3
            sizes.append(n)
        name, value = data[at:at + sizes[0]], data[at + sizes[0]:at + sum(sizes)]
        at += sum(sizes)
        out.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return out


def record(kind, rid, body):
    return b"".join(
        struct.pack(">BBHHBB", 1, kind, rid, len(body[i:i + 60000]), 0, 0) + body[i:i + 60000]
        for i in range(0, max(len(body), 1), 60000))


def answer(pool, p, body):
    """What this worker says to one request: raw CGI response bytes."""
    path = p.get("DOCUMENT_URI", "")
    head = [("X-Request-Id", "from-worker"), ("X-Pool", pool), ("Access-Control-Allow-Origin", "*")]
    to = None
    if path.startswith("/api/runs/") and path.endswith("/stream"):
        to = "/_stream/run/" + path.split("/")[3]
    elif path.startswith("/api/documents/search") or "wait=1" in p.get("QUERY_STRING", ""):
        to = "/_stream/reply/42"
    elif path.startswith("/api/ws/"):
        to = "/_stream/ws/" + path.split("/")[3]
    elif path.startswith("/api/socket.io"):
        to = "/_stream/socketio?" + p.get("QUERY_STRING", "")
    if to:
        grant = base64.urlsafe_b64encode(json.dumps({"path": path}).encode()).decode()
        head += [("X-Accel-Redirect", to), ("X-Grant", grant)]
        text = b""
    else:
        head += [("Content-Type", "application/json"), ("X-Grant", "must-not-leave")]
        text = json.dumps({"pool": pool, "pid": os.getpid(), "body": len(body), "params": p}).encode()
    status = {"/api/status/503": 503, "/api/status/404": 404}.get(path, 200)
    lines = "Status: %d x\r\n" % status + "".join("%s: %s\r\n" % h for h in head)
    return lines.encode() + b"\r\n" + (b"" if p.get("REQUEST_METHOD") == "HEAD" else text)


async def fastcgi(pool, reader, writer):
    params, body, keep = b"", b"", False
    try:
        while True:
            _, kind, rid, n, pad, _ = struct.unpack(">BBHHBB", await reader.readexactly(8))
            data = await reader.readexactly(n)
            await reader.readexactly(pad)
            if kind == BEGIN:
                params, body, keep = b"", b"", bool(data[2] & 1)
            elif kind == PARAMS:
                params += data
            elif kind == STDIN and data:
                body += data
            elif kind == STDIN:
                p = params_of(params)
                writer.write(record(STDOUT, rid, answer(pool, p, body)) + record(STDOUT, rid, b"") +
                             struct.pack(">BBHHBBIB3x", 1, END, rid, 8, 0, 0, 0, 0))
                await writer.drain()
                if not keep:
                    break
            elif kind == ABORT:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def http(reader, writer):
    try:
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = raw[0].split(" ")
        heads = {k.lower(): v for k, v in (h.split(": ", 1) for h in raw[1:] if h)}
        body = await reader.readexactly(int(heads.get("content-length", 0)))
        seen = json.dumps({"method": method, "target": target, "headers": heads, "body": len(body)})
        leak = "X-Accel-Redirect: /healthz\r\nX-Request-Id: from-streamd\r\nX-Run-Id: 42\r\n"
        if target.startswith("/_stream/run/"):
            writer.write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s"
                          "Connection: close\r\n\r\n" % leak).encode())
            writer.write(("id: 1\nevent: seen\ndata: %s\n\n" % seen).encode())
            await writer.drain()
            await asyncio.sleep(0.7)
            writer.write(b"id: 2\nevent: done\ndata: {}\n\n")
        elif heads.get("upgrade") == "websocket":
            key = heads["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept).encode())
            await writer.drain()
            while True:  # echo short masked text frames
                two = await reader.readexactly(2)
                mask = await reader.readexactly(4)
                data = await reader.readexactly(two[1] & 0x7F)
                plain = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
                writer.write(bytes([0x81, len(plain)]) + plain)
                await writer.drain()
        else:
            text = seen.encode()
            writer.write(("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n%s"
                          "Content-Length: %d\r\n\r\n" % (leak, len(text))).encode() + text)
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    sock = listening_socket()
    if sys.argv[1] == "worker":
        async def serve(r, w):
            await fastcgi(sys.argv[2], r, w)
    else:
        serve = http
    server = await asyncio.start_unix_server(serve, sock=sock)
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    await done.wait()
    # like the real workers: stop accepting, go on serving what is held, for a while
    asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(70):
        await asyncio.sleep(0.1)
        if server._active_count == 0:
            break

asyncio.run(main())
