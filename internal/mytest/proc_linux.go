package mytest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
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

// untilStopped returns when every thread has obeyed SIGSTOP: one that runs may still answer.
func untilStopped(pid int) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			return err
		}
		running := 0
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if err != nil || !bytes.Contains(stat, []byte(") T ")) {
				running++
			}
		}
		if running == 0 {
			return nil
		}
	}
	return fmt.Errorf("process %d does not stop", pid)
}
