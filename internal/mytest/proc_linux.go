package mytest

import (
	"os"
	"syscall"
)

// nobody is whom root runs the server as, which refuses to run as root.
const nobody = 65534

// unprivileged also has a test binary that is killed take its server with it.
func unprivileged() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attr
}

// giveAway makes the unprivileged user the owner of the files.
func giveAway(paths ...string) error {
	for _, path := range paths {
		if os.Getuid() != 0 {
			return nil
		}
		if err := os.Chown(path, nobody, nobody); err != nil {
			return err
		}
	}
	return nil
}
