// Package watchers reads the proxy's subscriptions: the table active_watchers
// that OpenSIPS and Kamailio keep, each row the dialog of one phone.
package watchers

import (
	"fmt"
	"time"
)

// AoR is an address of record, as the proxy wrote it: bytes are compared, so
// another case of the domain is another AoR.
type AoR struct{ User, Domain string }

// URI returns "sip:user@domain", the form of column presentity_uri.
func (a AoR) URI() string { return "sip:" + a.User + "@" + a.Domain }

// Key names a dialog (RFC 3261 section 12).
type Key struct {
	CallID  string // callid
	ToTag   string // to_tag: the SERVER's tag; a NOTIFY carries it in From
	FromTag string // from_tag: the PHONE's tag; a NOTIFY carries it in To
}

// Dialog is one row of active_watchers: one phone's subscription. Names are
// those of the SUBSCRIBE, in which the phone is From and the server is To;
// in a NOTIFY they change places. All strings are the proxy's, which took them
// from the phone: they may hold any character.
//
// Who owns CSeq: the proxy. It numbers its own NOTIFY, at each SUBSCRIBE and
// refresh, from a counter in its memory, of which LocalCSeq is a copy that
// lags; OpenSIPS, and Kamailio in all but subs_db_mode 3, overwrite what others
// put there. A phone answers 500 to a CSeq that is not higher than the last it
// took. So LocalCSeq is only a hint, unless the numbers are drawn with
// Store.NextCSeq (cseq = "database") or both sides use the clock.
type Dialog struct {
	Key
	Presentity    string // presentity_uri: sip:user@host, the SUBSCRIBE's Request-URI; sip:*97@host from a phone that subscribes to its voicemail number
	WatcherUser   string // watcher_username: the phone's own account; with WatcherDomain the URI of a NOTIFY's To
	WatcherDomain string // watcher_domain
	ToUser        string // to_user: with ToDomain the URI of a NOTIFY's From
	ToDomain      string // to_domain
	EventID       string // event_id: the id parameter of Event, "" for none (or NULL)
	Contact       string // contact: the phone's remote target, a NOTIFY's Request-URI
	RecordRoute   string // record_route: the route set "<a>,<b>" in the order of a NOTIFY's Route, "" for none (or NULL)
	LocalContact  string // local_contact: the server's Contact, which a NOTIFY must repeat: it refreshes the phone's target
	SocketInfo    string // socket_info: the server's socket, "udp:ip:port"
	Expires       int64  // expires: when the subscription ends, Unix seconds
	Status        int    // status: 1 active, 2 pending, 3 terminated, 4 waiting
	LocalCSeq     uint32 // local_cseq: the server's last CSeq, more or less
	RemoteCSeq    uint32 // remote_cseq: the phone's last CSeq

	Acked    Acked // what the ledger knows
	HasAcked bool  // whether it knows anything
}

// Live returns "" when a NOTIFY may be sent, else why not: "expired", "pending",
// "terminated", "waiting" or "status N".
func (d *Dialog) Live(now time.Time) (reason string) {
	if d.Expires <= now.Unix() {
		return "expired"
	}
	switch d.Status {
	case 1:
		return ""
	case 2:
		return "pending"
	case 3:
		return "terminated"
	case 4:
		return "waiting"
	default:
		return fmt.Sprintf("status %d", d.Status)
	}
}
