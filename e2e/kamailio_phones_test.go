//go:build linux

package e2e

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/internal/pgtest"
	"zonkeymwi/sim"
)

var oneWaiting = sim.Lamp{Known: true, On: true, New: 1}

// column reads one column of the one subscription.
func column(t *testing.T, db, name string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), "SELECT "+name+" FROM active_watchers").Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// send sends a request in no dialog to 202's address of record and returns the status of its answer.
func send(t *testing.T, k *Kamailio, ip, method string) string {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(ip)}}).Dial("udp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := "Messages-Waiting: yes\r\nMessage-Account: sip:*97@domain.example.com\r\nVoice-Message: 1/0 (0/0)\r\n"
	return status(t, conn, fmt.Appendf(nil, "%s sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%[2]s>;tag=1\r\nTo: <sip:%[2]s>\r\nCall-ID: %[4]d\r\nCSeq: 1 %[1]s\r\nContact: <sip:asterisk@%[3]s>\r\nEvent: message-summary\r\n"+
		"Subscription-State: active\r\nExpires: 600\r\nContent-Type: application/simple-message-summary\r\nContent-Length: %[5]d\r\n\r\n%[6]s",
		method, mailbox, conn.LocalAddr(), time.Now().UnixNano(), len(body), body))
}

// phones are registered, and take NOTIFYs in no dialog.
func phones(t *testing.T, configs ...sim.PhoneConfig) (phones []*sim.Phone) {
	t.Helper()
	for _, config := range configs {
		config.User, config.Domain, config.Unsolicited = "202", domain, true
		phone, err := sim.NewPhone(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(phone.Close)
		if err := phone.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		phones = append(phones, phone)
	}
	return phones
}

// TestKamailioUnsolicited: a NOTIFY in no dialog to an address of record reaches all its phones, however they are placed,
// from the bridge's address alone; who has unregistered gets nothing.
func TestKamailioUnsolicited(t *testing.T) {
	k := StartKamailio(t, KamailioConfig{DB: pgtest.Start(t), Bridge: "127.0.0.2", NAT: true})
	edge := StartEdge(t, k)
	if got := send(t, k, "127.0.0.2", "NOTIFY"); got != "480" {
		t.Error("with nobody registered:", got)
	}
	all := phones(t, sim.PhoneConfig{Proxy: k.Addr()}, sim.PhoneConfig{Proxy: k.Addr(), Inside: "127.0.0.66:9"}, sim.PhoneConfig{Proxy: edge.Addr()})
	if got := send(t, k, "127.0.0.3", "NOTIFY"); got != "403" {
		t.Error("from a stranger:", got)
	}
	if got := send(t, k, "127.0.0.2", "NOTIFY"); got != "200" {
		t.Error("from the bridge:", got)
	}
	for _, phone := range all {
		wantLamp(t, phone, oneWaiting)
	}
	if raw := string(all[2].Notifies()[0].Raw); !strings.Contains(raw, "\r\nVia: SIP/2.0/UDP "+edge.Addr()+";") {
		t.Errorf("by another way than the edge proxy:\n%s", raw)
	}
	k.Stop()
	k.Start()
	eventually(t, 5*time.Second, "registered phone after Kamailio's restart", func() bool { // its first process reads the table while another may answer
		return send(t, k, "127.0.0.2", "NOTIFY") == "200"
	})
	for _, phone := range all {
		if err := phone.Unregister(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got := send(t, k, "127.0.0.2", "NOTIFY"); got != "480" {
		t.Error("after all have left:", got)
	}
}

// TestKamailioPublish: the bridge's PUBLISH lights the phone that has subscribed, and the one that subscribes later.
func TestKamailioPublish(t *testing.T) {
	k := StartKamailio(t, KamailioConfig{DB: pgtest.Start(t), Bridge: "127.0.0.2"})
	early := newPhone(t, k.Addr(), "202")
	if got := send(t, k, "127.0.0.3", "PUBLISH"); got != "403" {
		t.Error("from a stranger:", got)
	}
	if got := send(t, k, "127.0.0.2", "PUBLISH"); got != "200" {
		t.Error("from the bridge:", got)
	}
	wantLamp(t, early, oneWaiting)
	wantLamp(t, newPhone(t, k.Addr(), "202"), oneWaiting)
}

// TestKamailioCommitsLate: Kamailio answers a PUBLISH and tells the phones before it commits what it has written, so a phone
// that subscribes in between is told the state before, until its next refresh. The commit is slow here to show it.
func TestKamailioCommitsLate(t *testing.T) {
	db := pgtest.Start(t)
	k := StartKamailio(t, KamailioConfig{DB: db})
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON presentity INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`); err != nil {
		t.Fatal(err)
	}
	early := newPhone(t, k.Addr(), "202")
	if got := send(t, k, "127.0.0.1", "PUBLISH"); got != "200" {
		t.Fatal(got)
	}
	wantLamp(t, early, oneWaiting)
	between := newPhone(t, k.Addr(), "202")
	if err := between.WaitNotifies(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if between.Lamp() == oneWaiting {
		t.Error("it commits in time now: docs/choosing.md is to say so")
	}
	eventually(t, 30*time.Second, "published state after a refresh", func() bool {
		return between.Refresh(t.Context()) == nil && between.Lamp() == oneWaiting
	})
}

// TestKamailioEdge: a dialog by way of an edge proxy has it in its route set, and Kamailio's NOTIFYs go that way.
func TestKamailioEdge(t *testing.T) {
	db := pgtest.Start(t)
	k := StartKamailio(t, KamailioConfig{DB: db, NAT: true})
	edge := StartEdge(t, k)
	phone := newPhone(t, edge.Addr(), "202")
	if err := phone.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if got := column(t, db, "record_route"); !strings.HasPrefix(got, "<sip:"+edge.Addr()+";lr") {
		t.Errorf("record_route is %q, want the edge proxy %s", got, edge.Addr())
	}
	if got := column(t, db, "contact"); got != "sip:202@"+phone.Addr() {
		t.Errorf("contact is %q, want the phone's own", got)
	}
	if err := phone.WaitNotifies(t.Context(), 2); err != nil {
		t.Error(err)
	}
	for _, n := range phone.Notifies() {
		if n.Status != 200 || !strings.Contains(string(n.Raw), "\r\nVia: SIP/2.0/UDP "+edge.Addr()+";") {
			t.Errorf("answered %d %s, or by another way than the edge proxy:\n%s", n.Status, n.Reason, n.Raw)
		}
	}
}

// TestKamailioNAT: in the table stands where a phone behind a NAT really sends from.
func TestKamailioNAT(t *testing.T) {
	for _, mends := range []bool{true, false} {
		db := pgtest.Start(t)
		k := StartKamailio(t, KamailioConfig{DB: db, NAT: mends})
		phone := phones(t, sim.PhoneConfig{Proxy: k.Addr(), Inside: "127.0.0.66:9"})[0]
		if err := phone.Subscribe(t.Context(), 600); err != nil {
			t.Fatal(err)
		}
		want := "sip:202@127.0.0.66:9"
		if mends {
			want = "sip:202@" + phone.Addr()
			if err := phone.WaitNotifies(t.Context(), 1); err != nil {
				t.Error(err)
			}
		}
		if got := column(t, db, "contact"); got != want {
			t.Errorf("WITH_NAT %v: contact is %q, want %q", mends, got, want)
		}
	}
}

// TestKamailioAsks: phones and the bridge must know their passwords, where that is wanted.
func TestKamailioAsks(t *testing.T) {
	db := pgtest.Start(t)
	k := StartKamailio(t, KamailioConfig{DB: db, Auth: true, Password: bridgePassword})
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ha1 := fmt.Sprintf("%x", md5.Sum([]byte("202:"+domain+":right")))
	if _, err := conn.Exec(t.Context(), "INSERT INTO subscriber (username, domain, ha1) VALUES ('202', $1, $2)", domain, ha1); err != nil {
		t.Fatal(err)
	}
	for password, known := range map[string]bool{"": false, "wrong": false, "right": true} {
		phone, err := sim.NewPhone(sim.PhoneConfig{User: "202", Domain: domain, Proxy: k.Addr(), Password: password})
		if err != nil {
			t.Fatal(err)
		}
		defer phone.Close()
		for want, err := range map[int]error{401: phone.Register(t.Context()), 407: phone.Subscribe(t.Context(), 600)} {
			var refused *sim.StatusError
			if known && err != nil || !known && (!errors.As(err, &refused) || refused.Status != want) {
				t.Errorf("password %q: %v; want %d where it is wrong", password, err, want)
			}
		}
	}
	for _, method := range []string{"NOTIFY", "PUBLISH"} { // TestMatrix has the bridge answer
		if got := send(t, k, "127.0.0.1", method); got != "407" {
			t.Errorf("%s from the bridge without its password: %s, want 407", method, got)
		}
	}
}
