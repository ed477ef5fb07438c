#!/usr/bin/env node
/*
 * The reference servers on one port, as the conformance mode of millrace-streamd
 * serves them:
 *   node tests/conformance/reference.mjs [--port N]
 * /echo        ws: echoes messages, permessage-deflate on, messages of up to 32 MiB
 * /engine.io/  engine.io: echoes messages
 * /socket.io/  socket.io: the namespaces / and /custom emit "auth" with the CONNECT
 *              payload, answer "message" with "message-back" and the same
 *              arguments, and acknowledge "message-with-ack" with them
 * It prints "listening on 127.0.0.1:PORT" and serves until it is ended. The
 * suites here are right in so far as these servers pass them.
 */
import http from "node:http";
import { parseArgs } from "node:util";
import { Server as EngineServer } from "engine.io";
import { Server as SocketServer } from "socket.io";
import { WebSocketServer } from "ws";

const HEARTBEAT = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 };
const ECHO_LIMIT = 32 << 20;

const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } });

const server = http.createServer((request, response) => {
	const upgrade = new URL(request.url, "http://localhost").pathname === "/echo";
	response.writeHead(upgrade ? 426 : 404, { "Content-Type": "text/plain", ...(upgrade ? { Upgrade: "websocket" } : {}) });
	response.end();
});

/* Echoes wait for the ones before them to be sent: a client that reads nothing is read no further. */
const echo = new WebSocketServer({ noServer: true, perMessageDeflate: true, maxPayload: ECHO_LIMIT, maxFragments: 1 << 17, autoPong: false });
echo.on("connection", (socket) => {
	const answer = (send) => {
		socket.pause();
		send(() => socket.resume());
	};
	socket.on("error", () => {});
	socket.on("ping", (data) => answer((sent) => socket.pong(data, false, sent)));
	socket.on("message", (data, binary) => answer((sent) => socket.send(data, { binary }, sent)));
});
server.on("upgrade", (request, socket, head) => {
	if (new URL(request.url, "http://localhost").pathname === "/echo")
		echo.handleUpgrade(request, socket, head, (ws) => echo.emit("connection", ws));
	else if (!/^\/(engine|socket)\.io\//.test(request.url))
		socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
});

const engine = new EngineServer(HEARTBEAT);
engine.attach(server, { path: "/engine.io/", destroyUpgrade: false });
engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));

const io = new SocketServer({ ...HEARTBEAT, connectTimeout: 1000, serveClient: false });
io.attach(server, { destroyUpgrade: false });
for (const namespace of [io.of("/"), io.of("/custom")])
	namespace.on("connection", (socket) => {
		/* what JSON.parse took may be too deep for JSON.stringify */
		const answer = (send) => (...args) => {
			try {
				send(...args);
			} catch {
				socket.disconnect(true);
			}
		};
		socket.emit("auth", socket.handshake.auth);
		socket.on("message", answer((...args) => socket.emit("message-back", ...args)));
		socket.on("message-with-ack", answer((...args) => args.pop()(...args)));
	});

server.listen(Number(values.port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
