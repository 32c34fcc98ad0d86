package sipua

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// crlf makes wire text of a Go literal.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n"))
}

// responses are normal ones and RFC 4475's torture. parity: sipgo's parser reads it too, and the same. The branch is of the
// topmost Via.
var responses = map[string]struct {
	text   string
	ok     bool
	parity bool
	status int
	reason string
	vias   int
	branch string
	cseq   uint32
	method string
}{
	"ok": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 127.0.0.1:5066;received=127.0.0.1;rport=5066;branch=z9hG4bK0011223344556677
From: <sip:202@example.com>;tag=srv
To: "Jo, \"the phone\"" <sip:202@example.com>;tag=phone
Call-ID: c1@example.com
CSeq: 1763848800 NOTIFY
Contact: <sip:202@127.0.0.1:5071>
Content-Length: 0

`, true, true, 200, "OK", 1, "z9hG4bK0011223344556677", 1763848800, "NOTIFY"},
	"compact": {`
SIP/2.0 481 Call/Transaction Does Not Exist
v: SIP/2.0/TCP [2001:db8::1]:5066;branch=z9hG4bK1;rport
f: <sip:202@example.com>;tag=srv
t: <sip:202@example.com>;tag=phone
i: c1@example.com
CSEQ: 7 NOTIFY
l: 4

body`, true, true, 481, "Call/Transaction Does Not Exist", 1, "z9hG4bK1", 7, "NOTIFY"},
	"two in one Via": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa, SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKb
CSeq: 7 NOTIFY
Content-Length: 0

`, true, true, 200, "OK", 2, "z9hG4bKa", 7, "NOTIFY"},
	"comma within quotes": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;x="a,;\"b;branch=no";branch=z9hG4bKa
CSeq: 7 NOTIFY
Content-Length: 0

`, true, false, 200, "OK", 1, "z9hG4bKa", 7, "NOTIFY"},
	"no Via": {`
SIP/2.0 200 OK
CSeq: 7 NOTIFY
Content-Length: 0

`, false, false, 0, "", 0, "", 0, ""},
	"no CSeq": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa

`, false, false, 0, "", 0, "", 0, ""},
	"two CSeqs": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY
CSeq: 8 NOTIFY

`, false, false, 0, "", 0, "", 0, ""},
	"shorter than its Content-Length": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY
Content-Length: 10

123`, false, false, 0, "", 0, "", 0, ""},
	"negative Content-Length": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY
Content-Length: -999

`, false, false, 0, "", 0, "", 0, ""},
	"no empty line": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY
`, false, false, 0, "", 0, "", 0, ""},
	"other version": {`
SIP/7.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY

`, false, false, 0, "", 0, "", 0, ""},
	"a request": {`
NOTIFY sip:a@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa
CSeq: 7 NOTIFY

`, false, false, 0, "", 0, "", 0, ""},
	"wsinv, as a response (4475 3.1.1.1)": {`
SIP/2.0 200 OK
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 5
cseq: 0009
  NOTIFY
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

v=0
`, true, false, 200, "OK", 2, "z9hG4bK9ikj8", 9, "NOTIFY"},
	"unreason (4475 3.1.1.10)": {`
SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 5
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>

v=0
`, true, true, 200, "= 2**3 * 5**2 но сто девяносто девять - простое", 1, "z9hG4bK1324923", 35, "INVITE"},
	"noreason (4475 3.1.1.13)": {"SIP/2.0 100 " + `
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

`, true, true, 100, "", 1, "z9hG4bK2398ndaoe", 35, "INVITE"},
	"scalarlg (4475 3.1.2.5)": {`
SIP/2.0 503 Service Unavailable
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129
To: <sip:user@example.com>
From: <sip:other@example.net>;tag=2easdjfejw
CSeq: 9292394834772304023312 OPTIONS
Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r
Retry-After: 949302838503028349304023988
Warning: 1812 overture "In Progress"
Content-Length: 0

`, false, false, 0, "", 0, "", 0, ""},
	"bigcode (4475 3.1.2.19)": {`
SIP/2.0 4294967301 better not break the receiver
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i
CSeq: 353494 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

`, false, false, 0, "", 0, "", 0, ""},
	"bcast (4475 3.1.2.20)": {`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 0
Contact: <sip:user@host198.example.com>

`, true, true, 200, "OK", 2, "z9hG4bK1324923", 35, "INVITE"},
}

func TestParseResponse(t *testing.T) {
	for name, c := range responses {
		r, ok := parseResponse(crlf(c.text))
		if ok != c.ok {
			t.Errorf("%s: ok is %v", name, ok)
			continue
		}
		if ok && (r.status != c.status || reasonText(r.reason) != c.reason || r.vias != c.vias || string(r.branch) != c.branch ||
			r.cseq != c.cseq || string(r.method) != c.method) {
			t.Errorf("%s: %d %q, %d Vias, branch %q, CSeq %d %q", name, r.status, r.reason, r.vias, r.branch, r.cseq, r.method)
		}
		// Line ends of LF alone are read alike.
		if r, ok := parseResponse([]byte(strings.TrimPrefix(c.text, "\n"))); !strings.Contains(c.text, "\n\nv=0") &&
			(ok != c.ok || ok && string(r.branch) != c.branch) {
			t.Errorf("%s with LF: %v %q", name, ok, r.branch)
		}
	}
}

func TestParityWithSipgo(t *testing.T) {
	for name, c := range responses {
		if !c.parity {
			continue
		}
		m, err := sip.ParseMessage(crlf(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, vias := m.(*sip.Response), m.(*sip.Response).GetHeaders("Via")
		branch, _ := r.Via().Params.Get("branch")
		if r.StatusCode != c.status || r.Reason != c.reason || len(vias) != c.vias || branch != c.branch ||
			r.CSeq().SeqNo != c.cseq || string(r.CSeq().MethodName) != c.method {
			t.Errorf("%s: sipgo says %d %q, %d Vias, branch %q, %v", name, r.StatusCode, r.Reason, len(vias), branch, r.CSeq())
		}
	}
}

func TestFieldsByAnyName(t *testing.T) {
	o := Outcome{Response: crlf(responses["wsinv, as a response (4475 3.1.1.1)"].text)}
	for name, want := range map[string]string{
		"To":               "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
		"newfangledheader": "newfangled value continued newfangled value",
		"Contact":          `"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam = newvalue ; secondparam ; q = 0.33`,
		"Content-Length":   "5",
		"Event":            "",
	} {
		if got := o.Header(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := (&Outcome{}).Header("To"); got != "" {
		t.Errorf("no response has To %q", got)
	}
}
