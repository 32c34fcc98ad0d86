package sipua

import (
	"strings"
	"time"
)

// Class says what an outcome means for the one who sent the request.
type Class int

// The classes. 480 is TryLater although RFC 6665 4.2.2 and RFC 5057 count it among those that end a subscription: a proxy
// answers 480 when a phone has no registration at the moment, and a dialog that is held for dead stays dark until its row
// changes, which may be an hour after the phone is back. If the dialog is really gone, the phone itself says 481 then.
const (
	NoAnswer     Class = iota // time-out, transport error, 408, no DNS: the phone may or may not have got it
	Acknowledged              // 2xx
	DialogGone                // 404 410 416 481-485 489 501 604: the subscription is over (RFC 6665 4.2.2, RFC 5057)
	CSeqTooLow                // 500: to a NOTIFY, that is RFC 3261 12.2.2
	TryLater                  // 503, 480, or any other but 481 with Retry-After
	Refused                   // any other final response; or nothing was sent, since the request itself is at fault (Err)
)

func (c Class) String() string {
	switch c {
	case Acknowledged:
		return "acknowledged"
	case DialogGone:
		return "dialog_gone"
	case CSeqTooLow:
		return "cseq_too_low"
	case TryLater:
		return "try_later"
	case Refused:
		return "refused"
	default:
		return "no_answer"
	}
}

// Outcome is what became of a request.
type Outcome struct {
	Class      Class
	Status     int           // of the final response; 0 when there was none
	Reason     string        // its reason phrase, at most 128 bytes
	RetryAfter time.Duration // from Retry-After, at most an hour; 0 when it has none
	CSeq       uint32        // the last one used: one more than the request's for each challenge answered
	Target     string        // the last one tried, "udp:192.0.2.1:5060"; "" when it came to none
	Sent       int           // datagrams sent or messages queued to a connection, retransmissions included
	Err        error         // why, where the status alone does not say it
	Request    []byte        // the message as it was sent last; nil when none was
	Response   []byte        // the final response as it came; nil when there was none
}

// Header is the first value of a header field of the final response, unfolded; "" when it is not there.
func (o *Outcome) Header(name string) string {
	_, rest, _ := cutLine(o.Response)
	for v := range fields(rest, name) {
		return v
	}
	return ""
}

func classify(status int, retryAfter time.Duration) Class {
	switch {
	case status < 300:
		return Acknowledged
	case status == 481:
		return DialogGone
	case retryAfter > 0:
		return TryLater
	}
	switch status {
	case 404, 410, 416, 482, 483, 484, 485, 489, 501, 604:
		return DialogGone
	case 408:
		return NoAnswer
	case 480, 503:
		return TryLater
	case 500:
		return CSeqTooLow
	default:
		return Refused
	}
}

// parseRetryAfter reads delta-seconds, which a comment or parameters may follow (RFC 3261 20.33).
func parseRetryAfter(v string) time.Duration {
	const most = 3600
	n := 0
	for _, c := range []byte(v) {
		if c < '0' || c > '9' || n >= most {
			break
		}
		n = n*10 + int(c-'0')
	}
	return time.Duration(min(n, most)) * time.Second
}

// reasonText is a reason phrase fit for a log.
func reasonText(b []byte) string {
	if string(b) == "OK" {
		return "OK" // no allocation for the one that comes 99 times of 100
	}
	return strings.ToValidUTF8(string(b[:min(len(b), 128)]), "?")
}
