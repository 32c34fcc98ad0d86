#!/bin/sh
# After the package's files are there, anew or over older ones. Nothing is started: the settings are not made yet.
set -e
systemd-sysusers zonkeymwi.conf
install -d -m 0750 -g zonkeymwi /etc/zonkeymwi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart zonkeymwi.service
fi
