#!/bin/sh
# Project: Podman 4.3.1 (Debian 12's package, whose version Debian pins), with its Docker-compatible API.
#
# Behaviour: a container that is made with HostConfig.ReadonlyRootfs can write to /run, /tmp and /var/tmp all the same:
# Podman mounts a tmpfs on each, and without a size, so that each takes up to half of the host's memory. The API has
# nothing that says otherwise. A tmpfs of the caller's own at such a path (HostConfig.Tmpfs) comes in the place of
# Podman's.
#
# Documentation: the Docker Engine API (ContainerCreate, https://docs.docker.com/reference/api/engine/) says of
# ReadonlyRootfs "Mount the container's root filesystem as read only"; Docker mounts nothing there. podman-create(1) has
# it for its own command (--read-only-tmpfs, "The default is true"), and says nothing of a size.
#
# What we do: each of the three is named in HostConfig.Tmpfs with a size; that of /run and /var/tmp is 64 KiB, for root alone
# (runner/outside/engine.c).
#
# Seen on 2026-11-29:
#     written: /run /tmp /var/tmp
#     without a size: /run /tmp /var/tmp
#     where each is named with size=1m: /run size=1024k /tmp size=1024k /var/tmp size=1024k
set -u
for program in podman conmon runc curl busybox; do
	command -v $program >/dev/null || { echo "no $program" >&2; exit 2; }
done
busybox=$(command -v busybox)
[ "$(podman --version)" = 'podman version 4.3.1' ] || { echo "another podman: $(podman --version)" >&2; exit 2; }
dir=$(mktemp -d)
cd "$dir" || exit 2
options="--root $dir/root --runroot $dir/run --tmpdir $dir/tmp --storage-driver=vfs --runtime runc --cgroup-manager=cgroupfs"
# shellcheck disable=SC2086
engine() { podman $options "$@"; }
api() { curl -sS --unix-socket "$dir/s" -H 'Content-Type: application/json' "$@"; }
mkdir -p image/bin && cp "$busybox" image/bin/sh && tar -C image -c . | engine import - localhost/finding >/dev/null || exit 2
# shellcheck disable=SC2086
podman $options system service --time=0 "unix://$dir/s" &
service=$!
trap 'kill $service; engine rm -fa --time=0 >/dev/null 2>&1; rm -rf "$dir"' EXIT
until [ -S s ]; do sleep 0.1; done

# run NAME HOSTCONFIG: what a container prints that writes to each, and shows how each is mounted
run() {
	limits='"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":1024},{"Name":"nproc","Soft":4096,"Hard":4096}]'
	cmd='for d in /run /tmp /var/tmp; do echo x >$d/x && echo \"written $d\"; done 2>/dev/null; while read a at type how rest; do echo \"$type $at $how\"; done </proc/mounts'
	api -d '{"Image":"localhost/finding","Cmd":["sh","-c","'"$cmd"'"],"HostConfig":{"NetworkMode":"none","ReadonlyRootfs":true,'"$limits$2"'}}' \
		"http://d/containers/create?name=$1" >/dev/null
	api -X POST "http://d/containers/$1/start" && api -X POST "http://d/containers/$1/wait" >/dev/null || exit 2
	engine logs "$1" 2>/dev/null
}
run plain '' >plain
tmpfs='"/run":"size=1m","/tmp":"size=1m","/var/tmp":"size=1m"'
run named ',"Tmpfs":{'"$tmpfs"'}' >named
grep -q '^[^ ]* / ro' plain || { cat plain; exit 2; }
ours='^tmpfs (/run|/tmp|/var/tmp) '
written=$(sed -n 's/^written //p' plain | xargs)
unbounded=$(grep -E "$ours" plain | grep -v 'size=' | awk '{ print $2 }' | sort | xargs)
echo "written: $written"
echo "without a size: $unbounded"
echo "where each is named with size=1m: $(grep -E "$ours" named | sed 's/^tmpfs \([^ ]*\) .*\(size=[0-9a-z]*\).*/\1 \2/' | sort | xargs)"
[ "$written" = '/run /tmp /var/tmp' ] && [ "$unbounded" = '/run /tmp /var/tmp' ] && [ "$(grep -cE "$ours.*size=1024k" named)" = 3 ]
