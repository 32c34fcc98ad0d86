package ami

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// state is a mailbox, and the action of the list that it is of.
type state struct {
	Mailbox
	action string
}

// states is every mailbox of a stream, by the short way where it can be taken, and by the long one.
func states(stream string) (short, long []state) {
	read := func(to *[]state, m Message) {
		switch b, ok := messageWaiting(m); m.Event() {
		case "MessageWaiting":
			if ok {
				*to = append(*to, state{b, ""})
			}
		case "VoicemailUserEntry":
			if b, ok := userEntry(m); ok {
				*to = append(*to, state{b, m.Get("ActionID")})
			}
		}
	}
	r := newReader(strings.NewReader(stream), func(b Mailbox, action []byte) { short = append(short, state{b, string(action)}) })
	for m, err := r.next(); err == nil; m, err = r.next() {
		read(&short, m)
	}
	all, _ := readAll(strings.NewReader(stream))
	for _, m := range all {
		read(&long, m)
	}
	return short, long
}

// waitings are those that are not of a list.
func waitings(stream string) (short, long []Mailbox) {
	of := func(all []state) (waiting []Mailbox) {
		for _, s := range all {
			if !s.Listed {
				waiting = append(waiting, s.Mailbox)
			}
		}
		return waiting
	}
	s, l := states(stream)
	return of(s), of(l)
}

// recorded finds the mailbox states of a capture without any parser.
func recorded(stream string) (all []Mailbox) {
	form := regexp.MustCompile(`\r\nMailbox: (.*)\r\nWaiting: \d+\r\nNew: (\d+)\r\nOld: (\d+)\r\n\r\n`)
	for _, m := range form.FindAllStringSubmatch(stream, -1) {
		fresh, _ := strconv.Atoi(m[2])
		old, _ := strconv.Atoi(m[3])
		all = append(all, Mailbox{Name: m[1], New: fresh, Old: old})
	}
	return all
}

func captures(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.server.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no captures", err)
	}
	for i, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		names[i] = string(b)
	}
	return names
}

func TestWaitingInCaptures(t *testing.T) {
	states := 0
	for _, stream := range captures(t) {
		short, long := waitings(stream)
		equal(t, "short", short, recorded(stream))
		equal(t, "long", long, recorded(stream))
		states += len(short)
	}
	if states < 30 {
		t.Errorf("only %d states in all captures", states)
	}
}

// At start-up Asterisk says Waiting: 0 beside New: 1; an orphaned recording gives Waiting: 1 with New: 0.
func TestWaitingIsNotTrusted(t *testing.T) {
	const contradiction = "Waiting: 0\r\nNew: 1\r\n"
	stream := capture(t, "restart-now-new-connection")
	if !strings.Contains(stream, contradiction) {
		t.Fatal("the capture has lost its point")
	}
	lit := 0
	for _, b := range recorded(stream) {
		lit += min(b.New, 1)
	}
	short, _ := waitings(stream)
	for _, b := range short {
		lit -= min(b.New, 1)
	}
	equal(t, "lamps", lit, 0)
}

func TestWaitingForms(t *testing.T) {
	const plain = "Event: MessageWaiting\r\nPrivilege: call,all\r\nMailbox: 202@d\r\nWaiting: 1\r\nNew: 2\r\nOld: 10\r\n\r\n"
	want := []Mailbox{{Name: "202@d", New: 2, Old: 10}}
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plain) }
	for name, c := range map[string]struct {
		stream string
		want   []Mailbox
		short  bool // can be taken in place
	}{
		"plain":                {plain, want, true},
		"channel headers":      {edit("Mailbox", "Channel: SIP/x\r\nChanVariable: a=b\r\nMailbox"), want, true},
		"no context":           {edit("202@d", "202"), []Mailbox{{Name: "202", New: 2, Old: 10}}, true},
		"odd name":             {edit("202@d", "+1 é\r@x.y"), []Mailbox{{Name: "+1 é\r@x.y", New: 2, Old: 10}}, true},
		"a Mailbox before":     {edit("Mailbox", "Mailbox: 999\r\nNew: 7\r\nOld: 7\r\nMailbox"), want, false},
		"forged whole":         {edit("Mailbox", "Mailbox: 999\r\nWaiting: 1\r\nNew: 7\r\nOld: 7\r\nMailbox"), want, false},
		"no space":             {edit(": ", ":"), want, false},
		"more space":           {edit("Mailbox: ", "Mailbox:   "), want, false},
		"other case":           {edit("Mailbox", "MAILBOX"), want, false},
		"line feeds":           {edit("\r\n", "\n"), want, false},
		"other order":          {edit("New: 2\r\nOld: 10", "Old: 10\r\nNew: 2"), want, false},
		"a header after":       {edit("Old: 10", "Old: 10\r\nX: y"), want, false},
		"no Waiting":           {edit("Waiting: 1\r\n", ""), want, false},
		"empty line before":    {edit("Mailbox", "\r\nMailbox"), nil, false},
		"bare empty line":      {edit("Mailbox", "\nMailbox"), nil, false},
		"no Mailbox":           {edit("Mailbox: 202@d\r\n", ""), nil, false},
		"empty Mailbox":        {edit("202@d", ""), nil, false},
		"no New":               {edit("New: 2\r\n", ""), nil, false},
		"negative":             {edit("New: 2", "New: -1"), nil, false},
		"not a number":         {edit("Old: 10", "Old: 10x"), nil, false},
		"too large a number":   {edit("Old: 10", "Old: 4294967295"), nil, false},
		"empty number":         {edit("New: 2", "New: "), nil, false},
		"another event's name": {edit("MessageWaiting\r", "MessageWaitingX\r"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			short, long := waitings(c.stream)
			equal(t, "short", short, c.want)
			equal(t, "long", long, c.want)
			if _, _, _, n := parseWaiting([]byte(c.stream)); (n == len(c.stream)) != c.short || n != 0 != c.short {
				t.Errorf("parsed in place: %d of %d bytes", n, len(c.stream))
			}
			next, _ := waitings(c.stream + plain)
			equal(t, "then the next event", next, append(c.want[:len(c.want):len(c.want)], want...))
		})
	}
}

// However little of an event has come, it is not taken for a whole one.
func TestWaitingIncomplete(t *testing.T) {
	event := block(t, "voicemail-left", "Event: MessageWaiting")
	for cut := range event {
		if name, _, _, n := parseWaiting([]byte(event[:cut])); n != 0 {
			t.Fatalf("cut at %d: %q", cut, name)
		}
	}
}
