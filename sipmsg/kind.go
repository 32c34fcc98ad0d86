package sipmsg

import _ "embed"

// Kind is which request a template makes.
type Kind uint8

const (
	Notify      Kind = iota // a NOTIFY in a subscription's dialog (RFC 6665)
	Publish                 // a PUBLISH, which the presence server turns into its NOTIFYs (RFC 3903)
	Unsolicited             // a NOTIFY in no dialog, to whatever has registered: in no RFC, but phones take it
)

var (
	//go:embed notify.tmpl
	notifyText string
	//go:embed publish.tmpl
	publishText string
	//go:embed unsolicited.tmpl
	unsolicitedText string
)

var kinds = [...]struct{ name, method, builtin string }{
	Notify:      {"NOTIFY", "NOTIFY", notifyText},
	Publish:     {"PUBLISH", "PUBLISH", publishText},
	Unsolicited: {"unsolicited NOTIFY", "NOTIFY", unsolicitedText},
}

func (k Kind) String() string { return kinds[k].name }

// Method is the SIP method.
func (k Kind) Method() string { return kinds[k].method }

// Builtin is the text of the template that is used when an operator gives none.
func Builtin(kind Kind) string { return kinds[kind].builtin }
