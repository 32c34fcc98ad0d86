#!/bin/sh
# Makes a directory with a secret for AMI, a token for the admin listener, and the database's URL, which no commit should hold.
#   deploy/secrets.sh deploy/kubernetes/sidecar/secrets 'postgres://zonkeymwi:…@postgresql/kamailio'
set -eu
[ $# = 2 ] || { sed -n '2,3s/^# \{0,1\}//p' "$0" >&2; exit 2; }
# Compose mounts the files as they are, for a user that is not you; the directory keeps others out.
mkdir -m 0700 "$1"
cd "$1"
umask 0222
random() { od -An -N 16 -t x1 /dev/urandom | tr -d ' \n'; }
ami=$(random)
printf '%s\n' "$ami" >ami-secret
printf '[zonkeymwi](+)\nsecret = %s\n' "$ami" >ami.conf
random >admin-token
printf '%s\n' "$2" >database-url
