package sim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// PhoneConfig describes a phone. User, Domain and Proxy are needed.
type PhoneConfig struct {
	User, Domain string
	Proxy        string // "ip:port" of the outbound proxy
	BindIP       string // "" means 127.0.0.1; for NewPhone only, as is
	BindPort     int    // 0 means any
	Inside       string // "ip:port" that it takes for its own, behind a NAT, and says in Via and Contact; "" means where it is
	Password     string // for a proxy that asks for one (digest); the user is User
	SubscribeTo  string // user part to subscribe to; "" means User. Some phones take the voicemail number, "*97"
	EventID      string // id parameter of Event, or ""
	UserAgent    string // "" means "zonkeymwi-sim"
	Unsolicited  bool   // take a NOTIFY that is in no dialog, as some phones do; else 481, RFC 6665 4.1.3
	T1           time.Duration
	Keep         int          // how many NOTIFYs Notifies remembers; 0 means 256
	OnNotify     func(Notify) // each NOTIFY that is no repetition, as it comes; must not block
}

// Notify is one NOTIFY as the phone saw it.
type Notify struct {
	Time   time.Time
	CSeq   uint32
	Status int    // what the phone answered; 0 is silence
	Reason string // why it was refused, or ""
	Repeat bool   // a retransmission, answered as before
	State  string // Subscription-State
	Lamp   Lamp   // what the phone shows after it
	Body   string
	Raw    []byte
}

// Phone is a SIP phone with a message-waiting lamp.
type Phone struct {
	cfg   PhoneConfig
	bank  *Bank
	own   bool // the bank is this phone's alone
	proxy netip.AddrPort

	// guarded by bank.mu
	lamp     Lamp
	notes    []Notify
	seen     int // NOTIFYs so far, repetitions not counted
	dialog   *dialog
	register registration
	forced   forced
}

// dialog is the phone's side of its subscription, RFC 3261 12.
type dialog struct {
	callID, localTag, remoteTag string
	localCSeq, remoteCSeq       uint32
	remoteURI                   string // of To
	target                      string // the server's Contact
	routes                      []string
	expires                     int
}

type registration struct {
	callID string
	cseq   uint32
}

// forced is a status to answer the next NOTIFYs with.
type forced struct{ left, status int }

// NewPhone starts a phone with a socket of its own.
func NewPhone(cfg PhoneConfig) (*Phone, error) {
	b, err := NewBank(cfg.BindIP, cfg.BindPort)
	if err != nil {
		return nil, err
	}
	p, err := b.Phone(cfg)
	if err != nil {
		b.Close()
		return nil, err
	}
	p.own = true
	return p, nil
}

// Phone adds a phone to the bank's socket.
func (b *Bank) Phone(cfg PhoneConfig) (*Phone, error) {
	proxy, err := netip.ParseAddrPort(cfg.Proxy)
	if err != nil {
		return nil, fmt.Errorf("phone %s: proxy: %w", cfg.User, err)
	}
	if cfg.SubscribeTo == "" {
		cfg.SubscribeTo = cfg.User
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "zonkeymwi-sim"
	}
	if cfg.T1 == 0 {
		cfg.T1 = 500 * time.Millisecond
	}
	if cfg.Keep == 0 {
		cfg.Keep = 256
	}
	p := &Phone{cfg: cfg, bank: b, proxy: proxy}
	b.mu.Lock()
	b.byUser[cfg.User] = p
	b.mu.Unlock()
	return p, nil
}

// Addr is the phone's "ip:port".
func (p *Phone) Addr() string { return p.bank.Addr() }

// Close pulls the plug: nothing is unsubscribed. In a bank the phone is only forgotten.
func (p *Phone) Close() {
	p.Reboot()
	if p.own {
		p.bank.Close()
		return
	}
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	if p.bank.byUser[p.cfg.User] == p {
		delete(p.bank.byUser, p.cfg.User)
	}
}

// Reboot forgets dialog, lamp and registration without telling anyone. NOTIFYs in the old dialog get 481 from now on,
// and the next Subscribe has a new Call-ID.
func (p *Phone) Reboot() {
	p.bank.mu.Lock()
	p.forget()
	p.lamp, p.register = Lamp{}, registration{}
	p.bank.mu.Unlock()
	p.bank.changed.wake()
}

func (p *Phone) forget() {
	if p.dialog != nil {
		delete(p.bank.byCallID, p.dialog.callID)
		p.dialog = nil
	}
}

// Lamp is what the phone shows now.
func (p *Phone) Lamp() Lamp {
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	return p.lamp
}

// Notifies are the last PhoneConfig.Keep NOTIFYs, repetitions included, oldest first.
func (p *Phone) Notifies() []Notify {
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	return slices.Clone(p.notes)
}

// Answer makes the phone answer its next n NOTIFYs with status, or not at all where status is 0; n < 0 means from now
// on, n = 0 ends it. Repetitions of one NOTIFY count once, and all get the same.
func (p *Phone) Answer(n, status int) {
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	p.forced = forced{n, status}
}

// WaitLamp waits until the phone shows want. The error says what it shows instead and what became of the last NOTIFY.
func (p *Phone) WaitLamp(ctx context.Context, want Lamp) error {
	if err := p.bank.changed.await(ctx, func() bool { return p.Lamp() == want }); err != nil {
		return fmt.Errorf("phone %s shows %+v, not %+v (%s): %w", p.cfg.User, p.Lamp(), want, p.lastNote(), err)
	}
	return nil
}

// WaitNotifies waits until n NOTIFYs have come since the phone was made, repetitions not counted.
func (p *Phone) WaitNotifies(ctx context.Context, n int) error {
	err := p.bank.changed.await(ctx, func() bool {
		p.bank.mu.Lock()
		defer p.bank.mu.Unlock()
		return p.seen >= n
	})
	if err != nil {
		return fmt.Errorf("phone %s waits for NOTIFY %d (%s): %w", p.cfg.User, n, p.lastNote(), err)
	}
	return nil
}

func (p *Phone) lastNote() string {
	notes := p.Notifies()
	if len(notes) == 0 {
		return "no NOTIFY came"
	}
	last := notes[len(notes)-1]
	return strings.TrimSpace(fmt.Sprintf("last NOTIFY: CSeq %d, answered %d %s", last.CSeq, last.Status, last.Reason))
}
