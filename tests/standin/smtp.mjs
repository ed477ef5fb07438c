/*
 * A mail relay that looks closely: STARTTLS before anything else, a login, and mail that keeps to RFC 5322. What it took is in
 * `mails`, parsed; what was wrong with a mail is in its `faults`. `answer` may be set to refuse at a step.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";

export const USER = "millrace";
export const PASSWORD = "relay pass: ü \"' 7";

/* A key, and a certificate of its own for 127.0.0.1; `cert` is a file to trust it by. */
function certificate() {
	const dir = mkdtempSync(join(tmpdir(), "millrace-smtp-"));
	const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
	/* Where ./dev is root's, the runner is not, and reads the certificate. */
	chmodSync(dir, 0o755);
	execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], { stdio: "ignore" });
	return { dir, cert, pair: { key: readFileSync(key), cert: readFileSync(cert) } };
}

/* What a careful receiver would not like in a message's bytes. */
function faultsOf(text) {
	const end = text.indexOf("\r\n\r\n");
	const lines = text.slice(0, end).split("\r\n");
	const names = lines.filter((l) => !/^[ \t]/.test(l)).map((l) => l.split(":")[0].toLowerCase());
	const faults = [];
	if (/(^|[^\r])\n|\r(?!\n)/.test(text))
		faults.push("a line end that is not CRLF");
	if (text.split("\r\n").some((l) => l.length > 78))
		faults.push("a line of more than 78 characters");
	if (/[^\x20-\x7e\r\n\t]/.test(text))
		faults.push("bytes that are not ASCII");
	for (const name of ["date", "from", "to", "subject", "message-id", "mime-version", "content-type"])
		if (names.filter((n) => n === name).length !== 1)
			faults.push(`${name} is not there once`);
	for (const line of lines.filter((l) => !/^([A-Za-z-]+: \S|[ \t])/.test(l)))
		faults.push(`no header: ${line}`);
	return faults;
}

/* `secure`: encrypted from the start (smtps). `open`: takes anybody's mail, also in clear. */
export async function start({ secure = false, open = false } = {}) {
	const tls = certificate();
	const relay = { mails: [], commands: [], answer: () => null, cert: tls.cert, url: null };
	const refusal = (step, what) => {
		const code = relay.answer(step, what);
		return code ? Object.assign(new Error("not now"), { responseCode: code }) : null;
	};
	const server = new SMTPServer({ ...tls.pair, secure, authOptional: open, hideSTARTTLS: open, authMethods: ["PLAIN", "LOGIN"], disableReverseLookup: true,
		onAuth({ username, password }, session, done) {
			relay.commands.push(`auth ${session.secure ? "encrypted" : "in clear"}`);
			if (username !== USER || password !== PASSWORD)
				return done(new Error("who?"));
			return done(refusal("auth"), { user: username });
		},
		onMailFrom({ address }, session, done) {
			relay.commands.push(`mail ${address}`);
			done(session.secure || open ? refusal("mail", address) : new Error("in clear"));
		},
		onRcptTo({ address }, session, done) {
			relay.commands.push(`rcpt ${address}`);
			done(refusal("rcpt", address));
		},
		async onData(stream, session, done) {
			const bytes = await buffer(stream);
			const mail = await PostalMime.parse(bytes);
			const { mailFrom, rcptTo } = session.envelope;
			const all = { ...mail, raw: bytes.toString("latin1"), envelope: { from: mailFrom.address, to: rcptTo.map((r) => r.address) },
				faults: faultsOf(bytes.toString("latin1")) };
			relay.mails.push(all);
			done(refusal("data", all));
		} });
	server.on("error", () => {});        /* a client that leaves */
	server.listen(0, "127.0.0.1");
	await once(server.server, "listening");
	relay.url = `smtp${secure ? "s" : ""}://127.0.0.1:${server.server.address().port}`;
	/* Whether it offers STARTTLS. */
	relay.offer = (offers) => { server.options.hideSTARTTLS = !offers; };
	/* Shows a certificate that nobody trusts, or its own again. */
	relay.disguise = (on) => {
		const other = on ? certificate() : tls;
		server.updateSecureContext(other.pair);
		if (on)
			rmSync(other.dir, { recursive: true, force: true });
	};
	relay.to = (address) => relay.mails.filter((m) => m.envelope.to.includes(address));
	relay.close = () => new Promise((resolve) => {
		rmSync(tls.dir, { recursive: true, force: true });
		server.close(resolve);
	});
	return relay;
}
