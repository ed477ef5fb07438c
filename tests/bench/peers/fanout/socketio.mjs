/*
 * Fan-out by socket.io as its documentation has it: a client joins a room, an
 * event is emitted to the room. WebSocket transport, all else by default.
 *
 * Environment: PORT, PUBLISH_PORT.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { listen } from "./publish.mjs";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
io.on("connection", (socket) => {
	socket.on("join", async ({ room }, done) => {
		await socket.join(room);
		done?.();
	});
});

listen(Number(process.env.PUBLISH_PORT), (room, text) => {
	io.to(room).emit("notification_created", JSON.parse(text));
});
http.listen(Number(process.env.PORT), "127.0.0.1");
