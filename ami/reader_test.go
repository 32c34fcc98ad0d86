package ami

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// capture is what a real Asterisk 22.10.1 sent, byte for byte, without its banner.
func capture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".server.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(b), "Asterisk Call Manager/11.0.0\r\n")
}

// block is the first message of a capture that starts with prefix.
func block(t testing.TB, name, prefix string) string {
	t.Helper()
	for b := range strings.SplitSeq(capture(t, name), "\r\n\r\n") {
		if strings.HasPrefix(b, prefix) {
			return b + "\r\n\r\n"
		}
	}
	t.Fatalf("%s has no %s", name, prefix)
	return ""
}

// readAll reads a stream to its end, header by header.
func readAll(in io.Reader) (all []Message, err error) {
	r := newReader(in, nil)
	for {
		m, err := r.message()
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}

func messages(t testing.TB, stream string) []Message {
	t.Helper()
	all, err := readAll(strings.NewReader(stream))
	if err != io.EOF {
		t.Fatal(err)
	}
	return all
}

// kinds is each message's first line.
func kinds(all []Message) (lines []string) {
	for _, m := range all {
		lines = append(lines, m.Headers[0].Name+" "+m.Headers[0].Value)
	}
	return lines
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestBareLFAndExtraEmptyBlock(t *testing.T) {
	all := messages(t, capture(t, "ami-voicemail-move-and-remove"))
	equal(t, "messages", kinds(all), []string{"Response Success", "Response Success", "Event MessageWaiting", "Response Success", "Event MessageWaiting"})
	equal(t, "reply", all[1].Headers, []Header{{"Response", "Success"}, {"ActionID", "mv"}, {"Message", "Message move successful"}})
}

func TestHostileUserEvents(t *testing.T) {
	var events []UserEvent
	for _, m := range messages(t, capture(t, "userevent-from-ami")) {
		if e, ok := userEvent(m); ok {
			equal(t, "the first Event wins", m.Event(), "UserEvent")
			equal(t, "an event is not a response", m.Response(), "")
			events = append(events, e)
		}
	}
	byName := map[string]UserEvent{}
	for _, e := range events {
		byName[e.Name] = e
	}
	equal(t, "a foreign ActionID", events[0].Headers, []Header{{"ActionID", "u1"}, {"Domain", "domain.example.com"}, {"User", "202"}})
	equal(t, "any header passes", events[1].Headers, []Header{
		{"NoSpace", "value"}, {"Trailing", "spaces   "}, {"Lead", "four"}, {"Colon", "a:b: c"}, {"Empty", ""}, {"EmptySp", ""},
		{"NoColonLine", ""}, {"Utf8", "Zoë ☎ 日本"}, {"Quote", `"x" 'y' \z`}, {"Dup", "one"}, {"Dup", "two"}, {"Event", "Fake"},
		{"Response", "Success"}, {"Privilege", "system,all"}, {"Mailbox", "202@domain.example.com"}, {"Json", `{"a":[1,2]}`},
	})
	equal(t, "Latin-1, controls, bare CR", byName["RawBytes"].Headers, []Header{
		{"Latin1", "Zo\xeb"}, {"Ctl", "a\x01b\x7fc\tTab"}, {"CR", "a\rb"}, {"Percent", "%s %d %n"},
	})
	equal(t, "cut at NUL by Asterisk", byName["Nul"].Headers, []Header{{"A", "b"}, {"B", "d"}})
	equal(t, "no name", byName[""].Headers, []Header{{"B", "d"}})
	equal(t, "126 headers", len(byName["Many"].Headers), 126)
	equal(t, "long", len(byName["Long1021"].Headers[0].Value), 1019)
}

func TestUserEventAfterChannelHeaders(t *testing.T) {
	var events []UserEvent
	for _, m := range messages(t, capture(t, "userevent-from-dialplan")) {
		if e, ok := userEvent(m); ok {
			events = append(events, e)
		}
	}
	equal(t, "event", events[0], UserEvent{"BridgeTest", []Header{{"Domain", "domain.example.com"}, {"User", "202"}}})
	equal(t, "lookup", events[0].Get("uSeR"), "202")
}

func TestRepeatedHeaders(t *testing.T) {
	all := messages(t, capture(t, "command-output-lines"))
	equal(t, "Output", len(all[1].All("output")), 12)
	equal(t, "first", all[1].Get("OUTPUT"), "Context    Mbox  User                      Zone       NewMsg")
	left := messages(t, block(t, "channelvars-and-timestampevents-voicemail-left", "Event: MessageWaiting"))[0]
	equal(t, "ChanVariable", left.All("ChanVariable"), []string{"FOO=a: b=c", "VM_CATEGORY="})
}

func TestThirdResponseValue(t *testing.T) {
	for _, name := range []string{"login-plain-success", "login-challenge-md5"} {
		all := messages(t, capture(t, name))
		equal(t, name, all[len(all)-1].Response(), "Goodbye")
	}
}

func TestMisspeltEventMask(t *testing.T) {
	m := messages(t, capture(t, "errors-various"))[4]
	equal(t, "an answer of Success with Off", m.Response()+" "+m.Get("Events"), "Success Off")
}

func TestNULIsAByteLikeAnother(t *testing.T) {
	equal(t, "headers", messages(t, "Event: X\r\nA\x00: b\x00c\r\n\r\n")[0].Headers, []Header{{"Event", "X"}, {"A\x00", "b\x00c"}})
}

func TestBareCRIsNoLineEnd(t *testing.T) {
	all := messages(t, "Event: X\r\nA: b\r\rMailbox: 1\r\r\n\r\r\n\r\n")
	equal(t, "headers", all[0].Headers, []Header{{"Event", "X"}, {"A", "b\r\rMailbox: 1\r"}, {"\r", ""}})
}

// The cut tail of a connection is not a message, wherever the cut.
func TestPartialTailIsDiscarded(t *testing.T) {
	event := block(t, "voicemail-left", "Event: MessageWaiting")
	for cut := range event {
		all, err := readAll(strings.NewReader(event + event[:cut]))
		want := io.ErrUnexpectedEOF
		if cut == 0 {
			want = io.EOF
		}
		if len(all) != 1 || !errors.Is(err, want) {
			t.Fatalf("cut at %d: %d messages, %v", cut, len(all), err)
		}
	}
}

// Any size of pieces gives the same messages.
func TestPieces(t *testing.T) {
	stream := capture(t, "userevent-from-ami") + capture(t, "ami-voicemail-move-and-remove")
	byByte, _ := readAll(iotest.OneByteReader(strings.NewReader(stream)))
	equal(t, "byte by byte", byByte, messages(t, stream))
}

func TestLongLines(t *testing.T) {
	all := messages(t, capture(t, "userevent-very-long-value-from-dialplan"))
	longest := 0
	for _, m := range all {
		for _, h := range m.Headers {
			longest = max(longest, len(h.Value))
		}
	}
	equal(t, "the longest recorded value is whole", longest, 5000)

	for _, size := range []int{maxLine, readSize - 1, readSize, 3*readSize + 7} {
		stream := "Event: X\r\nA: " + strings.Repeat("x", size) + "\r\nB: 1\r\n\r\nEvent: Y\r\n\r\n"
		all := messages(t, stream)
		equal(t, "messages", kinds(all), []string{"Event X", "Event Y"})
		equal(t, "cut value", len(all[0].Get("A")), maxLine-len("A: "))
		equal(t, "header after it", all[0].Get("B"), "1")
	}
}

// However much precedes them, the lines that tell the mailbox's state are kept.
func TestManyHeadersLoseNoMailbox(t *testing.T) {
	stream := "Event: MessageWaiting\r\n" + strings.Repeat("ChanVariable: a=b\r\n", 100_000) +
		"Mailbox: 202@domain.example.com\r\nWaiting: 1\r\nNew: 1\r\nOld: 2\r\n\r\nEvent: Y\r\n\r\n"
	all := messages(t, stream)
	equal(t, "headers", len(all[0].Headers), maxHeaders)
	got, ok := messageWaiting(all[0])
	equal(t, "mailbox", got, Mailbox{Name: "202@domain.example.com", New: 1, Old: 2})
	equal(t, "ok, and the next", []any{ok, all[0].Event(), all[1].Event()}, []any{true, "MessageWaiting", "Y"})
}
