package doctor

import (
	"crypto/rand"
	"fmt"
	"strings"

	"zonkeymwi/sipua"
)

// Requests that change nothing. A PUBLISH that names a version that no server
// ever gave is refused with 412, and nothing is stored (RFC 3903 section 6).
// The version is in the form of Kamailio's and OpenSIPS' (a.start.pid.counter.number),
// of a server started in 1970: Kamailio answers 500 to any other form. It looks
// at the body too, before it looks at the version.
const (
	optionsText = `OPTIONS {uri} SIP/2.0
Via: SIP/2.0/{transport} {sentby};rport;branch={branch}
Max-Forwards: 70
From: <sip:zonkeymwi@{sentby}>;tag={tag}
To: <{uri}>
Call-ID: {callid}
CSeq: {cseq} OPTIONS
Contact: <sip:zonkeymwi@{sentby}>
User-Agent: zonkeymwi
{authorization}Content-Length: 0

`
	// In a dialog that there is not, to a contact of ours, which answers 481 when it comes.
	notifyText = `NOTIFY {uri} SIP/2.0
Via: SIP/2.0/{transport} {sentby};rport;branch={branch}
Max-Forwards: 70
From: <sip:zonkeymwi@{sentby}>;tag={tag}
To: <{uri}>;tag=zonkeymwi
Call-ID: {callid}
CSeq: {cseq} NOTIFY
Contact: <sip:zonkeymwi@{sentby}>
Event: message-summary
Subscription-State: active;expires=60
User-Agent: zonkeymwi
{authorization}Content-Length: 0

`
	publishText = `PUBLISH {uri} SIP/2.0
Via: SIP/2.0/{transport} {sentby};rport;branch={branch}
Max-Forwards: 70
From: <{uri}>;tag={tag}
To: <{uri}>
Call-ID: {callid}
CSeq: {cseq} PUBLISH
Event: message-summary
Expires: 3600
SIP-If-Match: a.1.1.1.0
User-Agent: zonkeymwi
{authorization}Content-Type: application/simple-message-summary
Content-Length: 22

Messages-Waiting: no
`
)

// request makes one of the texts a request.
func request(text, uri string) sipua.Request {
	method, _, _ := strings.Cut(text, " ")
	callID, tag := rand.Text(), rand.Text()[:8]
	return sipua.Request{Method: method, URI: uri, CSeq: 1, Render: func(dst []byte, a sipua.Attempt) ([]byte, error) {
		if a.Authorization != "" {
			a.Authorization += "\r\n"
		}
		fill := strings.NewReplacer("\n", "\r\n", "{uri}", uri, "{transport}", a.Transport, "{sentby}", a.SentBy, "{branch}", a.Branch,
			"{tag}", tag, "{callid}", callID, "{cseq}", fmt.Sprint(a.CSeq), "{authorization}", a.Authorization)
		return append(dst, fill.Replace(text)...), nil
	}}
}
