package sipmsg

import (
	"fmt"
	"slices"
	"strings"
)

// Fields is everything a template may use, under the same names: one mailbox's
// counts (RFC 3842 3.5) and whom they are for, which with Notify is one dialog
// (RFC 6665 4.2.2). What a Kind does not know may be empty.
type Fields struct {
	RequestURI string // whom the request is for; in a dialog its remote target, or the first strict router (RFC 3261 12.2.1.1)
	Route      string // route set as `<a>,<b>`; may be empty
	Transport  string // UDP, TCP or TLS
	SentBy     string // host:port of the Via
	Branch     string // Via branch, with its z9hG4bK

	FromURI string // the server's side of the dialog: sip:to_user@to_domain
	FromTag string // the server's tag: column to_tag
	ToURI   string // the phone's side: sip:watcher_username@watcher_domain
	ToTag   string // Notify: the phone's tag: column from_tag
	CallID  string
	CSeq    uint32
	Contact string // the server's Contact: column local_contact; not in Publish
	EventID string // Notify: the subscription's Event id; may be empty
	Expires uint32 // Notify: seconds the subscription still lives; Publish: that the publication shall live
	ETag    string // Publish: the publication that this one refreshes or changes (RFC 3903 4.1); empty for a new one

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
	token                   // RFC 3261 25.1
)

const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"

// classOf tells for each byte in which classes it may stand. Bytes above 127
// are let through except in a token: they break no syntax, and a phone that
// subscribed with them wants them back.
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
		case strings.IndexByte(tokenChars, byte(b)) >= 0:
			t[b] = text | word | uri | param | token
		default:
			t[b] = text | word | uri | param
		}
	}
	return t
}()

// field describes one name that a template may use.
type field struct {
	name    string
	in      []Kind // nil: in all
	source  string // where an operator finds the value
	outside string // the same for a request in no dialog, if it is not source
	class   class
	empty   bool // may be empty
	str     func(*Fields) string
	num     func(*Fields) uint32
}

var fields = []field{
	{name: "RequestURI", source: "column contact", outside: address, class: uri, str: func(f *Fields) string { return f.RequestURI }},
	{name: "Route", source: "column record_route", class: text, empty: true, str: func(f *Fields) string { return f.Route }},
	{name: "Transport", source: "sip.proxy", class: param, str: func(f *Fields) string { return f.Transport }},
	{name: "SentBy", source: "sip.bindip", class: param, str: func(f *Fields) string { return f.SentBy }},
	{name: "Branch", source: "the transaction", class: param, str: func(f *Fields) string { return f.Branch }},
	{name: "FromURI", source: "columns to_user and to_domain", outside: address, class: uri, str: func(f *Fields) string { return f.FromURI }},
	{name: "FromTag", source: "column to_tag", outside: "the bridge", class: param, str: func(f *Fields) string { return f.FromTag }},
	{name: "ToURI", source: "columns watcher_username and watcher_domain", outside: address, class: uri, str: func(f *Fields) string { return f.ToURI }},
	{name: "ToTag", in: []Kind{Notify}, source: "column from_tag", class: param, str: func(f *Fields) string { return f.ToTag }},
	{name: "CallID", source: "column callid", outside: "the bridge", class: word, str: func(f *Fields) string { return f.CallID }},
	{name: "CSeq", source: "column local_cseq", outside: "the bridge", num: func(f *Fields) uint32 { return f.CSeq }},
	{name: "Contact", in: []Kind{Notify, Unsolicited}, source: "column local_contact", outside: "sip.contactuser", class: uri, str: func(f *Fields) string { return f.Contact }},
	{name: "EventID", in: []Kind{Notify}, source: "column event_id", class: param, empty: true, str: func(f *Fields) string { return f.EventID }},
	{name: "Expires", in: []Kind{Notify, Publish}, source: "column expires", outside: "the bridge", num: func(f *Fields) uint32 { return f.Expires }},
	{name: "ETag", in: []Kind{Publish}, source: "the presence server's SIP-ETag", class: token, empty: true, str: func(f *Fields) string { return f.ETag }},
	{name: "UserAgent", source: "sip.useragent", class: text, empty: true, str: func(f *Fields) string { return f.UserAgent }},
	{name: "Authorization", source: "the proxy's challenge", class: text, empty: true, str: func(f *Fields) string { return f.Authorization }},
	{name: "ContentLength", source: "the body", num: func(f *Fields) uint32 { return f.contentLength }},
	{name: "Waiting", source: "the mailbox", class: text, str: (*Fields).Waiting},
	{name: "Account", source: "sip.vmexten and column to_domain", outside: "sip.vmexten and " + address, class: text, str: func(f *Fields) string { return f.Account }},
	{name: "New", source: "the mailbox", num: func(f *Fields) uint32 { return f.New }},
	{name: "Old", source: "the mailbox", num: func(f *Fields) uint32 { return f.Old }},
	{name: "NewUrgent", source: "the mailbox", num: func(f *Fields) uint32 { return f.NewUrgent }},
	{name: "OldUrgent", source: "the mailbox", num: func(f *Fields) uint32 { return f.OldUrgent }},
}

const address = "the mailbox's SIP address"

// fieldsOf returns what a template of that kind may use.
func fieldsOf(kind Kind) []field {
	var known []field
	for _, d := range fields {
		if d.in != nil && !slices.Contains(d.in, kind) {
			continue
		}
		if kind != Notify && d.outside != "" {
			d.source = d.outside
		}
		known = append(known, d)
	}
	return known
}

// set tells whether {{if .Name}} holds, as in text/template.
func (d *field) set(f *Fields) bool {
	if d.num != nil {
		return d.num(f) != 0
	}
	return d.str(f) != ""
}

// holds tells whether each byte of v may stand there. Eight are looked up at a
// time: rendering is mostly this.
func (c class) holds(v string) bool {
	for ; len(v) >= 8; v = v[8:] {
		c &= classOf[v[0]] & classOf[v[1]] & classOf[v[2]] & classOf[v[3]] &
			classOf[v[4]] & classOf[v[5]] & classOf[v[6]] & classOf[v[7]]
	}
	for i := range len(v) {
		c &= classOf[v[i]]
	}
	return c != 0
}

// refuse says why the value may not be sent.
func (d *field) refuse(v string) error {
	at := -1
	for i := range len(v) {
		if classOf[v[i]]&d.class == 0 {
			at = i
			break
		}
	}
	return &ValueError{Field: d.name, Source: d.source, Value: v, At: at}
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
