#!/bin/sh
# Before the package goes for good; deb says "remove", rpm how many will be left.
set -e
case "$1" in
remove | 0) [ ! -d /run/systemd/system ] || systemctl disable --now zonkeymwi.service ;;
esac
