// Package sipua sends SIP requests other than INVITE and ACK, such as NOTIFY and PUBLISH, and tells what became of each: it
// is the user agent client's half of RFC 3261, without a server.
//
// A request's bytes are the caller's (Request.Render); the package chooses the target (RFC 3263), runs the client
// transaction (RFC 3261 17.1.2), answers digest challenges (22.2), and hands back one Outcome per request, always.
//
//	Send ─ call ─┬─ transaction: one branch, timers E and F ─ UDP socket, or a stream per TCP or TLS target
//	             └─ the next one: other target, credentials, or a new connection
//
// How long a request can take. Each target that says nothing costs Timer F, 64*T1 = 32 s; a connection that cannot be opened
// costs at most 20*T1 = 10 s. So n silent targets (SRV records and their addresses, at most 16) take n * 32 s, after at most
// 10 s of DNS for the very first request. A target that failed is tried last for the next 32 s, by all but one request, so
// only the first requests after a proxy died wait that long. The worst that a hostile peer can do at one target is four
// transactions of 32 s (two challenges, one lost connection, the last one unanswered), and twice 10 s to connect.
//
// Timer K needs no state here: a response that matches no transaction is dropped, and that is all that Timer K absorbs.
// ICMP errors are not seen, since one unconnected socket serves every target: a closed UDP port is a time-out.
// Requests that arrive (OPTIONS, say) are ignored.
package sipua
