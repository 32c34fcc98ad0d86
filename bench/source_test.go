//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	domain   = "example.com"
	firstBox = 1_000_000 // mailboxes have seven digits
)

// source is an Asterisk's manager interface that costs next to nothing: it says
// what the program wants to hear, and events as fast as they are read.
type source struct {
	ln    net.Listener
	tasks sync.WaitGroup
	boxes []atomic.Uint32 // new messages of each mailbox
	list  atomic.Bool     // VoicemailUsersList names them all; else it says that there are none

	mu       sync.Mutex
	open     map[net.Conn]bool
	sessions []net.Conn     // logged in, in this order
	logins   chan time.Time // when each Login came
	lists    chan time.Time // when each list was asked for
}

func startSource(t testing.TB, mailboxes int) *source {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &source{ln: ln, boxes: make([]atomic.Uint32, mailboxes), open: map[net.Conn]bool{},
		logins: make(chan time.Time, 64), lists: make(chan time.Time, 64)}
	for i := range s.boxes {
		s.boxes[i].Store(uint32(i) % 2) // half of the changes that come together light a lamp
	}
	s.tasks.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *source) addr() string { return s.ln.Addr().String() }

func (s *source) close() {
	s.ln.Close()
	s.mu.Lock()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

func (s *source) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		s.tasks.Go(func() { s.serve(c) })
	}
}

func (s *source) serve(c net.Conn) {
	defer s.leave(c)
	w := &answers{to: c}
	r := bufio.NewReaderSize(c, 64<<10)
	w.WriteString("Asterisk Call Manager/11.0.0\r\n")
	for {
		if r.Buffered() == 0 && w.flush() != nil {
			return
		}
		action, id, mailbox, err := readAction(r)
		if err != nil {
			return
		}
		s.answer(c, w, action, id, mailbox)
	}
}

// answers gathers whole messages: load writes events to the same connection, and
// must not come between the lines of one.
type answers struct {
	bytes.Buffer
	to net.Conn
}

func (a *answers) flush() error {
	defer a.Reset()
	if a.Len() == 0 {
		return nil
	}
	_, err := a.to.Write(a.Bytes())
	return err
}

func (s *source) leave(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	for i, session := range s.sessions {
		if session == c {
			s.sessions = append(s.sessions[:i:i], s.sessions[i+1:]...)
			return
		}
	}
}

// readAction reads one action, and of it what matters here.
func readAction(r *bufio.Reader) (action, id, mailbox string, err error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", "", "", err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(": "))
		switch string(name) {
		case "Action":
			action = string(value)
		case "ActionID":
			id = string(value)
		case "Mailbox":
			mailbox = string(value)
		}
		if !found && len(name) == 0 {
			return action, id, mailbox, nil
		}
	}
}

func (s *source) answer(c net.Conn, w *answers, action, id, mailbox string) {
	reply := func(lines string) { fmt.Fprintf(w, "Response: Success\r\nActionID: %s\r\n%s\r\n\r\n", id, lines) }
	switch action {
	case "Challenge":
		reply("Challenge: 123456789")
	case "Login":
		tell(s.logins)
		reply("Message: Authentication accepted")
		w.WriteString("Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 1\r\nLastReload: 1\r\nStatus: Fully Booted\r\n\r\n")
		if w.flush() == nil {
			s.mu.Lock()
			s.sessions = append(s.sessions, c)
			s.mu.Unlock()
		}
	case "MailboxCount":
		n := uint32(0)
		if i := boxNumber(mailbox); i >= 0 && i < len(s.boxes) {
			n = s.boxes[i].Load()
		}
		w.WriteString("Response: Success\r\nActionID: " + id + "\r\nMessage: Mailbox Message Count\r\nMailbox: " + mailbox +
			"\r\nUrgMessages: 0\r\nNewMessages: " + strconv.Itoa(int(n)) + "\r\nOldMessages: 0\r\n\r\n")
	case "VoicemailUsersList":
		tell(s.lists)
		if !s.list.Load() {
			reply("Message: There are no voicemail users currently defined.")
			return
		}
		reply("EventList: start\r\nMessage: Voicemail user list will follow")
		s.writeList(w, id)
	default:
		reply("Ping: Pong")
	}
}

// tell notes the time, unless nobody has listened for long.
func tell(c chan time.Time) {
	select {
	case c <- time.Now():
	default:
	}
}

// boxNumber is a mailbox's number from 0, -1 where it is none of ours.
func boxNumber(mailbox string) int {
	user, _, _ := strings.Cut(mailbox, "@")
	n, err := strconv.Atoi(user)
	if err != nil {
		return -1
	}
	return n - firstBox
}

// boxURI is whose mailbox it is.
func boxURI(box int) string { return "sip:" + strconv.Itoa(firstBox+box) + "@" + domain }

// writeList writes what Asterisk 22 writes.
func (s *source) writeList(w *answers, id string) {
	const middle = "\r\nEmail: (null)\r\nPager: \r\nServerEmail: asterisk\r\nFromString: \r\nMailCommand: /bin/true\r\nLanguage: \r\nTimeZone: \r\n" +
		"Callback: \r\nDialout: \r\nUniqueID: \r\nExitContext: \r\nSayDurationMinimum: 2\r\nSayEnvelope: Yes\r\nSayCID: No\r\n" +
		"AttachMessage: No\r\nAttachmentFormat: \r\nDeleteMessage: No\r\nVolumeGain: 0.00\r\nCanReview: No\r\nCanMarkUrgent: Yes\r\n" +
		"CallOperator: No\r\nMaxMessageCount: 9999\r\nMaxMessageLength: 60\r\nNewMessageCount: "
	begin := "Event: VoicemailUserEntry\r\nActionID: " + id + "\r\nVMContext: " + domain + "\r\nVoiceMailbox: "
	for i := range s.boxes {
		user := strconv.Itoa(firstBox + i)
		w.WriteString(begin)
		w.WriteString(user)
		w.WriteString("\r\nFullname: Mailbox ")
		w.WriteString(user)
		w.WriteString(middle)
		w.WriteString(strconv.Itoa(int(s.boxes[i].Load())))
		w.WriteString("\r\nOldMessageCount: 0\r\n\r\n")
		if w.Len() > 64<<10 && w.flush() != nil {
			return
		}
	}
	fmt.Fprintf(w, "Event: VoicemailUserEntryComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", id, len(s.boxes))
}

// change lights or puts out a mailbox's lamp and appends the event that tells of
// it to b, as a channel that left or heard a message does.
func (s *source) change(b []byte, box int) []byte {
	n := uint32(0)
	if s.boxes[box].Load() == 0 {
		n = 1
	}
	s.boxes[box].Store(n)
	user := strconv.Itoa(firstBox + box)
	b = append(b, "Event: MessageWaiting\r\nPrivilege: call,all\r\nChannel: Local/"...)
	b = append(b, user...)
	b = append(b, "@leave-0000001a;2\r\nChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: <unknown>\r\nCallerIDName: <unknown>\r\n"+
		"ConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\nLanguage: en\r\nAccountCode: \r\nContext: leave\r\nExten: "...)
	b = append(b, user...)
	b = append(b, "\r\nPriority: 2\r\nUniqueid: 1753900000.53\r\nLinkedid: 1753900000.52\r\nMailbox: "...)
	b = append(b, user...)
	b = append(b, "@"+domain+"\r\nWaiting: "...)
	b = strconv.AppendUint(b, uint64(min(n, 1)), 10)
	b = append(b, "\r\nNew: "...)
	b = strconv.AppendUint(b, uint64(n), 10)
	return append(b, "\r\nOld: 0\r\n\r\n"...)
}

// session waits for n logins and returns their connections.
func (s *source) wait(t testing.TB, n int) []net.Conn {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		got := append([]net.Conn(nil), s.sessions...)
		s.mu.Unlock()
		if len(got) == n {
			return got
		}
	}
	t.Fatalf("%d programs have not logged in to AMI within 30 s", n)
	return nil
}
