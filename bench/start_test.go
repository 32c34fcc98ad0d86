//go:build linux

package bench

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measureStart measures exec to login, and the binary.
func measureStart(t *testing.T, w *world) {
	db := newDatabase(t, w.pg, "start", 1000, 1, w.phones.addr())
	src := startSource(t, 1000)
	connect := build(t, "connect")
	var ours, floor sample
	for range 15 {
		cmd := exec.Command(connect)
		cmd.Env = append(os.Environ(), "DATABASE_URL="+db.url())
		start := time.Now()
		must(t, cmd.Run())
		floor = append(floor, time.Since(start).Seconds()*1e3)
		p := newProgram(t, db, src.addr(), w.phones.addr(), settings{}).start()
		ours = append(ours, (<-src.logins).Sub(p.started).Seconds()*1e3)
		p.stop()
	}
	ratios := ours.by(floor)
	w.report.add(row{"start: exec to AMI login", "exec of a Go program that connects to the database: " + floor.text("%.1f ms"), ours.text("%.1f ms"),
		ratios, "%.2f", "at most 1.5", ratios.median() <= 1.5})
	w.sizes(t)
}

const mostBytes = 25_000_000

func (w *world) sizes(t *testing.T) {
	info, err := os.Stat(*binary)
	must(t, err)
	file, err := elf.Open(*binary)
	must(t, err)
	defer file.Close()
	static := true
	for _, p := range file.Progs {
		static = static && p.Type != elf.PT_INTERP
	}
	kind := map[bool]string{true: "static", false: "needs a dynamic linker"}[static]
	w.report.add(row{"binary", "", fmt.Sprintf("%.1f MB, %s", float64(info.Size())/1e6, kind), nil, "", "under 25 MB, static", static && info.Size() < mostBytes})
	size, how := imageSize(t, info.Size())
	w.report.add(row{"image", "", fmt.Sprintf("%.1f MB, %s", float64(size)/1e6, how), nil, "", "under 25 MB", size < mostBytes})
}

// imageSize builds the image where there is a Docker; else it is the sum of what
// the Dockerfile puts into it.
func imageSize(t testing.TB, binary int64) (size int64, how string) {
	if exec.Command("docker", "info").Run() == nil {
		const tag = "zonkeymwi-bench"
		if out, err := exec.Command("docker", "build", "-q", "-t", tag, "..").CombinedOutput(); err != nil {
			t.Fatalf("docker build: %v: %s", err, out)
		}
		out, err := exec.Command("docker", "image", "inspect", "--format", "{{.Size}}", tag).Output()
		must(t, err)
		size, err = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		must(t, err)
		return size, "as built"
	}
	certificates, err := os.Stat("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		return binary, "the binary alone: no Docker and no certificates on this machine"
	}
	return binary + certificates.Size(), "the binary and the certificates, which is all that the Dockerfile puts in; no Docker on this machine to build it"
}
