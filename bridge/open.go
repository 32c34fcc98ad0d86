package bridge

import (
	"context"
	"fmt"
	"os"
	"time"

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

// closePatience is how long a database may take to part.
const closePatience = time.Second

// Open opens the database (which may still be down) and the SIP socket, and
// makes the bridge. closeAll ends what was opened; it is to be called when Run has
// returned.
func Open(s Settings) (b *Bridge, closeAll func(), err error) {
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
	closeAll = func() {
		_ = ua.Close() // nothing is left to lose
		closed := make(chan struct{})
		go func() {
			store.Close()
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(closePatience): // a database that hangs is left to the end of the program
		}
	}
	o.Dialogs, o.Sender = store, ua
	if s.Database.Ledger {
		o.Ledger = store
	}
	if b, err = New(o); err != nil {
		closeAll()
		return nil, nil, err
	}
	return b, closeAll, nil
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

// Migrations is the SQL that installs the trigger and the ledger.
func (s *Settings) Migrations() (string, error) { return watchers.Migrations(s.Database) }

// Migrate applies it.
func (s *Settings) Migrate(ctx context.Context) error { return watchers.Migrate(ctx, s.Database) }
