package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"zonkeymwi/config"
)

// A log that nobody reads holds nobody up; what was lost is counted.
func TestLogNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	log, _, flush, err := newLog(config.Log{Level: "info", Format: config.LogJSON}, w)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		log.Info(long, zap.String("event", "test"))
	}
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(r)
		read <- string(text)
	}()
	flush()
	w.Close()
	text := <-read
	// 7 lines wait, and as many may be on their way to the reader.
	if n := strings.Count(text, `"event":"test"`); n < 7 || n > 15 || !strings.Contains(text, `"event":"log_dropped"`) {
		t.Errorf("%d of 20 lines came, and the end is %q", n, text[max(0, len(text)-200):])
	}
}

// A writer that never returns holds the end of the program up for a second.
func TestLogStuck(t *testing.T) {
	r, w := io.Pipe()
	log, _, flush, err := newLog(config.Log{Level: "info", Format: config.LogJSON}, w)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("nobody reads this")
	start := time.Now()
	flush()
	if took := time.Since(start); took > 10*behindStop {
		t.Errorf("the end took %v", took)
	}
	r.Close()
}

func TestConsoleShowsNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	log, _, flush, err := newLog(config.Log{Level: "info", Format: config.LogConsole}, &out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("mailbox", zap.String("mailbox", "\x1b[2J \x7f \u009b31m \u202e é ☎"))
	flush()
	if s := out.String(); strings.ContainsAny(s, "\x1b\x7f\u009b\u202e") || !strings.Contains(s, "é ☎") {
		t.Errorf("%q", s)
	}
}
