#!/bin/bash
# Installs what `make test` needs beside Go: Debian packages, and Asterisk in a chroot. Does nothing where all is
# there. Who is not root is told what to install; the tests skip what is missing (with CI=true they fail).
# No service is started and no PostgreSQL cluster is made: the tests run servers of their own. (MariaDB's package
# makes a data directory, which they leave alone.)
set -Eeuo pipefail
cd "$(dirname "$0")/.."

have() { compgen -G "$1" >/dev/null; }
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # for go test -race
command -v git >/dev/null || missing+=(git)
command -v tshark >/dev/null || missing+=(tshark)
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v chromium >/dev/null || missing+=(chromium)      # the status page's tests
command -v sipp >/dev/null || missing+=(sip-tester)
[ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
command -v promtool >/dev/null || missing+=(prometheus) # the alerts' tests
command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v strace >/dev/null || missing+=(strace)         # what system calls the unit must allow
[ -x /usr/sbin/ip ] || [ -x /sbin/ip ] || missing+=(iproute2)
have '/usr/lib/postgresql/*/bin/initdb' || missing+=(postgresql)
[ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
command -v kamailio >/dev/null || missing+=(kamailio)
have '/usr/lib/*/kamailio/modules/db_postgres.so' || missing+=(kamailio-postgres-modules)
have '/usr/lib/*/kamailio/modules/db_mysql.so' || missing+=(kamailio-mysql-modules)
have '/usr/lib/*/kamailio/modules/presence_mwi.so' || missing+=(kamailio-presence-modules)
have '/usr/lib/*/kamailio/modules/tls.so' || missing+=(kamailio-tls-modules)

if [ "$(id -u)" != 0 ]; then
	[ ${#missing[@]} = 0 ] || echo "setup: not root; the tests skip what needs: apt-get install ${missing[*]}"
	echo "setup: not root; the tests with a real Asterisk and tshark skip"
	exit 0
fi
command -v apt-get >/dev/null || { echo "setup: no apt-get here; install the equivalents of: ${missing[*]}" >&2; exit 1; }

if [ ${#missing[@]} != 0 ]; then
	echo "setup: apt-get install ${missing[*]}"
	log=$(mktemp)
	quiet=()  # files that keep packages from starting daemons or making a cluster, while we install
	trap 'rm -f "${quiet[@]}" "$log"' EXIT
	trap 'tail -n 20 "$log" >&2' ERR
	only_now() { # FILE TEXT
		[ ! -e "$1" ] || return 0
		mkdir -p "$(dirname "$1")"
		quiet+=("$1")
		printf '%s\n' "$2" >"$1"
	}
	only_now /usr/sbin/policy-rc.d $'#!/bin/sh\nexit 101'
	chmod +x /usr/sbin/policy-rc.d
	only_now /etc/postgresql-common/createcluster.d/zonkeymwi.conf 'create_main_cluster = false'
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq >"$log" 2>&1
	apt-get install -qq -y --no-install-recommends "${missing[@]}" >"$log" 2>&1
	trap - ERR
fi
scripts/asterisk.sh
