# Makes Kamailio's tables and zonkeymwi's user, unless they are there.
set -eu
[ -z "$(psql -Atc "SELECT to_regclass('active_watchers')")" ] || exit 0
cd /usr/share/kamailio/postgres
psql -q1 -v ON_ERROR_STOP=1 -f standard-create.sql -f presence-create.sql -f usrloc-create.sql -f auth_db-create.sql \
	-c 'CREATE USER zonkeymwi' -c 'GRANT SELECT ON active_watchers TO zonkeymwi'
