package ami

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// 100 000 generated events in every form, between recorded ones, in pieces of any size: each mailbox event arrives
// once, in order, and every mailbox's last state is the one sent last.
func TestStorm(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var between []string
	for _, c := range captures(t) {
		between = append(between, strings.TrimPrefix(c, "Asterisk Call Manager/11.0.0\r\n"))
	}
	var stream strings.Builder
	var want []Mailbox
	for range 100_000 {
		b := Mailbox{Name: fmt.Sprintf("%d@domain%d.example.com", rnd.IntN(2000), rnd.IntN(3)), New: rnd.IntN(20), Old: rnd.IntN(200)}
		stream.WriteString(generate(rnd, b))
		want = append(want, b)
		if rnd.IntN(100) == 0 {
			c := between[rnd.IntN(len(between))]
			stream.WriteString(c)
			want = append(want, recorded(c)...)
		}
	}
	var got []Mailbox
	session := dial(t, Handler{Mailbox: func(b Mailbox) {
		if !b.Listed {
			got = append(got, b)
		}
	}}, func(s *server) {
		for text := stream.String(); text != ""; {
			n := min(len(text), 1+rnd.IntN(20_000))
			s.Write([]byte(text[:n]))
			text = text[n:]
		}
	})
	mustEnd(t, session)
	if len(got) != len(want) {
		t.Fatalf("%d events of %d", len(got), len(want))
	}
	last, lastWant := map[string]Mailbox{}, map[string]Mailbox{}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("event %d is %+v, sent was %+v", i, got[i], want[i])
		}
		last[got[i].Name], lastWant[want[i].Name] = got[i], want[i]
	}
	equal(t, "last states", last, lastWant)
}

// generate is a MessageWaiting event in one of the forms that Asterisk or a hostile caller can give it.
func generate(rnd *rand.Rand, b Mailbox) string {
	before, sep, end := "", ": ", "\r\n"
	switch rnd.IntN(9) {
	case 0:
		before = "Channel: SIP/a-1\r\nCallerIDName: Zo\xeb\rX\r\nChanVariable: a=b\r\nChanVariable: Mailbox: 1\r\n"
	case 1:
		before = "Event: Fake\r\nMailbox: 999\r\nNew: 9\r\n"
	case 2:
		before = "NoColon\r\nX:" + strings.Repeat("v", rnd.IntN(200)) + "\r\n"
	case 3:
		before = strings.Repeat("ChanVariable: a=b\r\n", rnd.IntN(30))
	case 4:
		sep = ":"
	case 5:
		end = "\n"
	case 6:
		if rnd.IntN(100) == 0 { // longer than the read buffer
			before = "ChanVariable: " + strings.Repeat("v", readSize+rnd.IntN(readSize)) + "\r\n"
		}
	}
	text := fmt.Sprintf("Event%[1]sMessageWaiting\r\nPrivilege%[1]scall,all\r\n%[2]sMailbox%[1]s%[3]s\r\nWaiting%[1]s%[4]d\r\nNew%[1]s%[5]d\r\nOld%[1]s%[6]d\r\n\r\n",
		sep, before, b.Name, rnd.IntN(2), b.New, b.Old)
	return strings.ReplaceAll(text, "\r\n", end)
}
