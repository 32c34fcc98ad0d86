package sipmsg

import (
	"fmt"
	"strconv"
)

// Fields is everything a template may use, under the same names. Each NOTIFY
// is one dialog's (RFC 6665 4.2.2) with one mailbox's counts (RFC 3842 3.5).
type Fields struct {
	RequestURI string // remote target, or the first strict router (RFC 3261 12.2.1.1)
	Route      string // route set as `<a>,<b>`; may be empty
	Transport  string // UDP, TCP or TLS
	SentBy     string // host:port of the Via
	Branch     string // Via branch, with its z9hG4bK

	FromURI string // the server's side of the dialog: sip:to_user@to_domain
	FromTag string // the server's tag: column to_tag
	ToURI   string // the phone's side: sip:watcher_username@watcher_domain
	ToTag   string // the phone's tag: column from_tag
	CallID  string
	CSeq    uint32
	Contact string // the server's Contact: column local_contact
	EventID string // the subscription's Event id; may be empty
	Expires uint32 // seconds the subscription still lives

	UserAgent     string // may be empty
	Authorization string // a whole header line that answers a challenge; may be empty

	Account   string // Message-Account: where the user listens to the messages
	New       uint32 // new messages, urgent ones included
	Old       uint32
	NewUrgent uint32
	OldUrgent uint32

	contentLength uint32 // of the rendered body; set by Append
}

// Waiting is "yes" when there is a new message: old ones alone do not light
// the lamp (RFC 3842 3.5).
func (f *Fields) Waiting() string {
	if f.New > 0 {
		return "yes"
	}
	return "no"
}

// A class is the set of bytes that a value may hold where its field stands in
// a request. None has a control character, so no value can end its line.
type class uint8

const (
	text  class = 1 << iota // anything printable, spaces too
	uri                     // stands between < and >
	param                   // stands after ;name=
	word                    // Call-ID
)

// classOf tells for each byte in which classes it may stand. Bytes above 127
// are let through: they break no syntax, and a phone that subscribed with them
// wants them back.
var classOf = func() (t [256]class) {
	for b := range t {
		switch {
		case b < ' ' || b == 0x7f:
		case b == ' ':
			t[b] = text
		case b == '<' || b == '>' || b == '"':
			t[b] = text | word
		case b == ';' || b == ',':
			t[b] = text | word | uri
		default:
			t[b] = text | word | uri | param
		}
	}
	return t
}()

// field describes one name that a template may use.
type field struct {
	name   string
	source string // where an operator finds the value
	class  class
	empty  bool // may be empty
	str    func(*Fields) string
	num    func(*Fields) uint32
}

var fields = []field{
	{name: "RequestURI", source: "column contact", class: uri, str: func(f *Fields) string { return f.RequestURI }},
	{name: "Route", source: "column record_route", class: text, empty: true, str: func(f *Fields) string { return f.Route }},
	{name: "Transport", source: "sip.proxy", class: param, str: func(f *Fields) string { return f.Transport }},
	{name: "SentBy", source: "sip.bindip", class: param, str: func(f *Fields) string { return f.SentBy }},
	{name: "Branch", source: "the transaction", class: param, str: func(f *Fields) string { return f.Branch }},
	{name: "FromURI", source: "columns to_user and to_domain", class: uri, str: func(f *Fields) string { return f.FromURI }},
	{name: "FromTag", source: "column to_tag", class: param, str: func(f *Fields) string { return f.FromTag }},
	{name: "ToURI", source: "columns watcher_username and watcher_domain", class: uri, str: func(f *Fields) string { return f.ToURI }},
	{name: "ToTag", source: "column from_tag", class: param, str: func(f *Fields) string { return f.ToTag }},
	{name: "CallID", source: "column callid", class: word, str: func(f *Fields) string { return f.CallID }},
	{name: "CSeq", source: "column local_cseq", num: func(f *Fields) uint32 { return f.CSeq }},
	{name: "Contact", source: "column local_contact", class: uri, str: func(f *Fields) string { return f.Contact }},
	{name: "EventID", source: "column event_id", class: param, empty: true, str: func(f *Fields) string { return f.EventID }},
	{name: "Expires", source: "column expires", num: func(f *Fields) uint32 { return f.Expires }},
	{name: "UserAgent", source: "sip.useragent", class: text, empty: true, str: func(f *Fields) string { return f.UserAgent }},
	{name: "Authorization", source: "the proxy's challenge", class: text, empty: true, str: func(f *Fields) string { return f.Authorization }},
	{name: "ContentLength", source: "the body", num: func(f *Fields) uint32 { return f.contentLength }},
	{name: "Waiting", source: "the mailbox", class: text, str: (*Fields).Waiting},
	{name: "Account", source: "sip.vmexten and column to_domain", class: text, str: func(f *Fields) string { return f.Account }},
	{name: "New", source: "the mailbox", num: func(f *Fields) uint32 { return f.New }},
	{name: "Old", source: "the mailbox", num: func(f *Fields) uint32 { return f.Old }},
	{name: "NewUrgent", source: "the mailbox", num: func(f *Fields) uint32 { return f.NewUrgent }},
	{name: "OldUrgent", source: "the mailbox", num: func(f *Fields) uint32 { return f.OldUrgent }},
}

// set tells whether {{if .Name}} holds, as in text/template.
func (d *field) set(f *Fields) bool {
	if d.num != nil {
		return d.num(f) != 0
	}
	return d.str(f) != ""
}

// appendTo appends the value, or refuses it: nothing that came from a database
// or from AMI may leave the place that the template gave it.
func (d *field) appendTo(dst []byte, f *Fields) ([]byte, error) {
	if d.num != nil {
		return strconv.AppendUint(dst, uint64(d.num(f)), 10), nil
	}
	v := d.str(f)
	if v == "" && !d.empty {
		return dst, &ValueError{Field: d.name, Source: d.source, At: -1}
	}
	for i := range len(v) {
		if classOf[v[i]]&d.class == 0 {
			return dst, &ValueError{Field: d.name, Source: d.source, Value: v, At: i}
		}
	}
	return append(dst, v...), nil
}

// ValueError refuses a value that would make the request mean something else.
type ValueError struct {
	Field  string // name in the template
	Source string // where the value came from
	Value  string
	At     int // offset of the first byte that may not stand there; -1: the value is empty
}

func (e *ValueError) Error() string {
	if e.At < 0 {
		return fmt.Sprintf("%s (%s) is empty", e.Field, e.Source)
	}
	v := e.Value
	if len(v) > 64 { // enough to recognise it in a log line
		v = v[:64] + "…"
	}
	return fmt.Sprintf("%s (%s) may not hold %q at byte %d: %q", e.Field, e.Source, e.Value[e.At:e.At+1], e.At, v)
}
