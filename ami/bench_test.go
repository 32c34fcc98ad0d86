package ami

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkWaitingStream reads MessageWaiting events from a loopback socket. "of-raw" is its speed as a part of that of
// reading the same bytes into a buffer of the same size and doing nothing with them, measured in turns in the same run
// (of each the median); 0.45 is the least we want. -benchtime 25x or more.
func BenchmarkWaitingStream(b *testing.B) {
	plain := "Event: MessageWaiting\r\nPrivilege: call,all\r\nMailbox: 202@domain.example.com\r\nWaiting: 1\r\nNew: 1\r\nOld: 0\r\n\r\n"
	left := block(b, "voicemail-left", "Event: MessageWaiting")
	for _, c := range []struct {
		name, event string
		mailboxes   int
	}{{"reload", plain, 1000}, {"reload-large", plain, 10_000}, {"left", left, 1000}} {
		b.Run(c.name, func(b *testing.B) { benchmarkStream(b, c.event, c.mailboxes) })
	}
}

func benchmarkStream(b *testing.B, event string, mailboxes int) {
	events := 16 << 20 / len(event)
	var stream []byte
	for i := range events {
		stream = append(stream, strings.Replace(event, "Mailbox: 202@", fmt.Sprintf("Mailbox: %d@", 10_000+i%mailboxes), 1)...)
	}
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	var raw, parsed []time.Duration
	for range b.N {
		raw = append(raw, timed(b, stream, readRaw))
		parsed = append(parsed, timed(b, stream, func(c io.Reader) {
			got := 0
			r := newReader(c, func(Mailbox, []byte) { got++ })
			for {
				m, err := r.next()
				if err != nil {
					break
				}
				if _, ok := messageWaiting(m); ok {
					got++
				}
			}
			if got != events {
				b.Fatalf("%d events of %d", got, events)
			}
		}))
	}
	b.ReportMetric(float64(median(raw))/float64(median(parsed)), "of-raw")
	b.ReportMetric(float64(events)/median(parsed).Seconds(), "events/s")
}

// median leaves out what else the machine did meanwhile.
func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func readRaw(c io.Reader) {
	buf := make([]byte, readSize)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func timed(b *testing.B, stream []byte, read func(io.Reader)) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 1)) // so that nothing is on its way before the clock runs
		c.Write(stream)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	c.Write([]byte{1})
	read(c)
	return time.Since(began)
}

// BenchmarkMessage is what a session does with what is not a MessageWaiting: a thousand entries of a list, 541 bytes
// each, or answers to a MailboxCount.
func BenchmarkMessage(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"entry", block(b, "pipelined-actions-with-events-between", "Event: VoicemailUserEntry")},
		{"answer", block(b, "mailbox-count-and-status", "Response: Success\r\nActionID: MailboxCount 202")},
	} {
		b.Run(c.name, func(b *testing.B) {
			many := strings.Repeat(c.text, 1000)
			s := &Session{calls: map[string]*call{}}
			b.SetBytes(int64(len(many)))
			b.ReportAllocs()
			for b.Loop() {
				r := newReader(strings.NewReader(many), s.mailbox)
				for m, err := r.next(); err == nil; m, err = r.next() {
					s.dispatch(m)
				}
			}
		})
	}
}
