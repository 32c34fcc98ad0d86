package ami

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// The names stay what they were, whatever comes after them and becomes of the buffer.
func TestNamesAreCopies(t *testing.T) {
	var n names
	var got, want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint(10_000+i, "@domain.example.com"), "+")
	}
	want[500] = strings.Repeat("x", maxLine)
	for _, name := range want {
		buffer := []byte(name)
		got = append(got, n.copy(buffer))
		clear(buffer)
	}
	equal(t, "names", got, want)
	equal(t, "block, the long name forgotten", n.block.Cap(), nameBlock)
}

// Nor does a name that was read header by header keep its message in memory.
func TestNamesKeepNoMessage(t *testing.T) {
	const events, size = 1000, 10_000
	form := "Event: MessageWaiting\r\nChanVariable(x): " + strings.Repeat("x", size) + "\r\nMAILBOX: %d@e\r\nNew: 1\r\nOld: 0\r\n\r\n"
	var all []string
	s := &Session{handler: Handler{Mailbox: func(b Mailbox) { all = append(all, b.Name) }}}
	before := inUse()
	for i := range events {
		m, err := newReader(strings.NewReader(fmt.Sprintf(form, i)), s.mailbox).next()
		if err != nil {
			t.Fatal(err)
		}
		s.dispatch(m)
	}
	equal(t, "events", len(all), events)
	if grown := int(inUse()) - int(before); grown > events*size/10 {
		t.Errorf("%d bytes a name", grown/events)
	}
	runtime.KeepAlive(all)
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestEventsCostNoAllocationEach(t *testing.T) {
	const events = 2000
	stream := strings.Repeat(block(t, "voicemail-left", "Event: MessageWaiting"), events)
	per := testing.AllocsPerRun(10, func() {
		got := 0
		for r := newReader(strings.NewReader(stream), func(Mailbox, []byte) { got++ }); ; got++ {
			if _, err := r.next(); err != nil { // what it returns lay at the end of the buffer, incomplete
				break
			}
		}
		equal(t, "events", got, events)
	}) / events
	if per > 0.1 {
		t.Errorf("%.2f allocations an event", per)
	}
}
