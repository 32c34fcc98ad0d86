//go:build linux

package bench

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// window is how many changes are under way at once when the load is as much as
// can be taken: enough to keep everybody busy, and a hundredth of the mailboxes.
const window = 1000

// step is from one event's mailbox to the next's: the rows are not in the order of
// the events.
const step = 7919

// load sends events, each of another mailbox, so that none is merged with another.
type load struct {
	t       testing.TB
	source  *source
	phones  *responder
	to      []net.Conn // a mailbox's events go to one of them
	boxes   int
	each    int64 // NOTIFYs of one event
	window  int
	sent    int64
	before  int64 // answered before the first event
	buffers [][]byte
	logs    []string // of the programs
}

func newLoad(t testing.TB, s *source, r *responder, boxes int, programs ...*program) *load {
	to := s.wait(t, len(programs))
	r.reset()
	var logs []string
	for _, p := range programs {
		logs = append(logs, p.log)
	}
	return &load{logs: logs, t: t, source: s, phones: r, to: to, boxes: boxes, each: 1, window: window,
		before: r.answered.Load(), buffers: make([][]byte, len(to))}
}

// push sends the next n events.
func (l *load) push(n int) {
	for i := range l.buffers {
		l.buffers[i] = l.buffers[i][:0]
	}
	for range n {
		box := int(l.sent) % l.boxes * step % l.boxes
		i := box % len(l.to)
		l.buffers[i] = l.source.change(l.buffers[i], box)
		l.sent++
	}
	for i, b := range l.buffers {
		if _, err := l.to[i].Write(b); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *load) acknowledged() int64 { return l.phones.answered.Load() - l.before }
func (l *load) underWay() int64     { return l.sent - l.acknowledged()/l.each }

// saturate keeps a window of changes under way for as long, and returns how many
// NOTIFYs were answered a second.
func (l *load) saturate(d time.Duration) float64 {
	start, first := time.Now(), l.acknowledged()
	for time.Since(start) < d {
		if free := l.window - int(l.underWay()); free > 0 {
			l.push(free)
		}
		time.Sleep(time.Millisecond)
	}
	return float64(l.acknowledged()-first) / time.Since(start).Seconds()
}

// pass sends as many events, a window at a time.
func (l *load) pass(n int) {
	l.t.Helper()
	stuck := time.Now().Add(2 * time.Minute)
	for end := l.sent + int64(n); l.sent < end; time.Sleep(time.Millisecond) {
		if time.Now().After(stuck) {
			l.t.Fatalf("%d of %d NOTIFYs came", l.acknowledged(), l.sent*l.each)
		}
		if free := min(l.window-int(l.underWay()), int(end-l.sent)); free > 0 {
			l.push(free)
		}
	}
}

// drain waits until every event has been acknowledged, and nothing more was sent.
func (l *load) drain() {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); l.acknowledged() < l.sent*l.each; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.accuse()
			l.t.Fatalf("%d of %d NOTIFYs came", l.acknowledged(), l.sent*l.each)
		}
	}
	if extra := l.acknowledged() - l.sent*l.each; extra > 0 {
		l.t.Logf("%d NOTIFYs of %d came twice", extra, l.sent*l.each)
		l.before += extra
	}
}

// rebase forgets the answers that others have had since drain.
func (l *load) rebase() { l.before = l.phones.answered.Load() - l.sent*l.each }

// accuse shows what the programs have logged of mailboxes whose phones have never
// been told: a lost lamp is worse than a slow one.
func (l *load) accuse() {
	l.t.Helper()
	found := 0
	for i := 0; i < min(int(l.sent), l.boxes) && found < 3; i++ {
		box := i * step % l.boxes
		if l.phones.told[box].Load() > 0 {
			continue
		}
		found++
		user := strconv.Itoa(firstBox + box)
		l.t.Logf("mailbox %s: no phone has been told", user)
		for _, path := range l.logs {
			log, err := os.ReadFile(path)
			if err != nil {
				l.t.Log(err)
			}
			for line := range strings.Lines(string(log)) {
				if strings.Contains(line, user) || strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
					l.t.Log(line)
				}
			}
		}
	}
}
