package bridge

import "time"

// Status is the bridge as a whole.
type Status struct {
	Started     time.Time         `json:"started"`
	AMI         AMIStatus         `json:"ami"`
	Database    DatabaseStatus    `json:"database"`
	Publish     bool              `json:"publish"`   // sip.method is "publish": nothing is looked up in the database
	Mailboxes   int               `json:"mailboxes"` // known
	Dialogs     int               `json:"dialogs"`   // of them, live or not, as last looked up
	Dead        int               `json:"dead"`      // dialogs that are left alone until their row changes
	Unconverged Unconverged       `json:"unconverged"`
	InFlight    int               `json:"in_flight"` // NOTIFYs without their final answer
	Queued      int               `json:"queued"`    // dirty mailboxes
	Outcomes    map[string]uint64 `json:"outcomes"`  // NOTIFYs since the start, by what became of them
}

// OutcomeCSeqTooLow is the key of Status.Outcomes that counts CSeq conflicts.
const OutcomeCSeqTooLow = "cseq_too_low"

// AMIStatus is the connection to Asterisk.
type AMIStatus struct {
	Address   string    `json:"address"`
	Connected bool      `json:"connected"`
	Booted    bool      `json:"booted"`            // Asterisk has said FullyBooted
	Since     time.Time `json:"since,omitzero"`    // of Connected being as it is
	Resynced  time.Time `json:"resynced,omitzero"` // when every mailbox was last read; zero: not yet
	Error     string    `json:"error,omitempty"`   // why it is not connected
}

// DatabaseStatus is what the last lookup said.
type DatabaseStatus struct {
	OK    bool      `json:"ok"`
	Since time.Time `json:"since,omitzero"` // of OK being as it is; zero: nothing was looked up yet
	Error string    `json:"error,omitempty"`
}

// Unconverged counts what is not yet as it ought to be.
type Unconverged struct {
	Mailboxes int       `json:"mailboxes"` // with a live dialog that does not show their state, or dirty
	Dialogs   int       `json:"dialogs"`
	Oldest    time.Time `json:"oldest,omitzero"` // since when; zero: none
}

// Counts is what a mailbox holds or a phone shows. New includes Urgent.
type Counts struct {
	New    uint32 `json:"new"`
	Old    uint32 `json:"old"`
	Urgent uint32 `json:"urgent"`
}

// User is all that is known of one user's lamp.
type User struct {
	User    string         `json:"user"`
	Domain  string         `json:"domain"`
	Mailbox string         `json:"mailbox"`        // as Asterisk calls it; "" when it never spoke of it
	Holds   *Counts        `json:"holds"`          // nil when Asterisk never spoke of it
	Dirty   bool           `json:"dirty"`          // waits to be looked at
	Since   time.Time      `json:"since,omitzero"` // since when not every phone shows it; zero: they do
	Dialogs []DialogReport `json:"dialogs"`
	Why     []string       `json:"why"` // in plain words, why the lamp is as it is and what comes next
}

// DialogReport is one row of active_watchers and what the bridge made of it.
type DialogReport struct {
	CallID      string    `json:"call_id"`
	Sends       string    `json:"sends"`    // "NOTIFY"; "PUBLISH" or "unsolicited NOTIFY" where it is no subscription
	ToTag       string    `json:"to_tag"`   // the server's
	FromTag     string    `json:"from_tag"` // the phone's
	Watcher     string    `json:"watcher"`
	Contact     string    `json:"contact"`
	Route       string    `json:"route,omitempty"`
	Socket      string    `json:"socket"`
	EventID     string    `json:"event_id,omitempty"`
	Status      int       `json:"status"`
	Expires     time.Time `json:"expires"`
	ExpiresIn   int64     `json:"expires_in"`        // seconds; negative when it has expired
	ETag        string    `json:"etag,omitempty"`    // of a publication
	LocalCSeq   uint32    `json:"local_cseq"`        // the proxy's, in the row
	CSeq        uint32    `json:"cseq"`              // the last that the bridge sent; 0: none
	Shows       *Counts   `json:"shows"`             // what the phone acknowledged in this subscription; nil: nothing yet
	Told        bool      `json:"told,omitempty"`    // Shows is what an operator asked for
	Untaken     string    `json:"untaken,omitempty"` // why no phone took an unsolicited NOTIFY
	Skipped     string    `json:"skipped,omitempty"`
	InFlight    bool      `json:"in_flight"`
	Failures    int       `json:"failures"`
	NextAttempt time.Time `json:"next_attempt,omitzero"` // zero: nothing is due
	Last        *Delivery `json:"last,omitempty"`        // nil: none, or too long ago to be kept
}

// Delivery is a NOTIFY that has come to its end.
type Delivery struct {
	ID       string    `json:"id"` // of the change
	Time     time.Time `json:"time"`
	User     string    `json:"user"` // the presentity, user@domain
	CallID   string    `json:"call_id"`
	CSeq     uint32    `json:"cseq"`
	Sent     Counts    `json:"sent"`
	Outcome  string    `json:"outcome"`
	Status   int       `json:"status"` // 0: no final answer
	Reason   string    `json:"reason,omitempty"`
	Error    string    `json:"error,omitempty"`
	Packets  int       `json:"packets"`
	Seconds  float64   `json:"seconds"`
	Request  string    `json:"request"`  // as it was sent last, credentials hidden
	Response string    `json:"response"` // the final answer
}

// Resent is what became of a forced NOTIFY, phone by phone.
type Resent struct {
	Mailbox   string     `json:"mailbox"`   // user@domain
	Dialogs   int        `json:"dialogs"`   // rows found, live or not
	Delivered int        `json:"delivered"` // phones that answered 2xx
	Failed    int        `json:"failed"`    // phones that did not
	Reason    string     `json:"reason,omitempty"`
	Note      string     `json:"note,omitempty"` // what else there is to know
	Results   []Delivery `json:"results"`        // one a live dialog
}

// Waiting is a mailbox that is not converged.
type Waiting struct {
	User    string    `json:"user"` // user@domain
	Holds   Counts    `json:"holds"`
	Since   time.Time `json:"since,omitzero"`
	Dialogs int       `json:"dialogs"` // live ones that do not show it
}

// Meter takes measurements. Its methods are called on hot paths and must not
// block; a bridge without one does not measure.
type Meter interface {
	Received()                                   // an AMI message about a mailbox
	LookedUp(took time.Duration, ok bool)        // a batch of mailboxes
	Notified(outcome string, took time.Duration) // a NOTIFY came to its end
	Acknowledged(sinceEvent time.Duration)       // a phone shows what AMI said
	CSeqConflict()                               // a 500, by which a phone refused a CSeq
}
