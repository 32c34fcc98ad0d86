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
	var store watchers.Store
	if s.Database.URL != "" {
		if store, err = watchers.Open(s.Database); err != nil {
			return nil, nil, err
		}
		o.Dialogs = store
	}
	ua, err := sipua.New(s.SIP)
	if err != nil {
		closeStore(store)
		return nil, nil, err
	}
	closeAll = func() {
		_ = ua.Close() // nothing is left to lose
		closeStore(store)
	}
	o.Sender = ua
	if s.Database.Ledger && store != nil {
		o.Ledger = store
	}
	if b, err = New(o); err != nil {
		closeAll()
		return nil, nil, err
	}
	return b, closeAll, nil
}

// closeStore parts from the database. One that hangs is left to the end of the
// program.
func closeStore(store watchers.Store) {
	if store == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		store.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closePatience):
	}
}

// SetTemplates reads an operator's template for what is sent, or takes the
// built-in one where path is "". For unsolicited NOTIFYs there is that alone.
func (l *Live) SetTemplates(path string, publish, unsolicited bool) (err error) {
	kind := sipmsg.Notify
	if publish {
		kind = sipmsg.Publish
	}
	if unsolicited {
		if l.Unsolicited, err = readTemplate(sipmsg.Unsolicited, ""); err != nil {
			return err
		}
	}
	l.Template, err = readTemplate(kind, path)
	return err
}

func readTemplate(kind sipmsg.Kind, path string) (*sipmsg.Template, error) {
	if path == "" {
		return sipmsg.Parse(kind, "built-in template", sipmsg.Builtin(kind))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sip.template: %w", err)
	}
	t, err := sipmsg.Parse(kind, path, string(text))
	if err != nil {
		return nil, fmt.Errorf("sip.template: %w", err)
	}
	return t, nil
}

// Migrations is the SQL that installs the trigger and the ledger.
func (s *Settings) Migrations() (string, error) { return watchers.Migrations(s.Database) }

// Migrate applies it.
func (s *Settings) Migrate(ctx context.Context) error { return watchers.Migrate(ctx, s.Database) }
