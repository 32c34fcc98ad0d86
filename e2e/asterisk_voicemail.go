//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// A message takes a second or two to record; a busy machine gets more.
const voicemailTime = 30 * time.Second

// LeaveVoicemail records a real message of a second into mailbox and returns when it is in the INBOX.
// Asterisk sends MessageWaiting just after.
func (a *Asterisk) LeaveVoicemail(mailbox string) {
	a.t.Helper()
	before, _ := a.Messages(mailbox)
	a.originate(mailbox, "leave", "application Playback vm-goodbye")
	eventually(a.t, voicemailTime, "new message in "+mailbox, func() bool {
		now, _ := a.Messages(mailbox)
		return now > before
	})
}

// DeleteFirst calls the mailbox, listens to the first new message and deletes it, all by DTMF. It returns when the
// message is gone. Asterisk sends MessageWaiting just after.
func (a *Asterisk) DeleteFirst(mailbox string) {
	a.t.Helper()
	before, _ := a.Messages(mailbox)
	a.originate(mailbox, "listen", "extension delete@keys")
	eventually(a.t, voicemailTime, "deleted message in "+mailbox, func() bool {
		now, _ := a.Messages(mailbox)
		return now < before
	})
}

func (a *Asterisk) originate(mailbox, what, other string) {
	a.t.Helper()
	box, context := splitMailbox(mailbox)
	if out := a.RX(fmt.Sprintf("channel originate Local/%s@%s-%s/n %s", box, what, context, other)); strings.TrimSpace(out) != "" {
		a.t.Fatalf("call to mailbox %s: %s", mailbox, out)
	}
}

// Messages counts what is on disk: a second witness beside AMI. Fresh has the urgent ones too, as New in MessageWaiting has.
func (a *Asterisk) Messages(mailbox string) (fresh, old int) {
	return a.count(mailbox, "INBOX") + a.count(mailbox, "Urgent"), a.count(mailbox, "Old")
}

func (a *Asterisk) count(mailbox, folder string) int {
	box, context := splitMailbox(mailbox)
	found, _ := filepath.Glob(filepath.Join(a.dir, "voicemail", context, box, folder, "msg????.txt"))
	return len(found)
}
