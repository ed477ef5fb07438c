/* The event log as tests read it. */
import { until } from "./expect.mjs";

/* The events of a topic, oldest first: { seq, type, data }, data as it would be sent. */
export async function eventsOf(millrace, topic) {
	const rows = await millrace.psql(`SELECT json_build_object('seq', seq, 'type', type, 'data', data) FROM stream_event
		WHERE topic = '${topic}' ORDER BY seq`);
	return rows.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/* What `analytics` has about somebody, once the runner has published what waits. */
export async function analyticsOf(millrace, uid) {
	const waiting = () => millrace.psql(`SELECT count(*) FROM outbox_analytics WHERE data ->> 'user_id' = '${uid}'`);
	await until(async () => (await waiting()).trim() === "0", "what is due for analytics");
	return (await eventsOf(millrace, "analytics")).filter((e) => e.data.user_id === uid);
}
