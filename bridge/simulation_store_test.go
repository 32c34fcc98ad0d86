package bridge

import (
	"context"
	"errors"
	"time"

	"zonkeymwi/watchers"
)

// simStore is the database: the proxy's rows and the bridge's ledger, which
// outlive the bridge.
type simStore struct {
	rows    map[watchers.Key]*simRow
	changes uint64
	calls   uint64
	ledger  map[watchers.Key]watchers.Acked

	// What is wrong with it now.
	failing bool
	hanging bool
	slow    time.Duration
}

type simRow struct {
	watchers.Dialog
	d       *simDialog
	changed uint64 // the count of changes at its last
}

var errAway = errors.New("connection refused")

// put writes a row, as the proxy does.
func (s *simulation) put(d *simDialog, row watchers.Dialog) {
	st := &s.store
	if st.rows == nil {
		st.rows, st.ledger = map[watchers.Key]*simRow{}, map[watchers.Key]watchers.Acked{}
	}
	st.changes++
	st.rows[row.Key] = &simRow{row, d, st.changes}
	if l := s.life; l != nil && l.hears != nil {
		l.news = append(l.news, d.box)
		select {
		case l.stir <- struct{}{}:
		default:
		}
	}
}

// query is the time that a query takes before its statement runs or, after,
// before its answer comes; an error when it fails there. The bridge may be
// killed at either.
func (l *simLife) query(ctx context.Context, part uint64) error {
	s := l.s
	var wait time.Duration
	var hangs bool
	var err error
	s.lock(func() {
		st := &s.store
		st.calls++
		r := s.roll("query", part, st.calls)
		if wait = time.Duration(r.Int64N(int64(3 * time.Millisecond))); st.slow > 0 {
			wait += time.Duration(r.Int64N(int64(st.slow)))
		}
		hangs = st.hanging && part == 0
		if st.failing && r.IntN(3) > 0 {
			err = errAway
		}
		if !l.steps() {
			err = errAway
		}
	})
	if hangs && err == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(wait):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dialogs reads at one moment of the time that it takes.
func (l *simLife) Dialogs(ctx context.Context, users []watchers.AoR) (map[watchers.AoR][]watchers.Dialog, error) {
	if err := l.query(ctx, 0); err != nil {
		return nil, err
	}
	s := l.s
	found := make(map[watchers.AoR][]watchers.Dialog)
	var rows []simRow
	s.lock(func() {
		s.totals.lookups++
		for _, u := range users {
			for _, d := range s.dialogs {
				row := s.store.rows[d.key]
				if row == nil || d.box.aor != u {
					continue
				}
				shot := *row
				if s.plan.ledger {
					shot.Acked, shot.HasAcked = s.store.ledger[d.key]
				}
				found[u] = append(found[u], shot.Dialog)
				rows = append(rows, shot)
			}
		}
	})
	if err := l.query(ctx, 1); err != nil {
		return nil, err
	}
	s.lock(func() {
		for _, row := range rows {
			l.flight(row.d).serve(row)
		}
	})
	return found, nil
}

// serve notes what the bridge was shown of a row.
func (f *flight) serve(row simRow) {
	if f.shown && stampOf(&f.served.Dialog) != stampOf(&row.Dialog) {
		f.deadIn, f.notUntil = nil, time.Time{}
	}
	f.served, f.shown = row, true
}

// NextCSeq is one statement: after an error it may have been done.
func (l *simLife) NextCSeq(ctx context.Context, dialogs []watchers.Dialog) (map[watchers.Key]uint32, error) {
	if err := l.query(ctx, 0); err != nil {
		return nil, err
	}
	next := make(map[watchers.Key]uint32)
	l.s.lock(func() {
		for _, d := range dialogs {
			if row := l.s.store.rows[d.Key]; row != nil {
				row.LocalCSeq++
				next[d.Key] = row.LocalCSeq + 1
			}
		}
	})
	return next, l.query(ctx, 1)
}

func (l *simLife) Flavour(ctx context.Context) (watchers.Flavour, error) {
	return watchers.Kamailio, nil
}

// Changed returns whose rows were written since it was last asked; all at the
// start of a life.
func (l *simLife) Changed(ctx context.Context, _ watchers.Mark) (users []watchers.AoR, next watchers.Mark, err error) {
	if err := l.query(ctx, 0); err != nil {
		return nil, next, err
	}
	s := l.s
	var upTo uint64
	s.lock(func() {
		upTo = s.store.changes
		for _, d := range s.dialogs {
			if row := s.store.rows[d.key]; row != nil && row.changed > l.seen {
				users = append(users, d.box.aor)
			}
		}
	})
	if err := l.query(ctx, 1); err != nil {
		return nil, next, err
	}
	s.lock(func() { l.seen = upTo })
	return users, next, nil
}

// Listen tells of written rows until the connection is lost.
func (l *simLife) Listen(ctx context.Context, ready func(), changed func(watchers.AoR)) error {
	if err := l.query(ctx, 0); err != nil {
		return err
	}
	lost := make(chan struct{})
	l.s.lock(func() { l.hears, l.news = lost, nil })
	ready()
	for {
		select {
		case <-l.stir:
			var news []*simBox
			l.s.lock(func() { news, l.news = l.news, nil })
			for _, m := range news {
				changed(m.aor)
			}
		case <-lost:
			return errAway
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deafen loses the connection over which the database tells.
func (l *simLife) deafen() {
	if l.hears != nil {
		close(l.hears)
		l.hears, l.news = nil, nil
	}
}

// Record is one statement: after an error it may have been done.
func (l *simLife) Record(ctx context.Context, entries []watchers.Entry) error {
	if err := l.query(ctx, 0); err != nil {
		l.s.lock(func() {
			for _, e := range entries {
				l.flight(l.s.dialogOf(e.CallID)).unwritten = e.CSeq
			}
		})
		return err
	}
	l.s.lock(func() {
		for _, e := range entries {
			if old, ok := l.s.store.ledger[e.Key]; !ok || e.CSeq >= old.CSeq {
				l.s.store.ledger[e.Key] = e.Acked
			}
		}
	})
	return l.query(ctx, 1)
}

// Acked is for publications, of which this story knows nothing.
func (l *simLife) Acked(context.Context, []watchers.Key) (map[watchers.Key]watchers.Acked, error) {
	return nil, errors.ErrUnsupported
}

// Survey reads at one moment of the time that it takes.
func (l *simLife) Survey(ctx context.Context, each func(user watchers.AoR, acked bool, new, old uint32)) error {
	if err := l.query(ctx, 0); err != nil {
		return err
	}
	var tell []func()
	s := l.s
	s.lock(func() {
		s.totals.surveys++
		for _, d := range s.dialogs {
			row, a := s.store.rows[d.key], s.store.ledger[d.key]
			if row == nil {
				continue
			}
			acked := a.RemoteCSeq == row.RemoteCSeq && a.Expires == row.Expires && a.Contact == row.Contact
			tell = append(tell, func() { each(d.box.aor, acked, a.New, a.Old) })
		}
	})
	if err := l.query(ctx, 1); err != nil {
		return err
	}
	for _, f := range tell {
		f()
	}
	return nil
}

func (l *simLife) Prune(context.Context) (int64, error) { return 0, nil }
