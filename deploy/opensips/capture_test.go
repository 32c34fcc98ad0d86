package opensips_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The captures in testdata were taken from OpenSIPS 3.6.8 (v401: 4.0.1) with PostgreSQL 15, under seen-working.cfg with
// the options that the first line of each names. "bridge" is a forerunner of zonkeymwi, the phones enforce RFC 3261.

// numbers are those that the pattern's first group matches, in order.
func numbers(t *testing.T, text, pattern string) (all []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		t.Fatalf("the capture has no %s", pattern)
	}
	return all
}

// TestRowBeforeThe200: with fallback2db 1 the row of a subscription, and of its refresh, is written before the phone has
// its 200; with 0 it is not there yet.
func TestRowBeforeThe200(t *testing.T) {
	begin, _, _ := strings.Cut(read(t, "testdata/lifecycle-opensips-fb1.txt"), "unsubscribe")
	answered := numbers(t, begin, `SIP/2\.0 200 OK at t=([\d.]+)`)
	written := numbers(t, begin, `AUDIT #\d+ t=([\d.]+) (?:INSERT|UPDATE by opensips expires)`)
	if len(written) != len(answered) {
		t.Fatalf("%d writes, %d answers", len(written), len(answered))
	}
	for i, at := range answered {
		if before := at - written[i]; before < 0 || before > 0.002 {
			t.Errorf("row written %.3f s before the 200, want 0 to 2 ms", before)
		}
	}
	for file, want := range map[string]float64{"fb1": 1, "fb0": 0} {
		text := read(t, "testdata/lifecycle-opensips-"+file+".txt")
		if got := numbers(t, text, `rows right after the 200: (\d)`)[0]; got != want {
			t.Errorf("%s: %v rows after the 200, want %v", file, got, want)
		}
	}
}

// TestClock: with the local_route, the server's own NOTIFYs carry unix time, and with the bridge's, which do too, they
// rise strictly; no phone refuses one.
func TestClock(t *testing.T) {
	trace := read(t, "testdata/cseq_ts-opensips-fb1.trace")
	received := regexp.MustCompile(`(?s)#### ([\d.]+) phone-1001 RECV \S+ \d+\r?\nNOTIFY (.*?)\r\n\r\n`).FindAllStringSubmatch(trace, -1)
	var last float64
	servers := 0
	for _, m := range received {
		at, cseq := numbers(t, m[1], `([\d.]+)`)[0], numbers(t, m[2], `CSeq: (\d+) NOTIFY`)[0]
		if cseq <= last {
			t.Errorf("CSeq %.0f after %.0f", cseq, last)
		}
		last = cseq
		if strings.Contains(m[2], "User-Agent: OpenSIPS (3.6.8") {
			servers++
			if behind := at - cseq; behind < 0 || behind > 1.1 {
				t.Errorf("the server's own CSeq is %.0f at unix time %.3f", cseq, at)
			}
		}
		if !strings.Contains(trace, fmt.Sprintf("CSeq: %.0f NOTIFY\r\nContact: <sip:1001@", cseq)) {
			t.Errorf("no answer to CSeq %.0f", cseq)
		}
	}
	if servers < 8 || len(received)-servers < 6 {
		t.Errorf("%d NOTIFYs of the server, %d of the bridge", servers, len(received)-servers)
	}
	if refused := regexp.MustCompile(`SIP/2\.0 [3-6].*`).FindString(trace); refused != "" {
		t.Error(refused)
	}
}

// TestCaptures: what README.md and docs/choosing.md say of OpenSIPS.
func TestCaptures(t *testing.T) {
	publish, relay := []string{"publish-opensips-fb1", "publish-opensips-v401-fb1"}, []string{"relay-opensips-fb1", "relay-opensips-v401-fb1"}
	for _, claim := range []struct {
		what  string
		files []string
		want  string // pattern
	}{
		{"a NOTIFY to the contact is relayed", relay, `R1 R-URI=contact, no Route: bridge got SIP/2\.0 200`},
		{"a NOTIFY to the user is relayed", relay, `R2 R-URI=AoR \(lookup\): bridge got SIP/2\.0 200`},
		{"one from elsewhere is not", relay, `R6 from an address that is not Asterisk: bridge got SIP/2\.0 403`},
		{"a phone's 481 comes back", relay, `R7 phone answers 481: bridge got SIP/2\.0 481`},
		{"and leaves the row", relay, `ROWS after a relayed 481: 1`},
		{"a silent phone is a 408 before fr_timeout's 8 s", relay, `R8 phone silent .*: bridge got SIP/2\.0 408 Request Timeout after 7\.`},
		{"a user without a phone is a 480", relay, `R9 AoR not registered: bridge got SIP/2\.0 480`},
		{"to a user forks to both phones", relay, `(?s)R10 .*? 200 OK[^\n]*\n[^\n]*  phone: NOTIFY [^\n]* -> 200[^\n]*\n[^\n]*  phone2: NOTIFY`},
		{"behind NAT the row has the source address", []string{"nat-opensips-NAT"}, `row\.contact=sip:1001@127\.0\.2\.61:5062`},
		{"behind NAT both ways reach the phone", []string{"nat-opensips-NAT"}, `(?s)R-URI=contact -> 200.*R-URI=AoR -> 200`},
		{"a Call-ID of 80 characters is refused", []string{"ids-opensips-fb1"}, `(?s)80 character Call-ID -> SUBSCRIBE SIP/2\.0 500[^\n]*\n[^\n]*NO ROW`},
		{"a PUBLISH from elsewhere is refused", publish, `PUBLISH from elsewhere -> SIP/2\.0 403`},
		{"with nothing published the NOTIFY is empty", publish, `(?s)P0 .*?body=''`},
		{"a later subscriber gets the state at once", publish, `(?s)P4 second phone subscribes now\n[^\n]* cseq=1 [^\n]*Voice-Message: 4/1`},
		{"a stale entity tag is a 412", publish, `P5 PUBLISH stale etag -> SIP/2\.0 412`},
		{"of two publications the newer is told", publish, `(?s)P6b refresh after two publications\n[^\n]*Voice-Message: 9/9`},
		{"a publication outlives a restart", publish, `(?s)refresh after restart -> SIP/2\.0 200 OK\n[^\n]*Voice-Message: 7/0`},
		{"its tag too", publish, `P14 PUBLISH modify with the old etag after restart -> SIP/2\.0 200`},
		{"a phone's 481 to the server's NOTIFY ends the row", []string{"stale-opensips-fb1"}, `(?s)-> 481 no dialog.*ROWS after the 481: 1`},
		{"and its silence too", []string{"stale-opensips-fb1"}, `ROWS after the 408: 0`},
	} {
		for _, file := range claim.files {
			if !regexp.MustCompile(claim.want).MatchString(read(t, "testdata/"+file+".txt")) {
				t.Errorf("%s: %s", file, claim.what)
			}
		}
	}
}
