package sipua

// Request is a request to send. The package never looks into what Render wrote, but for its branch.
type Request struct {
	Method string // as in the CSeq
	URI    string // the Request-URI, as digest needs it
	CSeq   uint32 // of the first attempt
	// Target is where to send: "" is the proxy; otherwise "udp:ip:port" (or tcp, tls; IPv6 in brackets), as in
	// active_watchers.socket_info, or a bare "ip:port", which is UDP. A target that is named has no alternative. Over TLS its
	// certificate must show the proxy's name, unless Config.TLS says another one.
	Target string
	// Render appends the whole message to dst. It is called once or more for each attempt, one call at a time, and what it
	// returns is sent byte for byte. It must not keep dst.
	Render func(dst []byte, a Attempt) ([]byte, error)
}

// Attempt is what differs from one attempt to send a request to the next. It belongs in the message as
//
//	Via: SIP/2.0/<Transport> <SentBy>;rport;branch=<Branch>
//
// with rport always (RFC 3581), in the CSeq, and as a header line where Authorization is not "".
type Attempt struct {
	Transport     string // "UDP", "TCP" or "TLS"
	SentBy        string // host:port, IPv6 in brackets
	Branch        string // with the magic cookie z9hG4bK
	CSeq          uint32
	Authorization string // "" or a whole line without its CRLF: "Proxy-Authorization: Digest ..."
}
