package sim

import (
	"fmt"
	"strings"
	"time"
)

// classes are the manager permission classes that matter here.
type classes uint8

const (
	classSystem classes = 1 << iota
	classCall
	classUser
	classReporting
)

// parseClasses reads a comma-separated list as Login's Events and Events' EventMask have it; unknown words count nothing.
func parseClasses(list string) classes {
	var c classes
	for word := range strings.SplitSeq(strings.ToLower(list), ",") {
		switch strings.TrimSpace(word) {
		case "system":
			c |= classSystem
		case "call":
			c |= classCall
		case "user":
			c |= classUser
		case "reporting":
			c |= classReporting
		case "on", "all", "yes", "true", "1":
			c |= classSystem | classCall | classUser | classReporting
		}
	}
	return c
}

// block is one AMI message: its lines and the empty one that ends it.
func block(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// messageWaiting renders the event; channel is its channel headers, each line ended, or "".
func messageWaiting(channel, mailbox string, c Counts, waiting bool) string {
	w := 0
	if waiting {
		w = 1
	}
	return fmt.Sprintf("Event: MessageWaiting\r\nPrivilege: call,all\r\n%sMailbox: %s\r\nWaiting: %d\r\nNew: %d\r\nOld: %d\r\n\r\n",
		channel, mailbox, w, c.New+c.Urgent, c.Old)
}

func afterMailbox(event string) string {
	_, after, _ := strings.Cut(event, "\r\nMailbox: ")
	return after[strings.Index(after, "\r\n"):]
}

// channel renders the headers of the second leg of a Local channel that is in app ("leave" or "check") for a mailbox.
func (a *Asterisk) channel(app, mailbox string) string {
	ext, _, _ := strings.Cut(mailbox, "@")
	n, now := a.channels, time.Now().Unix()
	a.channels++
	return fmt.Sprintf("Channel: Local/%[1]s@%[2]s-%08[3]x;2\r\nChannelState: 6\r\nChannelStateDesc: Up\r\n"+
		"CallerIDNum: <unknown>\r\nCallerIDName: <unknown>\r\nConnectedLineNum: <unknown>\r\nConnectedLineName: <unknown>\r\n"+
		"Language: en\r\nAccountCode: \r\nContext: %[2]s\r\nExten: %[1]s\r\nPriority: 2\r\nUniqueid: %[4]d.%[5]d\r\nLinkedid: %[4]d.%[6]d\r\n",
		ext, app, n, now, 2*n+1, 2*n)
}

// oneLegChannel is the channel of `asterisk -rx 'channel originate Local/s@fire/n application UserEvent ...'`.
func (a *Asterisk) oneLegChannel() []string {
	n := a.channels
	a.channels++
	id := fmt.Sprintf("%d.%d", time.Now().Unix(), 2*n)
	return []string{fmt.Sprintf("Channel: Local/s@fire-%08x;1", n), "ChannelState: 6", "ChannelStateDesc: Up",
		"CallerIDNum: <unknown>", "CallerIDName: <unknown>", "ConnectedLineNum: <unknown>", "ConnectedLineName: <unknown>",
		"Language: en", "AccountCode: ", "Context: fire", "Exten: s", "Priority: 1", "Uniqueid: " + id, "Linkedid: " + id}
}

// userEntry is one entry of VoicemailUsersList.
func userEntry(id string, b *Mailbox) string {
	name, vmContext, _ := strings.Cut(fullName(b.Name), "@")
	return "Event: VoicemailUserEntry\r\n" + actionID(id) +
		fmt.Sprintf("VMContext: %s\r\nVoiceMailbox: %s\r\nFullname: Mailbox %[2]s\r\n", vmContext, name) +
		"Email: (null)\r\nPager: \r\nServerEmail: asterisk\r\nFromString: \r\nMailCommand: /bin/true\r\nLanguage: \r\nTimeZone: \r\n" +
		"Callback: \r\nDialout: \r\nUniqueID: \r\nExitContext: \r\nSayDurationMinimum: 2\r\nSayEnvelope: Yes\r\nSayCID: No\r\n" +
		"AttachMessage: No\r\nAttachmentFormat: \r\nDeleteMessage: No\r\nVolumeGain: 0.00\r\nCanReview: No\r\nCanMarkUrgent: Yes\r\n" +
		"CallOperator: No\r\nMaxMessageCount: 9999\r\nMaxMessageLength: 60\r\n" +
		fmt.Sprintf("NewMessageCount: %d\r\nOldMessageCount: %d\r\n\r\n", b.New+b.Urgent, b.Old)
}

// actionID is the line that names the action answered, or nothing when it had none.
func actionID(id string) string {
	if id == "" {
		return ""
	}
	return "ActionID: " + id + "\r\n"
}
