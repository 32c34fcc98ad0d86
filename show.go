package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/sim"
)

// show is the demo's output. On a terminal it has colour, unless NO_COLOR is
// set; elsewhere it is plain lines.
type show struct {
	start  time.Time
	colour bool

	mu  sync.Mutex
	out io.Writer
	err error // of the first line that could not be written
}

func newShow(out io.Writer) *show {
	return &show{start: time.Now(), out: out, colour: isTerminal(out)}
}

// isTerminal tells whether colour is welcome.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const (
	bold   = "1"
	dim    = "2"
	yellow = "1;33"
)

func (s *show) paint(style, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *show) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.out, text); s.err == nil {
		s.err = err
	}
}

// failed is the error of the output, nil while it takes what it is given.
func (s *show) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *show) title(text string) { s.print("\n" + s.paint(bold, text)) }

// say prints what one of the cast does.
func (s *show) say(who, what string) {
	at := fmt.Sprintf("%7.3fs", time.Since(s.start).Seconds())
	s.print(fmt.Sprintf("%s  %-9s %s", s.paint(dim, at), who, what))
}

// lamp prints what a phone made of a NOTIFY.
func (s *show) lamp(name string, n sim.Notify) {
	if n.Status != 200 {
		s.say(name, fmt.Sprintf("answers %d: %s", n.Status, n.Reason))
		return
	}
	s.say(name, fmt.Sprintf("lamp %s  (%d new, %d old)", s.bulb(n.Lamp), n.Lamp.New, n.Lamp.Old))
}

func (s *show) bulb(l sim.Lamp) string {
	switch {
	case !l.Known:
		return "?  "
	case l.On:
		return s.paint(yellow, "ON ")
	}
	return "off"
}

// row is how one scene ended.
type row struct {
	title string
	lamps []sim.Lamp
	took  time.Duration
}

func (s *show) summary(phones []*demoPhone, rows []row) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", s.paint(bold, fmt.Sprintf("%-62s%-8s%-8s%s", "what happened", phones[0].name, phones[1].name, "both right after")))
	for _, r := range rows {
		fmt.Fprintf(&b, "%-62s%s     %s     %7.1f ms\n", r.title, s.bulb(r.lamps[0]), s.bulb(r.lamps[1]), float64(r.took.Microseconds())/1000)
	}
	notifies, refused := 0, 0
	for _, p := range phones {
		for _, n := range p.Notifies() {
			if n.Body != "" && !n.Repeat {
				notifies++
				if n.Status != 200 {
					refused++
				}
			}
		}
	}
	fmt.Fprintf(&b, "\n%d NOTIFYs to %d phones, %d refused, in %.1f s.\n", notifies, len(phones), refused, time.Since(s.start).Seconds())
	s.print(b.String())
}

// log is a log that the bridge writes to, told like the rest.
func (s *show) log() *zap.Logger { return zap.New(&teller{show: s}) }

// teller is a zap core that prints a line for people.
type teller struct {
	show  *show
	given []zapcore.Field
}

func (t *teller) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

func (t *teller) With(f []zapcore.Field) zapcore.Core {
	return &teller{t.show, append(t.given[:len(t.given):len(t.given)], f...)}
}

func (t *teller) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if t.Enabled(e.Level) {
		c = c.AddCore(e, t)
	}
	return c
}

func (t *teller) Sync() error { return nil }

// told are the fields worth a viewer's time, in the order they are told.
var told = []string{"mailbox", "mailboxes", "new", "old", "live", "call_id", "cseq", "status", "sent", "took", "error", "retry_in"}

func (t *teller) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range append(t.given[:len(t.given):len(t.given)], fields...) {
		f.AddTo(m)
	}
	line := e.Message
	for _, name := range told {
		v, ok := m.Fields[name]
		if !ok {
			continue
		}
		if d, ok := v.(time.Duration); ok {
			v = d.Round(10 * time.Microsecond)
		}
		line += fmt.Sprintf("  %s=%v", name, v)
	}
	t.show.say("bridge", line)
	return nil
}
