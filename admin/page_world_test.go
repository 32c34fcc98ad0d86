package admin

import (
	"time"

	"zonkeymwi/bridge"
)

const sentNotify = "NOTIFY sip:202@192.0.2.31:5062;transport=udp SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bKo7Qm2x\r\nMax-Forwards: 70\r\nRoute: <sip:proxy.example.com;lr>\r\n" +
	"From: <sip:202@example.com>;tag=a6a1c5f60faecf035a1ae5b6e96e979a-4ab9\r\nTo: <sip:202@example.com>;tag=8fVbQ1\r\nCall-ID: Hk3Zp9wVtq@192.0.2.31\r\n" +
	"CSeq: 1795464001 NOTIFY\r\nEvent: message-summary\r\nSubscription-State: active;expires=3312\r\nContent-Type: application/simple-message-summary\r\n" +
	"Content-Length: 88\r\n\r\nMessages-Waiting: yes\r\nMessage-Account: sip:*97@example.com\r\nVoice-Message: 3/5 (1/0)\r\n"

// phones is a bridge with a user of three phones: one right, one dark, one
// whose subscription has run out.
func phones() *fake {
	f := well()
	now := time.Now()
	holds := bridge.Counts{New: 3, Old: 5, Urgent: 1}
	good := bridge.Delivery{ID: "K7QAD-2f", Time: now.Add(-5 * time.Second), User: "202@example.com", CallID: "Hk3Zp9wVtq@192.0.2.31", CSeq: 1795464001,
		Sent: holds, Outcome: "acknowledged", Status: 200, Reason: "OK", Packets: 1, Seconds: .0183,
		Request: sentNotify, Response: "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;rport=5070;branch=z9hG4bKo7Qm2x\r\nCSeq: 1795464001 NOTIFY\r\nContent-Length: 0\r\n\r\n"}
	none := good
	none.Time, none.Outcome, none.Status, none.Reason, none.Packets, none.Seconds = now.Add(-41*time.Second), "no_answer", 0, "", 11, 32
	none.Error, none.Response = "no final answer from udp:127.0.0.1:5060 within 32s", ""
	gone := bridge.Delivery{ID: "K7QAD-2d", Time: now.Add(-6 * time.Minute), User: "reception.front-desk@example.com", Outcome: "dialog_gone", Status: 481,
		Reason: "Call/Transaction Does Not Exist", Packets: 1, Seconds: .0041}
	f.list = []bridge.Delivery{good, none, gone}
	f.wait = []bridge.Waiting{{User: "202@example.com", Holds: holds, Since: now.Add(-73 * time.Second), Dialogs: 1}}
	f.status.Unconverged = bridge.Unconverged{Mailboxes: 3, Dialogs: 4, Oldest: now.Add(-73 * time.Second)}
	f.status.InFlight = 1
	desk := bridge.DialogReport{CallID: good.CallID, ToTag: "a6a1c5f60faecf035a1ae5b6e96e979a-4ab9", FromTag: "8fVbQ1", Watcher: "202@example.com",
		Contact: "sip:202@192.0.2.31:5062;transport=udp", Route: "<sip:proxy.example.com;lr>", Socket: "udp:192.0.2.10:5060", Status: 1,
		Expires: now.Add(55 * time.Minute), ExpiresIn: 3312, LocalCSeq: 1795463822, CSeq: 1795464001, Shows: &holds, Last: &good}
	home := desk
	home.CallID, home.Contact, home.Shows, home.Last = "p0aXb7Rk@198.51.100.7", "sip:202@198.51.100.7:61022;transport=tls", &bridge.Counts{New: 2, Old: 5}, &none
	home.Failures, home.NextAttempt = 3, now.Add(12*time.Second)
	old := desk
	old.CallID, old.Contact, old.Skipped, old.Shows, old.Last = "zz81@192.0.2.77", "sip:202@192.0.2.77:5060", "expired", nil, nil
	old.Expires, old.ExpiresIn, old.CSeq = now.Add(-9*time.Minute), -540, 0
	f.users = map[string]bridge.User{"202@example.com": {User: "202", Domain: "example.com", Mailbox: "202@example.com", Holds: &holds,
		Since: now.Add(-73 * time.Second), Dialogs: []bridge.DialogReport{desk, home, old},
		Why: []string{"The mailbox holds 3 new messages, so the lamp ought to be on.", "Of 3 rows, 2 are live and 1 has expired.",
			"sip:202@198.51.100.7:61022 did not answer 3 times; the next attempt is in 12 s."}}}
	return f
}

// down is the same bridge with neither Asterisk nor database.
func down() *fake {
	f := phones()
	now := time.Now()
	f.status.AMI = bridge.AMIStatus{Address: "127.0.0.1:5038", Since: now.Add(-4 * time.Minute), Resynced: now.Add(-3 * time.Hour),
		Error: "dial tcp 127.0.0.1:5038: connect: connection refused"}
	f.status.Database = bridge.DatabaseStatus{Since: now.Add(-95 * time.Second),
		Error: "the database at db.example.com does not answer: connection refused; is PostgreSQL running?"}
	f.status.Queued = 38
	return f
}

// hostile is a text that would do harm as markup.
const hostile = `<script>window.harmed=1</script>"'><img src=x onerror=window.harmed=1>&lt;`

// harmful is a bridge that has nothing but hostile texts to tell.
func harmful() *fake {
	f := down()
	f.status.AMI.Address, f.status.AMI.Error, f.status.Database.Error = hostile, hostile, hostile
	f.status.Outcomes = map[string]uint64{hostile: 1}
	counts := bridge.Counts{New: 4294967295, Old: 4294967295, Urgent: 4294967295}
	d := bridge.Delivery{User: hostile, Outcome: hostile, Status: 200, Reason: hostile, Request: hostile, Response: hostile, Sent: counts}
	f.list = []bridge.Delivery{d}
	f.wait = []bridge.Waiting{{User: hostile, Holds: counts, Dialogs: 1}}
	f.users = map[string]bridge.User{hostile + "@" + hostile: {User: hostile, Domain: hostile, Mailbox: hostile, Holds: &counts, Why: []string{hostile},
		Dialogs: []bridge.DialogReport{{CallID: hostile, ToTag: hostile, FromTag: hostile, Watcher: hostile, Contact: hostile, Route: hostile, Socket: hostile,
			EventID: hostile, Skipped: hostile, Last: &d, LocalCSeq: 4294967295, CSeq: 4294967295}}}}
	return f
}
