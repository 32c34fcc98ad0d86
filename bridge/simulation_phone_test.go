package bridge

import (
	"fmt"
	"time"

	"zonkeymwi/watchers"
)

// simDialog is one subscription, of a phone that is as strict as RFC 3261
// 12.2.2 asks.
type simDialog struct {
	n   int
	key watchers.Key
	box *simBox

	known   bool // to the phone: not since it has rebooted
	off     bool
	cseq    uint32 // the highest that it has taken
	lamp    string // counts; "": dark, as an empty NOTIFY leaves it
	version int    // of the mailbox' state that it shows

	ends      int64  // when the subscription does, by the bridge's clock
	remote    uint32 // CSeq of its own last SUBSCRIBE
	proxyCSeq uint32 // in the proxy's memory: the last that it used
	lost      *simRow
	late      int // rows that the proxy has yet to write

	highest uint32 // CSeq that any life has sent
	climbed bool   // since a phone refused too many
	claimed bool   // the ledger may be wrong: it was away when the last life ended
}

func (d *simDialog) String() string { return d.key.CallID }

// proxyNow is the time by the proxy's clock.
func (s *simulation) proxyNow() time.Time { return time.Now().Add(s.clock) }

// subscribe makes a new dialog.
func (s *simulation) subscribe(m *simBox) {
	n := len(s.dialogs)
	d := &simDialog{n: n, box: m, known: true, key: watchers.Key{CallID: fmt.Sprint("d", n), ToTag: fmt.Sprint("server", n), FromTag: fmt.Sprint("phone", n)}}
	s.dialogs = append(s.dialogs, d)
	s.tell("%v: a phone subscribes to %s", d, m.aor.User)
	s.refresh(d)
}

// refresh is a SUBSCRIBE, the first or a later one: the proxy writes the row and
// sends its own NOTIFY, which is empty.
func (s *simulation) refresh(d *simDialog) {
	s.totals.subscribes++
	d.remote++
	lifetime := int64(300 + s.rnd.IntN(7200))
	d.ends = time.Now().Unix() + lifetime
	row := watchers.Dialog{Key: d.key, Presentity: d.box.aor.URI(), WatcherUser: d.box.aor.User, WatcherDomain: d.box.aor.Domain,
		ToUser: d.box.aor.User, ToDomain: d.box.aor.Domain, Contact: "sip:" + d.key.CallID + "@192.0.2.7", LocalContact: "sip:192.0.2.1",
		SocketInfo: "udp:192.0.2.1:5060", Expires: d.ends, Status: 1, RemoteCSeq: d.remote}
	if old := s.store.rows[d.key]; old != nil {
		row.LocalCSeq = old.LocalCSeq
	}
	switch s.plan.mode {
	case CSeqDatabase: // both sides count in the row; the last used is one more
		row.LocalCSeq++
	case CSeqAhead: // Kamailio's own memory; of the row it uses up to two more
		row.LocalCSeq = d.proxyCSeq
		if s.rnd.IntN(8) == 0 {
			d.proxyCSeq += uint32(s.rnd.IntN(5000)) // which the row does not say
		}
	}
	s.write1(d, row)
	s.proxyNotify(d, row)
}

// write1 writes a row, now or, with a proxy that does so at intervals, later.
func (s *simulation) write1(d *simDialog, row watchers.Dialog) {
	if s.plan.mode == CSeqDatabase || s.rnd.IntN(4) > 0 {
		s.put(d, row)
		return
	}
	d.late++
	time.AfterFunc(time.Duration(s.rnd.Int64N(int64(100*time.Second))), func() {
		s.lock(func() {
			d.late--
			if row.RemoteCSeq == d.remote {
				s.tell("%v: the proxy writes its row at last", d)
				s.put(d, row)
			}
		})
	})
}

// proxyNotify sends the proxy's own NOTIFY, some milliseconds after the row, over
// the same network. A proxy whose clock, or with sip.cseq = "ahead" whose memory,
// is ahead of what the bridge can know may put the lamp out when that comes late:
// its number is higher. Nobody can help that, so that it does not come late here.
func (s *simulation) proxyNotify(d *simDialog, row watchers.Dialog) {
	r := s.roll("proxy", uint64(d.n), uint64(d.remote))
	lag, way := time.Duration(r.Int64N(int64(20*time.Millisecond))), s.net.way(r)
	if s.net.loses(r) {
		way += time.Duration(r.Int64N(int64(20 * time.Second))) // the proxy repeats it
	}
	if s.clock > 0 || d.proxyCSeq > row.LocalCSeq {
		lag, way = 0, 0
	}
	time.AfterFunc(lag, func() {
		var cseq uint32
		s.lock(func() { cseq = s.proxyNumber(d, row) })
		time.AfterFunc(way, func() {
			s.lock(func() {
				if !d.known || d.off || cseq <= d.cseq {
					s.tell("%v refuses the proxy's own NOTIFY, CSeq %d", d, cseq)
					return
				}
				d.cseq, d.lamp = cseq, ""
				s.tell("%v goes dark with the proxy's own NOTIFY, CSeq %d", d, cseq)
			})
		})
	})
}

func (s *simulation) proxyNumber(d *simDialog, row watchers.Dialog) uint32 {
	switch s.plan.mode {
	case CSeqDatabase:
		return row.LocalCSeq + 1
	case CSeqAhead:
		d.proxyCSeq++
		return d.proxyCSeq
	}
	return uint32(s.proxyNow().Unix())
}

// accept is the phone's part in a NOTIFY of the bridge: the status of its answer.
func (s *simulation) accept(d *simDialog, m *simNotify) int {
	if s.violated != "" {
		return 200
	}
	switch {
	case !d.known:
		return 481
	case m.taken:
		return 200 // once more: it was repeated by the network
	case m.cseq <= d.cseq:
		s.totals.refused++
		return 500
	}
	m.taken = true
	s.totals.accepted++
	s.tell("%v takes %s (version %d) of life %d, CSeq %d", d, m.counts, m.version, m.life.n, m.cseq)
	if m.version < d.version {
		s.fail("%v shows version %d, an older state, after version %d", d, m.version, d.version)
	}
	d.cseq, d.lamp, d.version = m.cseq, m.counts, m.version
	return 200
}
