package pgtest

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged makes a child run as "postgres", or "nobody", where we are root,
// which PostgreSQL refuses to run as. A test binary that is killed takes its
// server with it: SIGQUIT is PostgreSQL's "immediate shutdown".
func unprivileged() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid, gid, ok := servant(); ok {
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr
}

// giveAway makes the unprivileged user the owner of the files.
func giveAway(paths ...string) error {
	uid, gid, ok := servant()
	for _, path := range paths {
		if !ok {
			return nil
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// servant is whom root runs the server as; ok is false where we are not root.
func servant() (uid, gid int, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid) // decimal on every Unix
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid, true
		}
	}
	return 65534, 65534, true
}
