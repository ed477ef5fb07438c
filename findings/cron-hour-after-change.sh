#!/bin/sh
# cron 4.4.0 (npm, "kelektiv/node-cron")
#
# What it does: on the night on which clocks go back, a job whose time lies in the hour after the repeated one runs twice: once an hour early,
# in the second pass of the repeated hour, and once at its time. 03:00 in Berlin, 02:00 in New York and in Lisbon are such times, and
# midnight in Cairo and Santiago, where the first of the two runs is on the day before. A job in the repeated hour itself runs once.
#
# What its documentation says: the README has a time zone for a job and nothing of such nights; its issues on them (563, 881) are about
# the repeated hour, and closed. croner 11.0.1 runs the same jobs once.
#
# What we do: our schedules are made in SQL (sql/functions/schedule.sql): a time that comes twice is the first of the two, any other is itself.
# Who drives our API from cron gives such jobs an Idempotency-Key made of the local date, or the time zone UTC.
#
# Seen on 2026-11-28, with Node 20.20 and its clock turned by mock timers:
#     0 3 * * * in Europe/Berlin: 31 Oct 02:00 GMT+1, 31 Oct 03:00 GMT+1, 1 Nov 03:00 GMT+1
#     0 2 * * * in America/New_York: 7 Nov 01:00 GMT-5, 7 Nov 02:00 GMT-5, 8 Nov 02:00 GMT-5
#     0 0 * * * in Africa/Cairo: 28 Oct 23:00 GMT+2, 29 Oct 00:00 GMT+2, 30 Oct 00:00 GMT+2
#     30 2 * * * in Europe/Berlin: 31 Oct 02:30 GMT+2, 1 Nov 02:30 GMT+1
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
npm --silent --no-fund --no-audit install cron@4.4.0 >/dev/null 2>&1 || exit 2
said=$(node --no-warnings - <<'END'
const { mock } = require("node:test");
mock.timers.enable({ apis: ["setTimeout", "Date"] });
const { CronJob } = require("cron");
function fired(cronTime, timeZone, from, hours) {
	const times = [];
	const local = () => new Date().toLocaleString("en-GB", { timeZone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
		timeZoneName: "shortOffset" }).replace(/, | at /, " ").replace("\u2212", "-");
	mock.timers.setTime(Date.parse(from));
	const job = CronJob.from({ cronTime, timeZone, start: true, onTick: () => times.push(local()) });
	for (let minutes = 0; minutes < hours * 60; minutes++)
		mock.timers.tick(60000);
	job.stop();
	console.log(`${cronTime} in ${timeZone}: ${times.join(", ")}`);
}
fired("0 3 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", 40);
fired("0 2 * * *", "America/New_York", "2027-11-06T16:00:00Z", 40);
fired("0 0 * * *", "Africa/Cairo", "2027-10-28T12:00:00Z", 40);
fired("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", 40);
END
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
