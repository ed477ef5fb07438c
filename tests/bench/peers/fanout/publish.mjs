/* Where messages come from: lines "TOPIC JSON" on a TCP port, as long as a connection holds. */
import { createServer } from "node:net";

export function listen(port, publish) {
	createServer((socket) => {
		let rest = "";
		socket.setEncoding("latin1");
		socket.on("error", () => {});
		socket.on("data", (text) => {
			const lines = (rest + text).split("\n");
			rest = lines.pop();
			for (const line of lines) {
				const space = line.indexOf(" ");
				publish(line.slice(0, space), line.slice(space + 1));
			}
		});
	}).listen(port, "127.0.0.1");
}
