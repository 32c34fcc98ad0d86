package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"zonkeymwi/config"
)

// newLog makes the log, and what sets its level. flush is to be called before
// the program ends.
func newLog(c config.Log, w io.Writer) (log *zap.Logger, level zap.AtomicLevel, flush func(), err error) {
	if level, err = zap.ParseAtomicLevel(c.Level); err != nil {
		return nil, level, nil, err
	}
	e := zap.NewProductionEncoderConfig()
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder(e)
	if c.Format == config.LogConsole {
		e.EncodeLevel = zapcore.CapitalLevelEncoder
		e.EncodeDuration = zapcore.StringDurationEncoder
		encoder = zapcore.NewConsoleEncoder(e)
		w = printableWriter{w}
	}
	behind := newBehind(w)
	return zap.New(zapcore.NewCore(encoder, behind, level)), level, behind.stop, nil
}

const (
	behindMost = 8 << 20              // bytes that may wait for a reader
	behindWait = 5 * time.Millisecond // to write the lines of a lamp change together, when the NOTIFY is on its way
	behindStop = time.Second          // how long the end of the program waits for it
)

// behind writes what it is given in the order it came, a moment later and without
// making the giver wait: lamps matter more than a log that nobody reads, or whose
// disk is full.
// What does not fit is dropped, and counted in the log.
type behind struct {
	to    io.Writer
	timer *time.Timer   // to wake, after the first line that waits: nobody is woken while a NOTIFY is not yet sent
	wake  chan struct{} // holds one token when there is something to write
	done  chan struct{}

	mu      sync.Mutex
	waiting []byte
	dropped int
	closed  bool
}

func newBehind(to io.Writer) *behind {
	b := &behind{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
	b.timer = time.AfterFunc(behindWait, b.poke)
	b.timer.Stop() // until there is a line
	go b.run()
	return b
}

// Write takes one line.
func (b *behind) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting)+len(line) > behindMost {
		b.dropped++
		return len(line), nil
	}
	if len(b.waiting) == 0 {
		b.timer.Reset(behindWait)
	}
	b.waiting = append(b.waiting, line...)
	return len(line), nil
}

// Sync is zapcore's; run writes as fast as it can anyway.
func (b *behind) Sync() error { return nil }

func (b *behind) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *behind) run() {
	defer close(b.done)
	var spare []byte
	for range b.wake {
		b.mu.Lock()
		text, dropped, closed := b.waiting, b.dropped, b.closed
		b.waiting, b.dropped = spare[:0], 0
		b.mu.Unlock()
		_, _ = b.to.Write(text) // whom should it tell?
		if dropped > 0 {
			fmt.Fprintf(b.to, `{"level":"error","ts":%q,"msg":"log lines were dropped, as nobody took them","event":"log_dropped","lines":%d}`+"\n",
				time.Now().Format(time.RFC3339Nano), dropped)
		}
		spare = text
		if closed {
			return
		}
	}
}

// stop writes what waits, unless that takes too long.
func (b *behind) stop() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.poke()
	select {
	case <-b.done:
	case <-time.After(behindStop):
	}
}

// printableWriter keeps control characters from a terminal; JSON has its own way.
type printableWriter struct{ to io.Writer }

func (w printableWriter) Write(line []byte) (int, error) {
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, string(line))
	_, err := io.WriteString(w.to, text)
	return len(line), err
}
