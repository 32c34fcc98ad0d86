package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A demo whose lamp is wrong says so and fails.
func TestDemoTellsAWrongLamp(t *testing.T) {
	var out strings.Builder
	d := &demo{show: newShow(&out), db: filepath.Join(t.TempDir(), "watchers.db"), patience: 300 * time.Millisecond}
	defer d.close()
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.phones[1].Answer(-1, 489) // which is not tried again
	err := d.play(t.Context(), scenes()[:1])
	if err == nil || err.Error() != "1 lamps were wrong" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"mobile    answers 489", "mobile    WRONG: phone 202 shows", "2 NOTIFYs to 2 phones, 1 refused"} {
		d.close() // nobody writes any more
		d.closers = nil
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
