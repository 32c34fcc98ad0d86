package bridge

import (
	"math"
	"slices"
	"strings"

	"zonkeymwi/watchers"
)

// box is one voicemail mailbox among those that light a user's lamp: the user's
// own, and those that the user shares with others.
type box struct {
	name  string // as Asterisk calls it
	holds counts
	round uint32 // the last resync that listed it; 0: none did
}

// Shares says whose lamps a mailbox lights beside its own user's.
type Shares struct {
	of     map[string][]watchers.AoR // by the mailbox's name
	shared map[watchers.AoR]bool
}

// Add has a mailbox, as Asterisk calls it, light the lamp of sip:user@domain.
func (s *Shares) Add(mailbox, user, domain string) {
	aor := watchers.AoR{User: user, Domain: domain}
	if s.of == nil {
		s.of, s.shared = make(map[string][]watchers.AoR), make(map[watchers.AoR]bool)
	}
	if !slices.Contains(s.of[mailbox], aor) {
		s.of[mailbox] = append(s.of[mailbox], aor)
	}
	s.shared[aor] = true
}

// lights returns whose lamps a mailbox lights. It fails when there is none.
func (b *Bridge) lights(name string) ([]watchers.AoR, error) {
	shared := b.live.Load().Shares.of[name]
	own, err := b.aorOf(name)
	if err != nil && len(shared) > 0 {
		return shared, nil
	}
	return append(shared[:len(shared):len(shared)], own), err
}

// isLit tells whether a user's lamp follows a mailbox.
func (b *Bridge) isLit(user watchers.AoR, name string) bool {
	users, err := b.lights(name)
	return err == nil && slices.Contains(users, user)
}

// box returns the mailbox of that name, nil where it is not among the user's.
func (m *mailbox) box(name string) *box {
	for i := range m.boxes {
		if m.boxes[i].name == name {
			return &m.boxes[i]
		}
	}
	return nil
}

// hold takes what Asterisk said of one mailbox. It says how many are new, not
// how many of them are urgent; as long as the one stays, so may the other.
func (m *mailbox) hold(name string, c counts) *box {
	x := m.box(name)
	if x == nil {
		m.boxes = append(m.boxes, box{name: name})
		x = &m.boxes[len(m.boxes)-1]
	}
	if c.new == x.holds.new {
		c.newUrgent = x.holds.newUrgent
	}
	x.holds = c
	m.version++
	m.sum()
	return x
}

// sum makes what the lamp shows of what the mailboxes hold.
func (m *mailbox) sum() {
	m.want = counts{}
	for i := range m.boxes {
		m.want = m.want.plus(m.boxes[i].holds)
	}
}

// plus adds, up to what a body can say.
func (c counts) plus(d counts) counts {
	add := func(a, b uint32) uint32 { return uint32(min(uint64(a)+uint64(b), math.MaxUint32)) }
	return counts{add(c.new, d.new), add(c.old, d.old), add(c.newUrgent, d.newUrgent)}
}

// settled tells whether a mailbox holds what it did and every phone shows it:
// of most mailboxes a resync tells nothing new.
func (m *mailbox) settled(name string, c counts) bool {
	x := m.box(name)
	return m.known && x != nil && x.holds.new == c.new && x.holds.old == c.old && m.since.IsZero()
}

// drop removes the mailboxes that f tells of, and returns their names.
func (m *mailbox) drop(f func(*box) bool) (names []string) {
	m.boxes = slices.DeleteFunc(m.boxes, func(x box) bool {
		if !f(&x) {
			return false
		}
		names = append(names, x.name)
		return true
	})
	if names != nil {
		m.version++
		m.sum()
	}
	return names
}

// names are the mailboxes for a log line or an operator.
func (m *mailbox) names() string {
	if len(m.boxes) == 1 {
		return m.boxes[0].name
	}
	names := make([]string, len(m.boxes))
	for i := range m.boxes {
		names[i] = m.boxes[i].name
	}
	return strings.Join(names, ",")
}
