package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zonkeymwi/bridge"
	"zonkeymwi/sim"
)

const (
	demoUser    = "202"
	demoDomain  = "example.com"
	demoMailbox = demoUser + "@" + demoDomain

	patience = 10 * time.Second // for each lamp of one scene

	// A pause comes before each scene, as a phone is told no more than once a
	// second (RFC 3842 3.11) and the scene would only show the wait.
	pause = 1100 * time.Millisecond
)

// demoCommand shows the main job on this machine, by itself: everything but
// Asterisk, the proxy and the phones is the real thing.
func demoCommand(ctx context.Context, args []string, out, errs io.Writer) int {
	if code, ok := newArguments("demo", out, errs).parse(args); !ok {
		return code
	}
	dir, err := os.MkdirTemp("", "zonkeymwi-demo-")
	if err != nil {
		fmt.Fprintln(errs, "zonkeymwi demo:", err)
		return exitFailed
	}
	defer os.RemoveAll(dir)
	d := &demo{show: newShow(out), db: filepath.Join(dir, "watchers.db"), patience: patience}
	err = d.open(ctx)
	if err == nil {
		err = d.play(ctx, scenes())
	}
	d.close()
	if err != nil {
		fmt.Fprintln(errs, "zonkeymwi demo:", err)
		return exitFailed
	}
	return exitDone
}

// demo is the cast.
type demo struct {
	show     *show
	asterisk *sim.Asterisk
	proxy    *sim.Proxy
	phones   []*demoPhone
	db       string // SQLite file
	patience time.Duration
	closers  []func()
}

type demoPhone struct {
	*sim.Phone
	name string
}

// open starts everyone and subscribes the phones.
func (d *demo) open(ctx context.Context) (err error) {
	d.asterisk, err = sim.StartAsterisk(sim.AsteriskConfig{Username: "zonkeymwi", Secret: "demo",
		Mailboxes: []sim.Mailbox{{Name: demoMailbox}}})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, d.asterisk.Close)
	d.show.say("asterisk", "simulated; AMI on "+d.asterisk.Addr())
	if d.proxy, err = sim.StartProxy(sim.ProxyConfig{Path: d.db}); err != nil {
		return err
	}
	d.closers = append(d.closers, func() { _ = d.proxy.Close() }) // its directory goes next
	d.show.say("proxy", "simulated; SIP on udp "+d.proxy.Addr()+", subscriptions in SQLite")
	for _, name := range []string{"desk", "mobile"} {
		if err := d.subscribe(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// subscribe adds a phone of the user.
func (d *demo) subscribe(ctx context.Context, name string) error {
	phone, err := sim.NewPhone(sim.PhoneConfig{User: demoUser, Domain: demoDomain, Proxy: d.proxy.Addr(), UserAgent: name,
		OnNotify: func(n sim.Notify) {
			if n.Body != "" { // the proxy's own at SUBSCRIBE says nothing
				d.show.lamp(name, n)
			}
		}})
	if err != nil {
		return err
	}
	d.closers = append(d.closers, phone.Close)
	d.phones = append(d.phones, &demoPhone{phone, name})
	if err := phone.Register(ctx); err != nil {
		return err
	}
	if err := phone.Subscribe(ctx, 600); err != nil {
		return err
	}
	d.show.say(name, "a phone of "+demoMailbox+", subscribed from udp "+phone.Addr())
	return nil
}

// bridge starts the real thing.
func (d *demo) bridge(ctx context.Context) error {
	var s bridge.Settings
	s.Log = d.show.log()
	s.AMI.Address, s.AMI.Username, s.AMI.Secret = d.asterisk.Addr(), "zonkeymwi", "demo"
	s.Database.URL = "sqlite:" + d.db
	s.Proxy = d.proxy.Addr() + ";transport=udp"
	s.SIP.BindIP = "127.0.0.1"
	s.UserAgent, s.VMExten = "Asterisk", "*97"
	if err := s.SetTemplates("", false, false); err != nil {
		return err
	}
	b, closeAll, err := bridge.Open(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { b.Run(ctx) })
	d.closers = append(d.closers, func() { cancel(); run.Wait(); closeAll() })
	return nil
}

// close ends everyone, the last to come first.
func (d *demo) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// scene is one thing that happens, and what every lamp must show in the end.
type scene struct {
	title string
	act   func(ctx context.Context, d *demo) error
	want  sim.Lamp
}

func scenes() []scene {
	on := func(n, old int) sim.Lamp { return sim.Lamp{Known: true, On: true, New: n, Old: old} }
	off := func(old int) sim.Lamp { return sim.Lamp{Known: true, Old: old} }
	holds := func(n, old int) func(context.Context, *demo) error {
		return func(_ context.Context, d *demo) error {
			d.asterisk.Set(demoMailbox, n, old)
			return nil
		}
	}
	return []scene{
		{"the bridge starts and reads every mailbox", func(ctx context.Context, d *demo) error { return d.bridge(ctx) }, off(0)},
		{"a caller leaves a message", holds(1, 0), on(1, 0)},
		{"the user hears it", holds(0, 1), off(1)},
		{"a message comes while the network loses every third packet", func(_ context.Context, d *demo) error {
			d.proxy.SetFaults(sim.Faults{Seed: 6, Loss: 1.0 / 3})
			d.asterisk.Set(demoMailbox, 1, 1)
			return nil
		}, on(1, 1)},
		{"the connection to Asterisk breaks, and two more come unseen", func(_ context.Context, d *demo) error {
			d.proxy.SetFaults(sim.Faults{})
			d.asterisk.Down()
			d.asterisk.Set(demoMailbox, 3, 1)
			d.asterisk.Up()
			return nil
		}, on(3, 1)},
		{"the user deletes them all", holds(0, 0), off(0)},
	}
}

// play goes through the scenes and tells how they ended.
func (d *demo) play(ctx context.Context, scenes []scene) error {
	wrong := 0
	var rows []row
	for i, s := range scenes {
		if err := rest(ctx); err != nil {
			return err
		}
		if err := d.show.failed(); err != nil {
			return err
		}
		d.show.title(fmt.Sprintf("%d. %s", i+1, s.title))
		r := row{title: s.title}
		start := time.Now()
		if err := s.act(ctx, d); err != nil {
			return err
		}
		for _, p := range d.phones {
			if err := d.wait(ctx, p, s.want); err != nil {
				d.show.say(p.name, "WRONG: "+err.Error())
				wrong++
			}
			r.lamps = append(r.lamps, p.Lamp())
		}
		r.took = time.Since(start)
		rows = append(rows, r)
	}
	if err := rest(ctx); err != nil { // the log's last lines
		return err
	}
	d.show.summary(d.phones, rows)
	if err := d.show.failed(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d lamps were wrong", wrong)
	}
	return nil
}

// rest lets a second pass.
func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case <-time.After(pause):
		return nil
	}
}

func (d *demo) wait(ctx context.Context, p *demoPhone, want sim.Lamp) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	return p.WaitLamp(ctx, want)
}
