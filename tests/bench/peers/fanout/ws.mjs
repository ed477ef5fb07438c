/*
 * Fan-out as a Node service does it with ws, at its best: a message's frame is
 * built once, and written to each subscriber's socket. A subscriber asks for
 * /ws/TOPIC; no extensions.
 *
 * Environment: PORT, PUBLISH_PORT.
 */
import { createServer } from "node:http";
import { Sender, WebSocketServer } from "ws";
import { listen } from "./publish.mjs";

const topics = new Map();
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false });
server.on("connection", (subscriber, request) => {
	const topic = request.url.slice("/ws/".length);
	if (!topics.has(topic))
		topics.set(topic, new Set());
	topics.get(topic).add(subscriber);
	subscriber.on("error", () => {});
	subscriber.on("close", () => {
		topics.get(topic).delete(subscriber);
		if (topics.get(topic).size === 0)
			topics.delete(topic);
	});
});

listen(Number(process.env.PUBLISH_PORT), (topic, text) => {
	const frame = Buffer.concat(Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, rsv1: false, readOnly: true }));
	for (const subscriber of topics.get(topic) ?? [])
		subscriber._socket.write(frame);
});
http.listen(Number(process.env.PORT), "127.0.0.1");
