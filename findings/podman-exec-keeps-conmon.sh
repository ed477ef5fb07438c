#!/bin/sh
# Project: Podman 4.3.1 (Debian 12), with its Docker-compatible API.
#
# Behaviour: after an exec that the API has made and started is over, its conmon, two processes, stays for five
# minutes. A program that runs many short execs by the API has as many pairs of processes around as it has made in
# that time; removing the container does not end them.
#
# Documentation: the Docker Engine API (Exec, https://docs.docker.com/reference/api/engine/) says of no exec that it
# outlives its command; podman-system-service(1) does not mention it.
#
# What we do: a command takes two execs, and one more each five seconds that it runs (runner/container/command.c,
# DISK_MS); its workspace is not measured more often.
#
# Seen on 2026-11-28:
#     after 10 execs: 20 processes of conmon
#     after the container is gone: 20
set -u
for program in podman conmon runc curl busybox; do
	command -v $program >/dev/null || { echo "no $program" >&2; exit 2; }
done
busybox=$(command -v busybox)
[ "$(podman --version)" = 'podman version 4.3.1' ] || { echo "another podman: $(podman --version)" >&2; exit 2; }
dir=$(mktemp -d)
cd "$dir" || exit 2
conmons() { pgrep -f "conmon .*$dir/root" | wc -l; }
options="--root $dir/root --runroot $dir/run --tmpdir $dir/tmp --storage-driver=vfs --runtime runc --cgroup-manager=cgroupfs"
# shellcheck disable=SC2086
engine() { podman $options "$@"; }
api() { curl -sS --unix-socket "$dir/s" -H 'Content-Type: application/json' "$@"; }
mkdir -p image/bin && cp "$busybox" image/bin/sh && tar -C image -c . | engine import - localhost/finding >/dev/null || exit 2
# shellcheck disable=SC2086
podman $options system service --time=0 "unix://$dir/s" &
service=$!
trap 'kill $service; kill -KILL $(pgrep -f "conmon .*$dir/root"); engine rm -fa >/dev/null 2>&1; rm -rf "$dir"' EXIT
until [ -S s ]; do sleep 0.1; done
limits='"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":1024},{"Name":"nproc","Soft":4096,"Hard":4096}]'
api -d '{"Image":"localhost/finding","Cmd":["sh","-c","sleep 600"],"HostConfig":{"NetworkMode":"none",'"$limits"'}}' \
	'http://d/containers/create?name=one' >/dev/null
api -X POST http://d/containers/one/start || exit 2
before=$(conmons)
n=0
while [ $n -lt 10 ]; do
	id=$(api -d '{"AttachStdout":true,"Cmd":["sh","-c","echo x"]}' http://d/containers/one/exec | sed 's/.*"Id":"\([0-9a-f]*\)".*/\1/')
	api -d '{"Detach":false}' "http://d/exec/$id/start" --output /dev/null
	n=$((n + 1))
done
sleep 2
after=$(($(conmons) - before))
echo "after 10 execs: $after processes of conmon"
engine rm -f --time=0 one >/dev/null 2>&1
sleep 1
echo "after the container is gone: $(conmons)"
[ "$after" -ge 10 ]
