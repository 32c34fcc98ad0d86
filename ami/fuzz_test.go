package ami

import (
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzReader: whatever comes, both ways of parsing agree, pieces do not matter, and the caps hold.
func FuzzReader(f *testing.F) {
	for _, stream := range captures(f) {
		f.Add(stream)
	}
	f.Add("Event: MessageWaiting\r\nMailbox: 1\r\nWaiting: 0\r\nNew: 1\r\nOld: 1\n\r\n")
	f.Add("Event: MessageWaiting\r\nMailbox: 1\r\nWaiting: 0\r\nNew: 1\r\nOld: 1\r\n\nEvent")
	f.Add("Event: VoicemailUserEntry\r\nActionID: 1\r\nVMContext: d\r\nvoicemailbox: 1\r\nNewMessageCount: 1\r\nOldMessageCount: 0\r\n\r\n")
	f.Add("a\x00\r\r\n:\n\n\r\n")
	f.Fuzz(func(t *testing.T, stream string) {
		short, long := states(stream)
		equal(t, "in place and header by header", short, long)
		all, err := readAll(strings.NewReader(stream))
		pieces, errPieces := readAll(iotest.HalfReader(strings.NewReader(stream)))
		equal(t, "in pieces", pieces, all)
		equal(t, "error in pieces", errPieces, err)
		for _, m := range all {
			checkMessage(t, m)
		}
	})
}

func checkMessage(t *testing.T, m Message) {
	if n := len(m.Headers); n == 0 || n > maxHeaders {
		t.Errorf("%d headers", n)
	}
	for _, h := range m.Headers {
		if len(h.Name)+len(h.Value) > maxLine || strings.Contains(h.Name+h.Value, "\n") || strings.Contains(h.Name, ":") {
			t.Errorf("header %q: %q", h.Name, h.Value)
		}
	}
	if m.Event() != "" && m.Response() != "" {
		t.Error("both an event and a response")
	}
}

// FuzzEncode: an action that may be sent reads back as it was given, and is one message.
func FuzzEncode(f *testing.F) {
	f.Add("Mailbox", "202@domain.example.com")
	f.Add("X: y\r\nAction", "Originate\r\n\r\nAction: Command")
	f.Add("", "a\x00b")
	f.Fuzz(func(t *testing.T, name, value string) {
		text, err := encode([]Header{{"Action", "X"}, {name, value}})
		if err != nil {
			return
		}
		all := messages(t, text)
		if len(all) != 1 || len(all[0].Headers) != 2 {
			t.Fatalf("%q was read as %+v", text, all)
		}
		equal(t, "header", all[0].Headers[1], Header{name, strings.TrimLeft(value, " \t")})
	})
}
