#!/bin/bash
# Installs Debian's Asterisk 22 (suite forky) into a chroot for the end-to-end tests, and prints where.
# Does nothing when it is there already; an interrupted install is taken up again. Needs root, debootstrap
# and about 500 MB. Touches nothing outside $ZONKEYMWI_CACHE (default ~/.cache/zonkeymwi).
set -Eeuo pipefail

suite=forky
cache=${ZONKEYMWI_CACHE:-$HOME/.cache/zonkeymwi}
root=$cache/asterisk
base=$root/.base-done   # debootstrap came to its end
stamp=$root/.done       # everything did; holds Asterisk's version

say() { echo "asterisk: $*" >&2; }

# mirror prints the first Debian archive that apt itself is set up to use, whatever the format of its sources.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		awk '/\/debian\/*$/ { print; found = 1; exit } END { exit !found }'
}

inroot() { DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"; }

# unmount takes off what an interrupted debootstrap may have left mounted, so that rm cannot leave the chroot.
unmount() {
	local dir
	for dir in proc sys; do
		mountpoint -q "$root/$dir" || continue
		umount "$root/$dir" || { say "cannot unmount $root/$dir"; exit 1; }
	done
}

bootstrap() {
	unmount
	rm -rf --one-file-system "$root"
	mkdir -p "$root" "$cache/debs"
	# sid's script serves every suite; this debootstrap may be older than $suite.
	debootstrap --variant=minbase --include=ca-certificates --cache-dir="$cache/debs" "$suite" "$root" "$1" /usr/share/debootstrap/scripts/sid
	unmount
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no package may start a daemon
	chmod +x "$root/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
	# This machine may reach its mirror through a proxy, or use a snapshot whose dates have run out.
	apt-config dump | grep -E '^Acquire::(Check-[^:]*|https?::Proxy) ' >"$root/etc/apt/apt.conf.d/zonkeymwi" || true
	touch "$base"
}

packages() {
	inroot dpkg --configure -a
	inroot apt-get update -qq
	inroot apt-get install -qq -y --no-install-recommends asterisk asterisk-core-sounds-en-gsm
	inroot apt-get clean
}

[ "$(id -u)" = 0 ] || { say "needs root"; exit 1; }
command -v debootstrap >/dev/null || { say "needs debootstrap: apt-get install debootstrap"; exit 1; }
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { say "another install is running, waiting for it"; flock 9; }

if [ ! -e "$stamp" ]; then
	log=$cache/install.log
	: >"$log"
	exec 8>&2
	trap 'tail -n 20 "$log" >&8; say "not installed; all of it is in $log" 2>&8' ERR
	# debootstrap does not read apt's settings.
	eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
	[ -z "${http_proxy:-}" ] || export http_proxy
	if [ ! -e "$base" ]; then
		url=$(mirror) || { say "apt's sources name no Debian archive (a URI that ends in /debian)"; exit 1; }
		say "debootstrap $suite from $url"
		bootstrap "$url" >>"$log" 2>&1
	fi
	say "apt-get install asterisk"
	packages >>"$log" 2>&1
	inroot asterisk -V >"$root/.version"
	mv "$root/.version" "$stamp"
	rm -rf "$cache/debs"
fi
say "$(cat "$stamp") in $root"
