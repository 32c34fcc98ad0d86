//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zonkeymwi/ami"
	"zonkeymwi/sim"
)

// Spool changes mailboxes on Asterisk's disk, as another machine on shared
// voicemail does, and has Asterisk look: a thousand changes cost what one
// recording does. The disk is the truth, whether Asterisk runs or not.
type Spool struct {
	asterisk  *Asterisk
	mailboxes []string

	mu      sync.Mutex
	random  *rand.Rand
	serial  int
	changes map[string]int // by mailbox, since Forget
}

// refresher is the manager user that makes Asterisk look: VoicemailRefresh wants write=user.
const refresher = "[refresher]\nsecret = refresher\nread = system\nwrite = user\n"

// NewSpool changes these mailboxes of a, whose manager.conf holds refresher.
// Nobody else may change them: message numbers are given without Asterisk's lock.
func NewSpool(a *Asterisk, mailboxes []string, seed uint64) *Spool {
	return &Spool{asterisk: a, mailboxes: mailboxes, random: rand.New(rand.NewPCG(seed, 0)), changes: map[string]int{}}
}

// busy is how many mailboxes half of all changes are made to.
const busy = 20

// Change makes n changes to mailboxes at random: a message comes, is heard, or is deleted.
func (s *Spool) Change(t testing.TB, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		mailbox := s.mailboxes[s.random.IntN(len(s.mailboxes))]
		if s.random.Float64() < 0.5 { // some are busy: they change again before their phones were told
			mailbox = s.mailboxes[s.random.IntN(min(busy, len(s.mailboxes)))]
		}
		if err := s.change(mailbox); err != nil {
			t.Fatal(err)
		}
		s.changes[mailbox]++
	}
}

// Add brings a message to each of n mailboxes at random, and Remove takes it away again.
func (s *Spool) Add(t testing.TB, n int) (mailboxes []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		mailbox := s.mailboxes[s.random.IntN(len(s.mailboxes))]
		fresh, _ := s.asterisk.Messages(mailbox)
		if err := s.add(mailbox, s.message(mailbox, "INBOX", fresh)); err != nil {
			t.Fatal(err)
		}
		s.changes[mailbox]++
		mailboxes = append(mailboxes, mailbox)
	}
	return mailboxes
}

// Remove deletes a new message of each, where there is one.
func (s *Spool) Remove(t testing.TB, mailboxes []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mailbox := range mailboxes {
		fresh, _ := s.asterisk.Messages(mailbox)
		if fresh == 0 {
			continue
		}
		if err := s.remove(s.message(mailbox, "INBOX", fresh-1)); err != nil {
			t.Fatal(err)
		}
		s.changes[mailbox]++
	}
}

func (s *Spool) change(mailbox string) error {
	fresh, old := s.asterisk.Messages(mailbox)
	switch p := s.random.Float64(); {
	case fresh > 0 && p < 0.3:
		return s.move(s.message(mailbox, "INBOX", fresh-1), s.message(mailbox, "Old", old))
	case fresh > 0 && p < 0.6:
		return s.remove(s.message(mailbox, "INBOX", fresh-1))
	case old > 0 && p < 0.7:
		return s.remove(s.message(mailbox, "Old", old-1))
	}
	return s.add(mailbox, s.message(mailbox, "INBOX", fresh))
}

// message is a message's path without .txt or .wav. Numbers have no gaps, so the count is the next one.
func (s *Spool) message(mailbox, folder string, number int) string {
	box, context := splitMailbox(mailbox)
	return filepath.Join(s.asterisk.dir, "voicemail", context, box, folder, fmt.Sprintf("msg%04d", number))
}

// add writes the sound first: the text is what counts.
func (s *Spool) add(mailbox, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".wav", nil, 0o644); err != nil {
		return err
	}
	s.serial++
	box, context := splitMailbox(mailbox)
	return os.WriteFile(path+".txt", fmt.Appendf(nil, ";\n; Message Information file\n;\n[message]\norigmailbox=%s\ncontext=%s\nexten=%s\n"+
		"rdnis=unknown\npriority=2\ncallerid=Unknown\norigtime=%d\ncategory=\nmsg_id=%d-%08x\nflag=\nduration=1\n",
		box, context, box, time.Now().Unix(), time.Now().Unix(), s.serial), 0o644)
}

func (s *Spool) move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Rename(from+".wav", to+".wav"); err != nil {
		return err
	}
	return os.Rename(from+".txt", to+".txt")
}

func (s *Spool) remove(path string) error {
	if err := os.Remove(path + ".txt"); err != nil {
		return err
	}
	return os.Remove(path + ".wav")
}

// Record has Asterisk itself record a message, in the background. The mailbox must not be one of the spool's.
func (s *Spool) Record(mailbox string) error {
	box, context := splitMailbox(mailbox)
	_, err := s.asterisk.rx(fmt.Sprintf("channel originate Local/%s@leave-%s/n application Playback vm-goodbye", box, context))
	if err == nil {
		s.mu.Lock()
		s.changes[mailbox]++
		s.mu.Unlock()
	}
	return err
}

// Refresh has Asterisk look at every mailbox; it sends MessageWaiting for those that changed.
func (s *Spool) Refresh(ctx context.Context) error {
	session, err := ami.Dial(ctx, ami.Config{Address: s.asterisk.AMIAddr(), Username: "refresher", Secret: "refresher"}, ami.Handler{})
	if err != nil {
		return err
	}
	defer session.Close()
	_, err = session.Do(ctx, "VoicemailRefresh")
	return err
}

// Forget starts to count changes anew, and returns how many there were of each mailbox.
func (s *Spool) Forget() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.changes
	s.changes = map[string]int{}
	return before
}

// Truth is what a phone of the mailbox must show.
func (s *Spool) Truth(mailbox string) sim.Lamp {
	box, context := splitMailbox(mailbox)
	count := func(folder string) (n int) {
		files, _ := os.ReadDir(filepath.Join(s.asterisk.dir, "voicemail", context, box, folder)) // none before the first message
		for _, f := range files {
			if strings.HasPrefix(f.Name(), "msg") && strings.HasSuffix(f.Name(), ".txt") {
				n++
			}
		}
		return n
	}
	lamp := sim.Lamp{Known: true, New: count("INBOX") + count("Urgent"), Old: count("Old")}
	lamp.On = lamp.New > 0
	return lamp
}
