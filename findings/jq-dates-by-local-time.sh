#!/bin/sh
# jq and libjq 1.6 (Debian 12: libjq1 1.6-2.1+deb12u3)
#
# What it does: `fromdate` and `mktime` of a UTC time depend on the machine's time zone. Where that zone has summer time, the times that fall
# into it come out an hour late: "2026-07-05T12:00:00Z"|fromdate|todate is 13:00Z in Berlin and in New York, and 12:00Z where TZ is UTC. And the
# offset that strptime's %z reads is dropped, so 12:00 at +05:30 is taken for 12:00 UTC. `localtime|mktime` is off by the offset.
#
# What the documentation says: the manual of 1.6 ("Dates") has fromdate, strptime and mktime for times in UTC, and strptime for those
# formats of strptime(3), where %z is the offset. The hour is known upstream (issues 1713, 2490), mended in 1.7, which Debian 12 does not have.
#
# What we do: a workflow's `transform` is this jq, in the extractor's sandbox: without an environment and without files, so that no zone but UTC
# is to be had (extract/sandbox.c). Elsewhere: TZ=UTC for every jq of 1.6, and offsets added by the expression.
#
# Seen on 2026-11-28:
#     TZ=UTC: 2026-07-05T12:00:00Z, in winter 2026-01-05T12:00:00Z
#     TZ=Europe/Berlin: 2026-07-05T13:00:00Z, in winter 2026-01-05T12:00:00Z
#     TZ=America/New_York: 2026-07-05T13:00:00Z, in winter 2026-01-05T12:00:00Z
#     12:00 at +0530: 2026-01-05T12:00:00Z
set -eu
seen=$(sed -n 's/^#     //p' "$0")
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
cd "$T"
chmod 777 .
apt-get -q download jq=1.6-2.1+deb12u3 libjq1=1.6-2.1+deb12u3 libonig5=6.9.8-1 >/dev/null 2>&1 || exit 2
for deb in ./*.deb; do dpkg -x "$deb" .; done
lib=$T/$(dirname "$(find usr -name 'libjq.so.1' | head -n 1)")
jq() { TZ=$1 LD_LIBRARY_PATH=$lib usr/bin/jq -nr "$2"; }
[ -e /usr/share/zoneinfo/Europe/Berlin ] || exit 2
said=$(
	for zone in UTC Europe/Berlin America/New_York; do
		echo "TZ=$zone: $(jq $zone '"2026-07-05T12:00:00Z" | fromdate | todate'), in winter $(jq $zone '"2026-01-05T12:00:00Z" | fromdate | todate')"
	done
	echo "12:00 at +0530: $(jq UTC '"2026-01-05T12:00:00+0530" | strptime("%Y-%m-%dT%H:%M:%S%z") | mktime | todate')"
) || exit 2
printf '%s\n' "$said"
[ "$said" = "$seen" ]
