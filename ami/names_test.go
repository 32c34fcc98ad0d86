package ami

import (
	"fmt"
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
