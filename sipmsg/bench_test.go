package sipmsg

import (
	"strconv"
	"testing"
)

// BenchmarkAppend sets each built-in template beside what one would write by hand in its place, and beside that with
// a look at every byte of every value, which a template may not do without. At most three times the floor is what we
// want.
func BenchmarkAppend(b *testing.B) {
	for _, kind := range allKinds {
		tmpl := mustParse(b, kind, Builtin(kind))
		buf, known := make([]byte, 0, 2048), fieldsOf(kind)
		b.Run(kind.String()+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = byHand(buf[:0], kind, &sample)
			}
		})
		b.Run(kind.String()+"/checked", func(b *testing.B) {
			for b.Loop() {
				for i := range known {
					if d := &known[i]; d.str != nil && !d.class.holds(d.str(&sample)) {
						b.Fatal(d.name)
					}
				}
				buf = byHand(buf[:0], kind, &sample)
			}
		})
		b.Run(kind.String()+"/template", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = tmpl.Append(buf[:0], &sample)
			}
		})
	}
}

func TestByHandIsTheSame(t *testing.T) {
	for _, kind := range allKinds {
		for _, f := range append(variants(), sample) {
			want, err := mustParse(t, kind, Builtin(kind)).Append(nil, &f)
			if got := byHand(nil, kind, &f); err != nil || string(got) != string(want) {
				t.Errorf("%v: %v, got\n%s\nwant\n%s", kind, err, got, want)
			}
		}
	}
}

// byHand is the floor: literals and values in sequence, numbers formatted, what is optional left out, the length that
// of the body; no template, and no look at what the values hold.
func byHand(dst []byte, kind Kind, f *Fields) []byte {
	var scratch [128]byte
	body := bodyByHand(scratch[:0], f)
	dst = append(dst, kind.Method()...)
	dst = append(dst, ' ')
	dst = append(dst, f.RequestURI...)
	dst = append(dst, " SIP/2.0\r\nVia: SIP/2.0/"...)
	dst = append(dst, f.Transport...)
	dst = append(dst, ' ')
	dst = append(dst, f.SentBy...)
	dst = append(dst, ";branch="...)
	dst = append(dst, f.Branch...)
	dst = append(dst, ";rport\r\nMax-Forwards: 70\r\n"...)
	if f.Route != "" {
		dst = append(dst, "Route: "...)
		dst = append(dst, f.Route...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "From: <"...)
	dst = append(dst, f.FromURI...)
	dst = append(dst, ">;tag="...)
	dst = append(dst, f.FromTag...)
	dst = append(dst, "\r\nTo: <"...)
	dst = append(dst, f.ToURI...)
	if dst = append(dst, '>'); kind == Notify {
		dst = append(dst, ";tag="...)
		dst = append(dst, f.ToTag...)
	}
	dst = append(dst, "\r\nCall-ID: "...)
	dst = append(dst, f.CallID...)
	dst = append(dst, "\r\nCSeq: "...)
	dst = strconv.AppendUint(dst, uint64(f.CSeq), 10)
	dst = append(dst, ' ')
	dst = append(dst, kind.Method()...)
	if kind != Publish {
		dst = append(dst, "\r\nContact: <"...)
		dst = append(dst, f.Contact...)
		dst = append(dst, '>')
	}
	if f.Authorization != "" {
		dst = append(dst, "\r\n"...)
		dst = append(dst, f.Authorization...)
	}
	dst = append(dst, "\r\nEvent: message-summary"...)
	dst = stateByHand(dst, kind, f)
	if f.UserAgent != "" {
		dst = append(dst, "User-Agent: "...)
		dst = append(dst, f.UserAgent...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "Content-Type: application/simple-message-summary\r\nContent-Length: "...)
	dst = strconv.AppendUint(dst, uint64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

func stateByHand(dst []byte, kind Kind, f *Fields) []byte {
	switch kind {
	case Notify:
		if f.EventID != "" {
			dst = append(dst, ";id="...)
			dst = append(dst, f.EventID...)
		}
		dst = append(dst, "\r\nSubscription-State: active;expires="...)
		dst = strconv.AppendUint(dst, uint64(f.Expires), 10)
	case Publish:
		dst = append(dst, "\r\nExpires: "...)
		dst = strconv.AppendUint(dst, uint64(f.Expires), 10)
		if f.ETag != "" {
			dst = append(dst, "\r\nSIP-If-Match: "...)
			dst = append(dst, f.ETag...)
		}
	case Unsolicited:
		dst = append(dst, "\r\nSubscription-State: terminated;reason=noresource"...)
	}
	return append(dst, "\r\n"...)
}

func bodyByHand(dst []byte, f *Fields) []byte {
	dst = append(dst, "Messages-Waiting: "...)
	dst = append(dst, f.Waiting()...)
	dst = append(dst, "\r\nMessage-Account: "...)
	dst = append(dst, f.Account...)
	dst = append(dst, "\r\nVoice-Message: "...)
	dst = strconv.AppendUint(dst, uint64(f.New), 10)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, uint64(f.Old), 10)
	dst = append(dst, " ("...)
	dst = strconv.AppendUint(dst, uint64(f.NewUrgent), 10)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, uint64(f.OldUrgent), 10)
	return append(dst, ")\r\n"...)
}
