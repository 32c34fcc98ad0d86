package bridge

import (
	"fmt"
	"os"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// Settings are Options whose parts are still to be opened: Dialogs and Sender
// are left empty.
type Settings struct {
	Options
	Database watchers.Config
	SIP      sipua.Config // but for its Proxy
	Proxy    string       // host[:port][;transport=udp|tcp|tls]
}

// Open opens the database (which may still be down) and the SIP socket, and
// makes the bridge. close ends what was opened; it is to be called when Run has
// returned.
func Open(s Settings) (b *Bridge, close func(), err error) {
	o := s.Options
	if s.SIP.Proxy, err = sipua.ParseProxy(s.Proxy); err != nil {
		return nil, nil, fmt.Errorf("sip.proxy: %w", err)
	}
	store, err := watchers.Open(s.Database)
	if err != nil {
		return nil, nil, err
	}
	ua, err := sipua.New(s.SIP)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	close = func() {
		_ = ua.Close() // nothing is left to lose
		store.Close()
	}
	o.Dialogs, o.Sender = store, ua
	if b, err = New(o); err != nil {
		close()
		return nil, nil, err
	}
	return b, close, nil
}

// SetTemplate reads an operator's template, or takes the built-in one where
// path is "".
func (l *Live) SetTemplate(path string) (err error) {
	l.Template, err = readTemplate(path)
	return err
}

func readTemplate(path string) (*sipmsg.Template, error) {
	if path == "" {
		return sipmsg.Parse("notify.tmpl", sipmsg.Builtin())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sip.template: %w", err)
	}
	t, err := sipmsg.Parse(path, string(text))
	if err != nil {
		return nil, fmt.Errorf("sip.template: %w", err)
	}
	return t, nil
}
