package sipua

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
)

const inFlight = 512

// echo answers each datagram with what answer makes of it.
func echo(b *testing.B, answer func(dst, req []byte) []byte) string {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	b.Cleanup(func() { conn.Close() })
	go func() {
		in, out := make([]byte, 2048), make([]byte, 0, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(in)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(answer(out, in[:n]), from)
		}
	}()
	return conn.LocalAddr().String()
}

// ok turns a request into a response with all its header fields.
func ok(dst, req []byte) []byte {
	return append(append(dst, "SIP/2.0 200 OK"...), req[bytes.IndexByte(req, '\r'):]...)
}

// BenchmarkUDP compares transactions, 512 in flight, with the same datagrams sent and received raw.
func BenchmarkUDP(b *testing.B) {
	b.Run("floor", benchmarkFloor)
	b.Run("transactions", func(b *testing.B) { benchmarkSend(b, echo(b, ok)) })
}

func benchmarkSend(b *testing.B, proxy string) {
	u := client(b, proxy, Config{})
	r := prerendered(b)
	slots := make(chan struct{}, inFlight)
	again := 0
	done := func(o Outcome) {
		if o.Class != Acknowledged {
			b.Error(o.Class, o.Err)
		}
		again += o.Sent - 1
		<-slots
	}
	b.ReportAllocs()
	for b.Loop() {
		slots <- struct{}{}
		u.Send(r, done)
	}
	for range inFlight {
		slots <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(again), "retransmissions")
}

// prerendered is a NOTIFY of usual size whose rendering costs a copy.
func prerendered(b *testing.B) Request {
	r := notify("sip:202@127.0.0.1:5071;transport=udp", 88)
	const mark = "z9hG4bK0000000000000000"
	text, err := r.Render(nil, Attempt{"UDP", "127.0.0.1:50660", mark, 7, ""})
	if err != nil {
		b.Fatal(err)
	}
	before, after, _ := bytes.Cut(text, []byte(mark))
	r.Render = func(dst []byte, a Attempt) ([]byte, error) {
		return append(append(append(dst, before...), a.Branch...), after...), nil
	}
	return r
}

func benchmarkFloor(b *testing.B) {
	to := netip.MustParseAddrPort(echo(b, ok))
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(socketBuffer)
	msg, err := prerendered(b).Render(nil, Attempt{Branch: "z9hG4bK0000000000000000"})
	if err != nil {
		b.Fatal(err)
	}
	slots := make(chan struct{}, inFlight)
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			<-slots
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		slots <- struct{}{}
		if _, err := conn.WriteToUDPAddrPort(msg, to); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

// BenchmarkOne is the whole way of one request, nothing else going on.
func BenchmarkOne(b *testing.B) {
	u := client(b, echo(b, ok), Config{})
	r := prerendered(b)
	for b.Loop() {
		if o := u.Do(context.Background(), r); o.Class != Acknowledged {
			b.Fatal(o.Err)
		}
	}
}

func BenchmarkTCP(b *testing.B) {
	p := tcpPeer(b, listen(b, "127.0.0.1:0"), func(_ int, req []byte) [][]byte { return [][]byte{ok(nil, req)} })
	benchmarkSend(b, p.addr+";transport=tcp")
}

func BenchmarkParseResponse(b *testing.B) {
	text := crlf(responses["ok"].text)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseResponse(text); !ok {
			b.Fatal("not parsed")
		}
	}
}
