//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/internal/pgtest"
)

func rows(t *testing.T, db, callID string) (n int) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM active_watchers WHERE callid = $1 AND event = 'message-summary'", callID).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKamailioModes: each subs_db_mode writes the row when it should, and refreshes work.
func TestKamailioModes(t *testing.T) {
	for mode := 1; mode <= 3; mode++ {
		t.Run(strconv.Itoa(mode), func(t *testing.T) {
			db := pgtest.Start(t)
			k := StartKamailio(t, KamailioConfig{DB: db, SubsMode: mode})
			phone := newRawPhone(t, "127.0.0.1", "202", k.Port())
			phone.subscribe()
			if mode != 2 && rows(t, db, phone.callID) != 1 {
				t.Error("no row of the subscription after the 200")
			}
			phone.subscribe()
			eventually(t, 5*time.Second, "row of the subscription", func() bool { return rows(t, db, phone.callID) == 1 })
		})
	}
}

// TestKamailioClock: with ClockCSeq its own NOTIFYs count in unix time, without they count from 1.
func TestKamailioClock(t *testing.T) {
	for _, clock := range []bool{true, false} {
		t.Run(strconv.FormatBool(clock), func(t *testing.T) {
			k := StartKamailio(t, KamailioConfig{DB: pgtest.Start(t), ClockCSeq: clock})
			phone := newRawPhone(t, "127.0.0.1", "202", k.Port())
			cseq, err := strconv.ParseInt(match(t, phone.subscribe(), `(?m)^CSeq: *(\d+)`), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if near := time.Now().Unix()-cseq < 10; near != clock {
				t.Errorf("CSeq %d at unix time %d", cseq, time.Now().Unix())
			}
		})
	}
}

// status sends one message and returns the status of its final answer.
func status(t *testing.T, conn net.Conn, message []byte) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	for {
		n, err := conn.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		if code := strings.Fields(string(answer[:n]))[1]; code != "100" {
			return code
		}
	}
}

// TestKamailioRelay: a NOTIFY from the bridge's address reaches the phone, by UDP and TCP; from elsewhere none does.
func TestKamailioRelay(t *testing.T) {
	k := StartKamailio(t, KamailioConfig{DB: pgtest.Start(t), Bridge: "127.0.0.2"})
	phone := newRawPhone(t, "127.0.0.1", "202", k.Port())
	phone.subscribe()
	dial := func(network, ip string) net.Conn {
		t.Helper()
		var local net.Addr = &net.UDPAddr{IP: net.ParseIP(ip)}
		if network == "tcp" {
			local = &net.TCPAddr{IP: net.ParseIP(ip)}
		}
		conn, err := (&net.Dialer{LocalAddr: local}).Dial(network, k.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for i, network := range []string{"udp", "tcp"} {
		bridge, stranger := dial(network, "127.0.0.2"), dial(network, "127.0.0.3")
		notify := phone.notify(stranger.LocalAddr(), strings.ToUpper(network), int64(100+2*i))
		if got := status(t, stranger, notify); got != "403" {
			t.Errorf("%s: a stranger's NOTIFY got %s, want 403", network, got)
		}
		answered := make(chan string, 1)
		go func() { answered <- phone.receive("NOTIFY ") }()
		notify = phone.notify(bridge.LocalAddr(), strings.ToUpper(network), int64(101+2*i))
		if got := status(t, bridge, notify); got != "200" {
			t.Errorf("%s: the bridge's NOTIFY got %s, want 200", network, got)
		}
		if want := fmt.Sprintf("CSeq: %d NOTIFY", 101+2*i); !strings.Contains(<-answered, want) {
			t.Errorf("%s: the phone got another NOTIFY than %s", network, want)
		}
	}
	bridge := dial("udp", "127.0.0.2")
	if got := status(t, bridge, phone.notify(bridge.LocalAddr(), "UDP", 200)); got != "408" {
		t.Errorf("a silent phone: %s, want 408 after FRTimer", got)
	}
}

// TestKamailioStop: no process is left, and the subscriptions are there again after Start.
func TestKamailioStop(t *testing.T) {
	db := pgtest.Start(t)
	k := StartKamailio(t, KamailioConfig{DB: db, SubsMode: 3})
	phone := newRawPhone(t, "127.0.0.1", "202", k.Port())
	phone.subscribe()
	k.Stop()
	eventually(t, 5*time.Second, "port that the last process let go", func() bool {
		udp, err := net.ListenPacket("udp", k.Addr())
		if err == nil {
			udp.Close()
		}
		return err == nil
	})
	k.Start()
	phone.subscribe()
	if got := rows(t, db, phone.callID); got != 1 {
		t.Errorf("%d rows after a restart, want 1", got)
	}
}
