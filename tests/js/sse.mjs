import { once } from "node:events";

/*
 * An event stream's reader, after the HTML standard, section 9.2: bytes go in by
 * feed(), complete events come out as { id, event, data } with data as text.
 */
export class SseParser {
	constructor() {
		this.decoder = new TextDecoder("utf-8");        /* drops one leading BOM, as the standard asks */
		this.rest = "";
		this.lastEventId = "";
		this.comments = [];
		this.reset();
	}

	reset() {
		this.data = [];
		this.event = "";
	}

	/* Returns the events that these bytes complete. */
	feed(bytes) {
		const events = [];
		this.rest += this.decoder.decode(bytes, { stream: true });
		for (;;) {
			const end = /\r\n|\n|\r(?=[^])/.exec(this.rest);      /* a final CR may be half a CRLF */
			if (!end)
				return events;
			const line = this.rest.slice(0, end.index);
			this.rest = this.rest.slice(end.index + end[0].length);
			if (line !== "")
				this.line(line);
			else if (this.data.length > 0)
				events.push({ id: this.lastEventId, event: this.event || "message", data: this.data.join("\n") });
			if (line === "")
				this.reset();
		}
	}

	line(line) {
		if (line.startsWith(":")) {
			this.comments.push(line.slice(1).trim());
			return;
		}
		const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
		if (field === "data")
			this.data.push(value);
		else if (field === "event")
			this.event = value;
		else if (field === "id" && !value.includes("\0"))
			this.lastEventId = value;
		else if (field === "retry" && /^\d+$/.test(value))
			this.retry = Number(value);
	}
}

/*
 * Events of one HTTP reply, their data parsed as JSON (`text`: before that).
 * Iterate over it, or take some: take(n), takeUntil(fn), all(). close() ends the
 * connection.
 */
export class EventStream {
	constructor(response, { status, headers }) {
		Object.assign(this, { response, status, headers });
		this.parser = new SseParser();
		this.iterator = this.read();
	}

	async *read() {
		for await (const bytes of this.response)
			for (const e of this.parser.feed(bytes))
				yield { ...e, data: JSON.parse(e.data), text: e.data, at: Date.now() };
	}

	/* Does it refuse for now? Looks at its first bytes, before anything is taken. */
	async isRefusal() {
		await once(this.response, "readable");
		const first = this.response.read();
		this.response.unshift(first);
		return !first.toString().startsWith("retry: 1000\n");
	}

	[Symbol.asyncIterator]() { return this.iterator; }
	get comments() { return this.parser.comments; }
	get lastEventId() { return this.parser.lastEventId; }

	/* Events up to and including the first for which fn is true. */
	async takeUntil(fn) {
		const events = [];
		for (;;) {
			const { value, done } = await this.iterator.next();
			if (done)
				return events;
			events.push(value);
			if (fn(value, events.length))
				return events;
		}
	}

	take(n) { return this.takeUntil((_, count) => count >= n); }
	all() { return this.takeUntil(() => false); }
	close() { this.response.destroy(); }
}
