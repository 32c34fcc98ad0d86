package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"zonkeymwi/sipmsg"
	"zonkeymwi/sipua"
	"zonkeymwi/watchers"
)

// publications stand in for the table of subscriptions with sip.method
// "publish": each user has one (RFC 3903), which the loop treats as a dialog
// that never ends. The presence server tells the phones.
type publications struct {
	ledger  Ledger // of what was published before a restart; nil: none
	askFrom atomic.Int64
}

const (
	noEnd       = 1<<32 - 1 // Expires of what is no subscription
	ledgerGrace = time.Second
	ledgerPause = 10 * time.Second
)

// dialogs has one for each user. A ledger that cannot be read is left out: a
// publication that is not adopted is replaced, and the older one expires.
func (p *publications) dialogs(ctx context.Context, users []watchers.AoR) map[watchers.AoR][]watchers.Dialog {
	keys := make([]watchers.Key, len(users))
	for i, user := range users {
		keys[i] = publicationOf(user).Key
	}
	acked := p.acked(ctx, keys)
	found := make(map[watchers.AoR][]watchers.Dialog, len(users))
	for _, user := range users {
		row := publicationOf(user)
		row.Acked, row.HasAcked = acked[row.Key]
		found[user] = []watchers.Dialog{row}
	}
	return found
}

func (p *publications) acked(ctx context.Context, keys []watchers.Key) map[watchers.Key]watchers.Acked {
	if p.ledger == nil || time.Now().UnixNano() < p.askFrom.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerGrace)
	defer cancel()
	acked, err := p.ledger.Acked(ctx, keys)
	if err != nil { // writing complains of it
		p.askFrom.Store(time.Now().Add(ledgerPause).UnixNano())
	}
	return acked
}

// publicationOf is a user's publication in the form of a dialog.
func publicationOf(user watchers.AoR) watchers.Dialog {
	uri := user.URI()
	return watchers.Dialog{Key: watchers.Key{CallID: uri}, Presentity: uri, WatcherUser: user.User, WatcherDomain: user.Domain,
		ToUser: user.User, ToDomain: user.Domain, Contact: uri, Expires: noEnd, Status: 1}
}

// unsolicitedPrefix has a space, so that no subscription can have that Call-ID.
const unsolicitedPrefix = "unsolicited "

// unsolicitedOf is what is sent to a user's registered phones outside of any
// subscription, in the form of a dialog.
func unsolicitedOf(user watchers.AoR) watchers.Dialog {
	row := publicationOf(user)
	row.CallID = unsolicitedPrefix + row.CallID
	return row
}

// outside is what is to be known of what is no subscription: a publication, or
// unsolicited NOTIFYs.
type outside struct {
	refreshAt time.Time // when it is sent although nothing has changed; zero: never
	untaken   string    // why no phone took an unsolicited NOTIFY; "": one did

	etag   string        // of the publication's present version; "": there is none
	last   counts        // what that says
	until  time.Time     // when it ends, unless it is refreshed
	expiry time.Duration // what the server wants at least; 0: it did not say
}

// expiry is how long a publication is to live.
func (d *dialog) expiry(live *Live) time.Duration {
	if d.outside == nil {
		return live.Expires
	}
	return max(live.Expires, d.outside.expiry)
}

// etag is what a publication is to replace, "" where there is none.
func (d *dialog) etag() string {
	if d.outside == nil {
		return ""
	}
	return d.outside.etag
}

// published takes what the presence server said of a publication: what it is
// called now, and how long it lives.
func (d *dialog) published(o *outcome, live *Live, now time.Time) {
	p := d.outside
	first := p.etag == ""
	p.etag = o.Header("SIP-ETag")
	lives := d.expiry(live)
	if s, err := strconv.ParseUint(o.Header("Expires"), 10, 31); err == nil && s > 0 {
		lives = min(lives, time.Duration(s)*time.Second)
	}
	p.until = now.Add(lives)
	p.refreshAt = refreshOf(now, p.until)
	if first || o.sent != p.last {
		p.refreshAt = now.Add(confirmAfter)
	}
	p.last = o.sent
}

// confirmAfter is when a change is published once more: Kamailio commits a
// publication some milliseconds after it has answered, and would leave a phone
// that subscribed in between with the state before.
const confirmAfter = 2 * time.Second

// refreshOf leaves room for several tries, and is not the same for all.
func refreshOf(from, until time.Time) time.Time {
	lives := until.Sub(from)
	return until.Add(-lives/4 - rand.N(lives/4+1))
}

// maxExpiry bounds what a presence server may ask for.
const maxExpiry = 24 * time.Hour

// unpublished decides what a refusal means for a publication. Its end is never
// one: whatever is wrong with the presence server may be mended.
func (d *dialog) unpublished(o *outcome, live *Live, now time.Time) {
	var bad *badRow
	p := d.outside
	switch least, err := strconv.ParseUint(o.Header("Min-Expires"), 10, 31); {
	case o.etag != "" && (o.Status == 412 || errors.As(o.Err, &bad)): // it has ended, went on without us, or has no valid name: begin anew
		*p, d.again, d.sentAt = outside{expiry: p.expiry}, true, time.Time{}
	case o.Status == 423 && err == nil && time.Duration(least)*time.Second > d.expiry(live) && least <= uint64(maxExpiry/time.Second):
		p.expiry, d.again, d.sentAt = time.Duration(least)*time.Second, true, time.Time{}
	default:
		if o.Status == 500 { // Kamailio says so to an ETag of another server's
			p.etag = ""
		}
		d.backOff(now, o.RetryAfter)
	}
}

// adoptPublication goes on with one that was made before a restart, or by
// another bridge.
func (d *dialog) adoptPublication(row *watchers.Dialog, now time.Time) {
	until := time.Unix(row.Acked.Expires, 0)
	if !until.After(now) {
		*d.outside, d.shows = outside{}, false
		return
	}
	d.shows = row.Acked.Contact == row.Contact
	*d.outside = outside{etag: row.Acked.ETag, until: until, last: d.acked, refreshAt: refreshOf(now, until)}
}

// untaken tells whether nobody took an unsolicited NOTIFY: no phone has
// registered, or none wants it. That is no fault; the next change is told again.
func (o *outcome) untaken() bool { return o.Class == sipua.DialogGone || o.Status == 480 }

// outsideFields makes those of a request that belongs to no dialog.
func (b *Bridge) outsideFields(d *dialog, row *watchers.Dialog, live *Live) sipmsg.Fields {
	uri := row.Presentity
	return sipmsg.Fields{RequestURI: uri, FromURI: uri, FromTag: b.ids.run, ToURI: uri,
		CallID:  b.ids.run + "-" + d.kind.Method() + "-" + row.WatcherUser + "@" + row.WatcherDomain,
		Expires: uint32(d.expiry(live) / time.Second), ETag: d.etag()}
}
