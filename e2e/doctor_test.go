//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"zonkeymwi/ami"
	"zonkeymwi/doctor"
	"zonkeymwi/internal/pgtest"
	"zonkeymwi/watchers"
)

// managers lack one right each, and are otherwise as the README has them.
const managers = `
[base](!)
secret = managers-secret
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.0/255.0.0.0
read = call,user,system
write = reporting,user

[nocall](base)
read = user,system
[nouser](base)
read = call,system
[nosystem](base)
read = call,user
[noreporting](base)
write = user
[nosend](base)
write = reporting
[nosendnouser](base)
read = call,system
write = reporting
[nothing]
secret = managers-secret
[everything](base)
read = all
write = all
[filtered](base)
eventfilter(action(include),name(MessageWaiting),method(none)) =
[outside](base)
permit = 192.0.2.0/255.255.255.0
deny = 127.0.0.0/255.0.0.0
`

// examine runs the doctor and returns its complaints, "asterisk/read=call fault".
func examine(t *testing.T, o doctor.Options) (complaints []string) {
	t.Helper()
	began := time.Now()
	doctor.Run(t.Context(), o, func(f doctor.Finding) {
		var text strings.Builder
		doctor.Print(&text, f, false)
		t.Log(strings.TrimSpace(text.String()))
		if strings.Contains(text.String(), o.AMI.Secret) {
			t.Error("that shows a secret")
		}
		if f.Level != doctor.OK {
			complaints = append(complaints, fmt.Sprintf("%s/%s %v", f.Area, f.Check, f.Level))
		}
	})
	t.Logf("took %v", time.Since(began).Round(time.Millisecond))
	return complaints
}

func wantComplaints(t *testing.T, o doctor.Options, want ...string) {
	t.Helper()
	if got := examine(t, o); !slices.Equal(got, want) {
		t.Errorf("complaints %q, want %q", got, want)
	}
}

// wellWorld is Asterisk, Kamailio and PostgreSQL with nothing wrong, a phone subscribed.
func wellWorld(t *testing.T) (*Asterisk, doctor.Options) {
	t.Helper()
	asterisk := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{mailbox, "203@" + domain}, Manager: managers})
	db := pgtest.Start(t)
	kamailio := StartKamailio(t, KamailioConfig{DB: db, ClockCSeq: true})
	newPhone(t, kamailio.Addr(), "202")
	return asterisk, doctor.Options{
		AMI:      ami.Config{Address: asterisk.AMIAddr(), Username: asterisk.Username, Secret: asterisk.Secret},
		Database: watchers.Config{URL: leastRights(t, db)}, CSeq: "clock", Proxy: kamailio.Addr() + ";transport=udp",
	}
}

// leastRights is the URL of a database user with what the README grants.
func leastRights(t *testing.T, db string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"CREATE USER doctor_e2e PASSWORD 'choose-one'", "GRANT SELECT ON active_watchers TO doctor_e2e"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(ctx, db)
		if err == nil {
			_, err = conn.Exec(ctx, "DROP OWNED BY doctor_e2e; DROP USER doctor_e2e")
			conn.Close(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("doctor_e2e", "choose-one")
	return u.String()
}

// TestDoctor: where nothing is wrong the doctor finds nothing, and each right
// that a manager user lacks is found out, and no other.
func TestDoctor(t *testing.T) {
	asterisk, o := wellWorld(t)

	// This Asterisk has not loaded func_config.
	wantComplaints(t, o, "asterisk/read=call warning")
	nocall := o
	nocall.AMI.Username, nocall.AMI.Secret = "nocall", "managers-secret"
	wantComplaints(t, nocall, "asterisk/read=call warning")

	asterisk.RX("module load func_config.so")
	wantComplaints(t, o)
	elsewhere := o
	elsewhere.SIP.BindIP = "127.0.0.2" // from which Kamailio takes no NOTIFY
	wantComplaints(t, elsewhere, "proxy/notify fault")
	for user, want := range map[string][]string{
		"nocall":       {"asterisk/read=call fault"},
		"nouser":       {"asterisk/read=user warning"},
		"nosystem":     {"asterisk/read=system fault"},
		"nosend":       {"asterisk/write=user warning"},
		"nosendnouser": {"asterisk/write=user warning", "asterisk/read=user warning"},
		"noreporting":  {"asterisk/write=reporting fault", "asterisk/read=call warning"},
		"nothing": {"asterisk/read=system fault", "asterisk/write=reporting fault", "asterisk/write=user warning",
			"asterisk/read=user warning", "asterisk/read=call warning"},
		"filtered":   {"asterisk/read=user warning"}, // FullyBooted at a login passes every filter
		"everything": nil,
		"outside":    {"asterisk/login fault"},
		"nosuchuser": {"asterisk/login fault"},
	} {
		t.Run(user, func(t *testing.T) {
			o := o
			o.AMI.Username, o.AMI.Secret = user, "managers-secret"
			wantComplaints(t, o, want...)
		})
	}
}

// TestDoctorTLS: through TLS, and each way to get it wrong.
func TestDoctorTLS(t *testing.T) {
	a := StartAsterisk(t, AsteriskConfig{Mailboxes: []string{ben}})
	a.RX("module load func_config.so")
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for name, c := range map[string]struct {
		address string
		tls     *tls.Config
		want    string
	}{
		"right":      {a.TLSAddr(), &tls.Config{RootCAs: roots}, ""},
		"authority":  {a.TLSAddr(), &tls.Config{}, "asterisk/tls fault"},
		"name":       {a.TLSAddr(), &tls.Config{RootCAs: roots, ServerName: "asterisk.example.com"}, "asterisk/tls fault"},
		"plain port": {a.AMIAddr(), &tls.Config{RootCAs: roots}, "asterisk/tls fault"},
		"TLS port":   {a.TLSAddr(), nil, "asterisk/connect fault"},
	} {
		t.Run(name, func(t *testing.T) {
			o := doctor.Options{AMI: ami.Config{Address: c.address, Username: a.Username, Secret: a.Secret, TLS: c.tls},
				Patience: 3 * time.Second, Database: watchers.Config{URL: "sqlite:/nowhere"}, Proxy: "127.0.0.1"}
			got := examine(t, o)
			if c.want == "" && strings.HasPrefix(got[0], "asterisk") || c.want != "" && got[0] != c.want {
				t.Errorf("complaints %q, want %q", got, c.want)
			}
		})
	}
}
