/*
 * Strict stand-ins for Google Drive (API v3) and Microsoft Graph (v1.0), in one server, with another for bytes: what a user has is in `drive` and `graph`, which
 * access tokens count in `tokens`. They refuse parameters that the real ones do not know, shared drives' files to who does not say that it
 * can handle them, and credentials at an address that files are downloaded from. What was asked is in `requests`, what was not liked in
 * `faults`. Replies that were put into `next` come first: { of: "drive" or "graph", path, status, headers, reason, body, type, wait }: of what is asked
 * at `path` (a part of it) where that is given. `body` is sent as it is, of `type`; without it and a status the reply is the usual one, when the
 * promise `wait` is kept. What is changed by write(), rename(), move(), trash() and remove() is told as changes; those before forget() are not known any
 * more.
 */
import http from "node:http";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";

const FOLDER = "application/vnd.google-apps.folder", NATIVE = "application/vnd.google-apps.";
const error = (status, reason, message = reason) => Object.assign(new Error(message), { status, reason });
const must = (so, status, reason, message) => { if (!so) throw error(status, reason, message); };
const id = (prefix) => prefix + randomBytes(12).toString("hex");

/* Google's partial responses: "a,b(c,d)" of an object. */
function parseFields(text) {
	let i = 0;
	const list = () => {
		const out = {};
		for (;;) {
			const name = /^[A-Za-z0-9]+|^\*/.exec(text.slice(i))?.[0];
			must(name, 400, "invalidParameter", `fields at ${i}: ${text}`);
			i += name.length;
			out[name] = text[i] === "(" ? (i++, list()) : true;
			if (text[i] === ",")
				i++;
			else
				return (text[i] === ")" && i++, out);
		}
	};
	const out = list();
	must(i >= text.length, 400, "invalidParameter", `fields: ${text}`);
	return out;
}
function mask(value, fields) {
	if (fields === true || fields["*"])
		return value;
	if (Array.isArray(value))
		return value.map((v) => mask(v, fields));
	return Object.fromEntries(Object.entries(fields).filter(([name]) => value?.[name] !== undefined).map(([name, of]) => [name, mask(value[name], of)]));
}

export class Cloud {
	tokens = new Set();
	requests = [];
	faults = [];
	next = [];
	pageMax = 1000;              /* rows of a page at most, however many are asked for */
	downloads = new Map();       /* token in the address: content */
	downloadHost = null;         /* another host that files are said to be at */
	onPage = null;               /* called when a page of a list was made, and more is to come */

	constructor() { this.clear(); }

	/* Nothing is there, and nothing was asked. Numbers of changes go on. */
	clear() {
		Object.assign(this, { requests: [], next: [], pageMax: 1000, nextLink: undefined, downloadHost: null, onPage: null, seq: this.seq ?? 1 });
		/* `closed`: drives of which only items are shared; `business`: changes come without cTag */
		this.drive = { files: new Map(), drives: [], changes: [], oldest: this.seq };
		this.graph = { items: new Map(), drives: [], changes: [], oldest: this.seq, closed: new Set(), business: false };
	}

	async start(host, filesHost) {
		const listen = async (answer, at) => {
			const server = http.createServer((q, s) => answer(q, s).catch((e) => this.#refuse(q, s, e))).listen(0, at);
			await once(server, "listening");
			return server;
		};
		this.server = await listen((q, s) => this.#answer(q, s), host);
		this.files = await listen((q, s) => this.#download(q, s), filesHost);
		this.filesHost = filesHost;
		this.port = this.server.address().port;
		this.url = `http://${host}:${this.port}`;
		return this;
	}

	async stop() {
		for (const server of [this.server, this.files]) {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		}
	}

	/* --- what is there --- */

	/* A file of Drive: { name, content, … }; without content a folder, or what `mimeType` says. */
	addDrive(file) {
		const f = { id: id("1"), kind: "drive#file", parents: ["root"], modifiedTime: "2026-11-02T10:00:00.000Z", trashed: false, exports: {}, ...file };
		f.mimeType ??= f.content === undefined ? FOLDER : "text/plain";
		f.webViewLink ??= `https://drive.google.example/${f.id}`;
		if (f.content !== undefined)
			this.write(f, f.content);
		this.drive.files.set(f.id, f);
		this.#changed(f);
		return f;
	}
	write(f, content) {
		const bytes = Buffer.from(content), hash = (name) => createHash(name).update(bytes);
		Object.assign(f, { content: bytes, cTag: id("c"), eTag: id("e") }, f.parentId === undefined
			? { size: String(bytes.length), headRevisionId: id("r"), md5Checksum: hash("md5").digest("hex") }
			: { size: bytes.length, file: { ...f.file, hashes: { quickXorHash: hash("sha1").digest("base64") } } });
		this.#changed(f);
	}
	/* Google's own document was edited. */
	edit(f, exports) { this.#changed(Object.assign(f, { exports, modifiedTime: `2026-11-04T10:00:${String(this.seq % 60).padStart(2, "0")}.000Z` })); }
	rename(f, name) { this.#changed(Object.assign(f, { name, eTag: id("e") })); }
	move(f, to) { this.#changed(Object.assign(f, f.parentId === undefined ? { parents: [to] } : { parentId: to, eTag: id("e") })); }
	trash(f, trashed = true) { this.#changed(Object.assign(f, { trashed })); }
	/* With all that is in it, of which nothing is told. */
	remove(f, told = true) {
		const of = f.parentId === undefined ? this.drive.files : this.graph.items;
		for (const c of [...of.values()])
			if (c !== f && (c.parents?.includes(f.id) || c.parentId === f.id))
				this.remove(c, false);
		of.delete(f.id);
		if (told)
			this.#changed(f);
	}
	forget(of) { this[of].oldest = ++this.seq; }
	#changed(f) {
		const of = f.parentId === undefined ? this.drive : this.graph;
		this.seq++;
		/* Each once, as it is now. */
		of.changes = [...of.changes.filter((c) => c.id !== f.id), { seq: this.seq, id: f.id, driveId: f.driveId ?? null, parentId: f.parentId }];
	}
	addSharedDrive(name) {
		const d = { id: id("0A"), kind: "drive#drive", name };
		this.drive.drives.push(d);
		this.drive.files.set(d.id, { id: d.id, kind: "drive#file", name: "Drive", mimeType: FOLDER, driveId: d.id, trashed: false });
		return d;
	}

	/* An item of Graph, in the user's own drive where no other is given. */
	addGraph(item) {
		const f = { id: id("01"), parentId: "root", driveId: null, lastModifiedDateTime: "2026-11-03T10:00:00Z", ...item };
		f.webUrl ??= `https://onedrive.example/${f.id}`;
		if (f.content !== undefined) {
			f.file ??= { mimeType: f.mimeType ?? "text/plain", hashes: {} };
			this.write(f, f.content);
		} else if (!f.remoteItem) {
			f.folder ??= { childCount: 0 };
			f.size = 0;
		}
		this.graph.items.set(f.id, f);
		this.#changed(f);
		return f;
	}

	/* --- requests --- */

	#refuse(q, s, e) {
		if (!e.status)
			this.faults.push(`${q.method} ${q.url}: ${e.stack}`);
		const status = e.status ?? 500, drive = q.url.startsWith("/drive/");
		const body = drive ? { error: { code: status, message: e.message, errors: [{ domain: "global", reason: e.reason, message: e.message }] } }
			: { error: { code: e.reason, message: e.message, innerError: { date: "2026-11-02T10:00:00", "request-id": id("") } } };
		s.writeHead(status, { "content-type": "application/json; charset=UTF-8", ...e.headers }).end(JSON.stringify(body));
	}

	async #answer(q, s) {
		const url = new URL(q.url, this.url), query = Object.fromEntries(url.searchParams);
		const of = url.pathname.startsWith("/drive/v3/") ? "drive" : "graph";
		must(of === "drive" || url.pathname.startsWith("/v1.0/"), 404, "notFound", q.url);
		this.requests.push({ of, path: url.pathname, query, headers: q.headers });
		must(q.method === "GET", 405, "methodNotAllowed");
		const first = this.next.findIndex((n) => n.of === of && (url.pathname + url.search).includes(n.path ?? ""));
		if (first >= 0) {
			const [n] = this.next.splice(first, 1);
			if (n.wait)
				await n.wait;
			if (n.body !== undefined)
				return void s.writeHead(n.status ?? 200, { "content-type": n.type ?? "application/json" }).end(n.body);
			if (n.status)
				throw Object.assign(error(n.status, n.reason ?? "backendError"), { headers: n.headers });
		}
		const token = /^Bearer (.+)$/.exec(q.headers.authorization ?? "")?.[1];
		must(this.tokens.has(token), 401, of === "drive" ? "authError" : "InvalidAuthenticationToken", "Invalid Credentials");
		const reply = of === "drive" ? this.#drive(url.pathname.slice("/drive/v3".length), query) : this.#graph(url.pathname.slice("/v1.0".length), query);
		if (reply.location)
			return void s.writeHead(302, { location: reply.location }).end();
		if (reply.bytes)
			return void s.writeHead(200, { "content-type": reply.type, "content-length": reply.bytes.length }).end(reply.bytes);
		s.writeHead(200, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify(reply));
	}

	#page(all, size, from) {
		const rows = all.slice(from, from + Math.min(size, this.pageMax)), to = from + rows.length, more = to < all.length;
		if (more && this.onPage)
			this.onPage();
		return { rows: rows.map((f) => ({ ...f })), to: more ? to : null };
	}

	/* --- Drive --- */

	#drive(path, query) {
		const known = (names) => {
			for (const name of Object.keys(query))
				must([...names, "fields", "prettyPrint"].includes(name), 400, "invalidParameter", `unknown parameter ${name}`);
		};
		const [, kind, file, word] = path.split("/");
		if (kind === "drives" && !file) {
			known(["pageSize", "pageToken"]);
			return this.#driveList("drives", this.drive.drives, query, 100, "nextPageToken,kind,drives(kind,id,name)");
		}
		if (kind === "changes")
			return this.#driveChanges(file, query, known);
		must(kind === "files", 404, "notFound", path);
		if (!file) {
			known(["q", "pageSize", "pageToken", "orderBy", "corpora", "driveId", "spaces", "supportsAllDrives", "includeItemsFromAllDrives"]);
			return this.#driveList("files", this.#search(query), query, 1000, "nextPageToken,kind,incompleteSearch,files(kind,id,name,mimeType)");
		}
		const f = this.drive.files.get(file);
		must(f && (!f.driveId || query.supportsAllDrives === "true" || word === "export"), 404, "notFound", `File not found: ${file}.`);
		if (word === "export") {
			known(["mimeType"]);
			must(f.mimeType.startsWith(NATIVE) && f.exports[query.mimeType], 400, "badRequest", "The requested conversion is not supported.");
			return { bytes: Buffer.from(f.exports[query.mimeType]), type: query.mimeType };
		}
		known(["supportsAllDrives", "alt", "acknowledgeAbuse"]);
		if (query.alt !== "media")
			return mask(f, parseFields(query.fields ?? "kind,id,name,mimeType"));
		must(!f.mimeType.startsWith(NATIVE), 403, "fileNotDownloadable", "Only files with binary content can be downloaded.");
		return { bytes: f.content, type: f.mimeType };
	}

	/* A user's changes, or a shared drive's; pages are told from starts by a second number. */
	#driveChanges(word, query, known) {
		const { driveId } = query, { oldest } = this.drive;
		known(word ? ["driveId", "supportsAllDrives"] : ["pageToken", "driveId", "pageSize", "includeRemoved", "includeItemsFromAllDrives", "supportsAllDrives",
			"spaces", "restrictToMyDrive", "includeCorpusRemovals"]);
		must(!driveId || query.supportsAllDrives === "true", 403, "forbidden", "driveId needs supportsAllDrives");
		must(!driveId || this.drive.drives.some((d) => d.id === driveId), 404, "notFound", `Shared drive not found: ${driveId}`);
		if (word) {
			must(word === "startPageToken", 404, "notFound", word);
			return mask({ kind: "drive#startPageToken", startPageToken: String(this.seq) }, parseFields(query.fields ?? "kind,startPageToken"));
		}
		must(!driveId || query.includeItemsFromAllDrives === "true", 403, "teamDrivesParentLimit");
		const [, start, upto = this.seq] = /^(\d+)(?:-(\d+))?$/.exec(query.pageToken ?? "") ?? [];
		must(start >= oldest && start <= this.seq, 400, "invalid", `Invalid Value: pageToken ${query.pageToken}`);
		const size = Number(query.pageSize ?? 100);
		must(Number.isInteger(size) && size >= 1 && size <= 1000, 400, "invalidParameter", "pageSize");
		const all = this.drive.changes.filter((c) => c.seq > start && (driveId ? c.driveId === driveId : !c.driveId || query.includeItemsFromAllDrives === "true"));
		const { rows, to } = this.#page(all, size, 0), changes = rows.map((c) => {
			const file = this.drive.files.get(c.id);
			return { kind: "drive#change", changeType: "file", fileId: c.id, removed: !file, ...(file && { file: { ...file } }) };
		}).filter((c) => !c.removed || query.includeRemoved !== "false");
		return mask({ kind: "drive#changeList", changes, ...(to ? { nextPageToken: `${rows.at(-1).seq}-${upto}` } : { newStartPageToken: String(this.seq) }) },
			parseFields(query.fields ?? "kind,nextPageToken,newStartPageToken,changes(kind,changeType,fileId,removed,file(kind,id,name,mimeType))"));
	}

	#search(query) {
		const [, parent] = /^'([A-Za-z0-9_-]+)' in parents and trashed = false$/.exec(query.q ?? "") ?? [];
		must(parent, 400, "invalid", `Invalid Value: q ${query.q}`);
		must(!query.driveId === (query.corpora !== "drive"), 400, "invalid", "driveId goes with corpora=drive");
		must(query.corpora !== "drive" || (query.includeItemsFromAllDrives === "true" && query.supportsAllDrives === "true"), 403, "teamDrivesParentLimit");
		must(query.includeItemsFromAllDrives !== "true" || query.supportsAllDrives === "true", 403, "forbidden", "includeItemsFromAllDrives needs supportsAllDrives");
		return [...this.drive.files.values()].filter((f) => f.parents?.includes(parent) && !f.trashed && (f.driveId ? f.driveId === query.driveId : !query.driveId));
	}

	#driveList(name, all, query, most, fields) {
		const size = Number(query.pageSize ?? 100), from = query.pageToken ? Number(/^~!!~(\d+)$/.exec(query.pageToken)?.[1]) : 0;
		must(Number.isInteger(size) && size >= 1 && size <= most, 400, "invalidParameter", "pageSize");
		must(Number.isInteger(from), 400, "invalid", "Invalid Value: pageToken");
		const { rows, to } = this.#page(all, size, from);
		return mask({ kind: `drive#${name.slice(0, -1)}List`, incompleteSearch: false, [name]: rows, ...(to && { nextPageToken: `~!!~${to}` }) },
			parseFields(query.fields ?? fields));
	}

	/* --- Graph --- */

	#graph(path, query) {
		for (const name of Object.keys(query))
			must(["$select", "$top", "$skiptoken", ...(path.endsWith("/delta") ? ["token"] : [])].includes(name), 400, "invalidRequest", `The query specified in the URI is not valid: ${name}`);
		if (path === "/me/drives")
			return this.#graphList(path, this.graph.drives, query);
		const m = /^\/(?:me\/drive|drives\/([^/]+))\/(?:root|items\/([^/]+))(\/children|\/content|\/delta)?$/.exec(path);
		must(m, 400, "invalidRequest", `Resource not found for the segment: ${path}`);
		const [, drive = null, item = "root", word] = m;
		const f = item === "root" ? { id: "root", name: "root", driveId: drive, folder: {} } : this.graph.items.get(item);
		must(f && f.driveId === drive, 404, "itemNotFound", "The resource could not be found.");
		if (word === "/children")
			return this.#graphList(path, [...this.graph.items.values()].filter((c) => c.parentId === item && c.driveId === drive), query);
		if (word === "/delta")
			return this.#graphDelta(path, f, drive, query);
		if (word === "/content") {
			must(f.content, 400, "notSupported", "Operation not supported");
			const token = id("t");
			this.downloads.set(token, f.content);
			return { location: `http://${this.downloadHost ?? this.filesHost}:${this.files.address().port}/download/${token}?tempauth=${"v".repeat(1500)}` };
		}
		return this.#select(f, query);
	}

	#select(f, query) {
		const shown = { ...f, content: undefined, parentId: undefined, driveId: undefined, mimeType: undefined,
			...(f.parentId && { parentReference: { driveId: f.driveId ?? "b!own", id: f.parentId } }) };
		const names = query.$select?.split(",");
		return names ? Object.fromEntries(names.filter((n) => shown[n] !== undefined).map((n) => [n, shown[n]])) : shown;
	}

	/* Without a token all that is there; with one what has changed since: what is gone has only its id. */
	#graphDelta(path, f, drive, query) {
		const { closed, business, oldest, changes, items } = this.graph;
		must(f.id !== "root" || !closed.has(drive), 403, "accessDenied", "Access denied");
		const next = (token) => `${this.url}/v1.0${path}?${new URLSearchParams({ ...query, token })}`;
		if (query.token === "latest")
			return { value: [], "@odata.deltaLink": next(String(this.seq)) };
		const since = Number(query.token ?? 0);
		must(Number.isInteger(since) && since <= this.seq, 400, "invalidRequest", "token");
		if (query.token && since < oldest)
			throw Object.assign(error(410, "resyncRequired", "Resync required"), { headers: { location: next("").replace(/token=&?/, "") } });
		const { rows, to } = this.#page(changes.filter((c) => c.seq > since && c.driveId === drive), Number(query.$top ?? 200), 0);
		const value = rows.map((c) => items.has(c.id) ? this.#select({ ...items.get(c.id), ...(business && { cTag: undefined }) }, query)
			: { id: c.id, deleted: { state: "deleted" }, parentReference: { driveId: drive ?? "b!own", id: c.parentId } });
		return { value, ...(to ? { "@odata.nextLink": next(String(rows.at(-1).seq)) } : { "@odata.deltaLink": next(String(this.seq)) }) };
	}

	#graphList(path, all, query) {
		const size = Number(query.$top ?? 200), from = query.$skiptoken ? Number(/^s(\d+)$/.exec(query.$skiptoken)?.[1]) : 0;
		must(Number.isInteger(size) && size >= 1 && size <= 999 && Number.isInteger(from), 400, "invalidRequest", "The page is not valid");
		const { rows, to } = this.#page(all, size, from), next = new URLSearchParams({ ...query, $skiptoken: `s${to}` });
		return { value: rows.map((f) => this.#select(f, query)), ...(to && { "@odata.nextLink": this.nextLink ?? `${this.url}/v1.0${path}?${next}` }) };
	}

	/* As SharePoint: the address alone opens it, for a while. */
	async #download(q, s) {
		const url = new URL(q.url, this.url);
		this.requests.push({ of: "download", path: url.pathname, headers: q.headers });
		must(!q.headers.authorization, 401, "unauthenticated", "An address of this kind takes no credentials");
		const bytes = this.downloads.get(url.pathname.split("/")[2]);
		must(bytes, 404, "itemNotFound");
		s.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length }).end(bytes);
	}
}
