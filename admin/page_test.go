package admin

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"zonkeymwi/bridge"
)

// hasten makes the page's timers fast, and keeps what they were set to.
const hasten = `window.waits = []; const wait = window.setTimeout; window.setTimeout = (f, ms) => { window.waits.push(ms); return wait(f, ms / 40); };`

func TestPage(t *testing.T) {
	b := startBrowser(t)
	for _, width := range []int{1280, 390} {
		for _, dark := range []bool{false, true} {
			t.Run(fmt.Sprintf("phones %d dark %v", width, dark), func(t *testing.T) { pageWithPhones(t, b, width, dark) })
			t.Run(fmt.Sprintf("down %d dark %v", width, dark), func(t *testing.T) { pageWithAllDown(t, b, width, dark) })
		}
		t.Run(fmt.Sprintf("hostile %d", width), func(t *testing.T) { pageWithHostileTexts(t, b, width) })
		t.Run(fmt.Sprintf("token %d", width), func(t *testing.T) { pageWithToken(t, b, width) })
	}
	t.Run("all well", func(t *testing.T) { pageAllWell(t, b) })
	t.Run("rates", func(t *testing.T) { pageRates(t, b) })
	t.Run("bridge gone", func(t *testing.T) { pageBridgeGone(t, b) })
	t.Run("nobody looks", func(t *testing.T) { pageUnseen(t, b) })
	t.Run("focus", func(t *testing.T) { pageKeepsFocus(t, b) })
	t.Run("search by hand", func(t *testing.T) { pageSearch(t, b) })
}

func pageOf(t *testing.T, o Options) (url string) { return "http://" + start(t, o).Addr() + "/" }

func (p *tab) wants(selector string, texts ...string) {
	p.t.Helper()
	got := strings.Join(strings.Fields(p.text(selector)), " ") // the page's narrow spaces too
	for _, want := range texts {
		if !strings.Contains(got, want) {
			p.t.Errorf("%s lacks %q: %s", selector, want, got)
		}
	}
}

func pageWithPhones(t *testing.T, b *browser, width int, dark bool) {
	p := b.open(t, width, dark)
	p.visit(pageOf(t, options(phones())) + "#202@example.com")
	p.until("document.querySelectorAll('.phone').length === 3")
	p.wants("#version", "1.2.3", "runs for 26 h")
	p.wants("#banner", "3 mailboxes are not converged, the oldest for 73 s.")
	p.wants("#ami", "Asterisk connected", "127.0.0.1:5038", "mailboxes read")
	p.wants("#database", "Database answers")
	p.wants("#numbers", "mailboxes 1 840", "dialogs 2 711", "dead dialogs 12", "phones waiting 4")
	p.wants("#outcomes", "acknowledged 48 211", "no answer 31")
	p.wants("#waiting tbody", "202@example.com", "3 / 5 (1 urgent)", "73 s")
	p.wants("#waiting-more", "and 2 more")
	p.wants("#deliveries tbody", "acknowledged", "200 OK", "18 ms", "no answer", "32.0 s", "dialog gone", "481 Call/Transaction Does Not Exist")
	p.wants("#user", "202@example.com lamp ought to be on", "Of 3 rows, 2 are live and 1 has expired.", "shows it", "does not show it yet",
		"skipped: expired", "sip:202@198.51.100.7:61022;transport=tls", "3 new (1 urgent), 5 old", "9 min ago", "11 packets")
	if p.text("details pre") != "" {
		t.Error("the request is open from the start")
	}
	p.eval("document.querySelector('details').open = true")
	p.eval("[...document.querySelectorAll('summary')].find(s => s.textContent === 'Dialog').click()")
	p.wants("#user", "CSeq sent 1795464001", "Call-ID Hk3Zp9wVtq@192.0.2.31")
	p.wants("details pre", "NOTIFY sip:202@192.0.2.31:5062;transport=udp SIP/2.0", "Voice-Message: 3/5 (1/0)")
	p.picture(fmt.Sprintf("phones-%d-%v", width, dark))
	if tall := p.eval("Math.max(...[...document.querySelectorAll('td .badge')].map(b => b.offsetHeight))"); tall.(float64) > 30 {
		t.Errorf("an outcome takes two lines: %v px", tall)
	}
	p.fits()
	p.legible()
}

func pageWithAllDown(t *testing.T, b *browser, width int, dark bool) {
	p := b.open(t, width, dark)
	p.visit(pageOf(t, options(down())))
	p.until("!document.getElementById('told').hidden")
	p.wants("#banner", "Asterisk is not connected.", "The database does not answer.", "3 mailboxes are not converged")
	p.wants("#ami", "not connected", "4 min", "dial tcp 127.0.0.1:5038: connect: connection refused")
	p.wants("#database", "does not answer", "95 s", "is PostgreSQL running?")
	p.picture(fmt.Sprintf("down-%d-%v", width, dark))
	p.fits()
	p.legible()
}

func pageWithHostileTexts(t *testing.T, b *browser, width int) {
	p := b.open(t, width, false)
	p.visit(pageOf(t, options(harmful())) + "#" + url.PathEscape(hostile+"@"+hostile))
	p.until("document.querySelectorAll('.phone').length === 1")
	p.eval("document.querySelectorAll('details').forEach(d => d.open = true)")
	for _, place := range []string{"#ami", "#database", "#outcomes", "#waiting tbody", "#deliveries tbody", "#user h3", "#user .why", ".phone h4", ".phone details .lines"} {
		p.wants(place, hostile)
	}
	if got := p.eval("document.querySelector('pre').textContent"); got != hostile {
		t.Errorf("the request is %q", got)
	}
	if n := p.eval("document.querySelectorAll('main script, main img, main [onerror]').length"); n != 0.0 {
		t.Errorf("%v elements were made of texts", n)
	}
	if p.eval("window.harmed === undefined") != true {
		t.Error("a text was run as a script")
	}
	p.picture(fmt.Sprintf("hostile-%d", width))
	p.fits()
}

func pageWithToken(t *testing.T, b *browser, width int) {
	o := options(phones())
	o.Token = "s3cret"
	p := b.open(t, width, false)
	p.visit(pageOf(t, o))
	enter := func(token string) {
		p.eval(fmt.Sprintf("(document.getElementById('token-field').value = %q, document.querySelector('#token button').click())", token))
	}
	p.until("!document.getElementById('token').hidden")
	p.wants("#banner", "A token is needed.")
	p.picture(fmt.Sprintf("token-%d", width))
	p.fits()
	p.legible()
	enter("wrong")
	p.until("document.getElementById('banner').innerText.includes('refused')")
	if p.eval("document.getElementById('told').hidden") != true {
		t.Error("something is told without the token")
	}
	enter("s3cret")
	p.until("!document.getElementById('told').hidden && document.getElementById('token').hidden")
	p.wants("#ami", "connected")
	if got := p.eval("[sessionStorage.length, localStorage.length, document.cookie].join()"); got != "1,0," {
		t.Error("the token is kept elsewhere than in the session:", got)
	}
}

func pageAllWell(t *testing.T, b *browser) {
	p := b.open(t, 1280, false)
	p.visit(pageOf(t, options(well())) + "#201@example.com")
	p.until("document.querySelector('#user h3')")
	p.wants("#banner", "Every phone shows what its mailbox holds. 12 dialogs are dead")
	p.wants("#waiting-none", "Every phone")
	p.wants("#deliveries-none", "No NOTIFY has come to its end yet.")
	p.wants("#user", "unknown: Asterisk never spoke of it", "No phone of this user is subscribed.")
	p.picture("well-1280")
	p.legible()
}

func pageRates(t *testing.T, b *browser) {
	f := well()
	o := options(f)
	f.meanders = func(s *bridge.Status) {
		o.Meter.Received()
		s.Outcomes = map[string]uint64{"acknowledged": s.Outcomes["acknowledged"] + 2}
	}
	p := b.open(t, 1280, false)
	p.before(hasten)
	p.visit(pageOf(t, o))
	number := func(i int) string {
		return fmt.Sprintf("Number(document.querySelectorAll('#numbers dd')[%d]?.textContent)", i)
	}
	p.until(number(0) + " > 0")
	// Twice as many NOTIFYs as events, but for what rounding to tenths takes.
	p.until(fmt.Sprintf("Math.abs(%s - 2 * %s) < .2", number(1), number(0)))
}

func pageBridgeGone(t *testing.T, b *browser) {
	f := phones()
	s := start(t, options(f))
	p := b.open(t, 1280, false)
	p.before(hasten)
	p.visit("http://" + s.Addr() + "/")
	p.until("!document.getElementById('told').hidden")
	f.mu.Lock()
	f.err = errDown
	f.mu.Unlock()
	p.until("document.body.classList.contains('stale')")
	p.wants("#banner", errDown.Error(), "What is shown below is old.")
	f.mu.Lock()
	f.err = nil
	f.mu.Unlock()
	p.until("!document.body.classList.contains('stale')")
	_ = s.Close()
	p.until("document.body.classList.contains('stale')")
	p.wants("#banner", "No answer: is the bridge running", "What is shown below is old.")
	p.wants("#ami", "127.0.0.1:5038")
	p.picture("gone-1280")
	p.legible()
}

// A poll does not take the focus away from what it did not change.
func pageKeepsFocus(t *testing.T, b *browser) {
	p := b.open(t, 1280, false)
	p.before(hasten)
	p.visit(pageOf(t, options(phones())))
	p.until("document.querySelector('#waiting a')")
	p.eval("(document.querySelector('#waiting a').focus(), window.waits.length = 0)")
	p.until("window.waits.length > 2")
	if got := p.eval("document.activeElement.textContent"); got != "202@example.com" {
		t.Errorf("the focus went to %q", got)
	}
}

func pageUnseen(t *testing.T, b *browser) {
	p := b.open(t, 1280, false)
	p.before(hasten + "Object.defineProperty(document, 'hidden', { get: () => window.seen !== true });")
	p.visit(pageOf(t, options(well())))
	p.until("window.waits.includes(30000)")
	if p.eval("window.waits.includes(2000)") == true {
		t.Error("an unseen page asks every two seconds")
	}
	p.eval("(window.seen = true, document.dispatchEvent(new Event('visibilitychange')))")
	p.until("window.waits.includes(2000)")
}

func pageSearch(t *testing.T, b *browser) {
	p := b.open(t, 390, false)
	p.visit(pageOf(t, options(phones())))
	p.until("!document.getElementById('told').hidden")
	search := func(user string) {
		p.eval(fmt.Sprintf("(document.getElementById('search-field').value = %q, document.querySelector('#search button').click())", user))
	}
	search("202")
	p.until("document.getElementById('user').innerText.includes('Give it as user@domain.')")
	search(" 202@example.com ")
	p.until("document.querySelectorAll('.phone').length === 3")
	search("a/b?c#d@example.com")
	p.until("document.querySelector('#user h3')?.innerText.includes('a/b?c#d@example.com')")
	for range 2 { // the second time asks again, though the address is the same
		p.eval("(document.getElementById('user').textContent = '', document.querySelector('#deliveries a').click())")
		p.until("document.querySelectorAll('.phone').length === 3")
	}
	if got := p.eval("document.querySelectorAll('input:not([hidden])').length === [...document.querySelectorAll('input')].filter(i => i.labels.length === 1).length"); got != true {
		t.Error("a field has no label")
	}
}

// fits checks that nothing is wider than the screen.
func (p *tab) fits() {
	p.t.Helper()
	if p.eval("document.documentElement.scrollWidth <= innerWidth") != true {
		p.t.Errorf("the page is wider than the screen: %v", p.eval("[document.documentElement.scrollWidth, innerWidth]+''"))
	}
}

// legible checks the contrast of every visible text with what is behind it, by
// WCAG 2 (1.4.3: 4.5 to 1).
func (p *tab) legible() {
	p.t.Helper()
	poor := p.eval(`(() => {
		const rgb = (c) => c.match(/[\d.]+/g).map(Number);
		const light = (c) => { const [r, g, b] = rgb(c).map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
		const back = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
		const poor = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) {
			const e = walk.currentNode.parentElement;
			if (walk.currentNode.textContent.trim() === "" || !e.checkVisibility()) continue;
			const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((x, y) => y - x);
			if ((a + .05) / (b + .05) < 4.5) poor.push(e.tagName + " " + e.className + ": " + walk.currentNode.textContent + " " + ((a + .05) / (b + .05)).toFixed(2));
		}
		return poor.join("\n"); })()`)
	if poor != "" {
		p.t.Errorf("too little contrast:\n%v", poor)
	}
}
