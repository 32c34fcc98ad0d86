//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata/asterisk/*.conf
var asteriskConf embed.FS

// configure writes Asterisk's etc directory.
func (a *Asterisk) configure() {
	a.t.Helper()
	modules, err := filepath.Glob(filepath.Join(a.root, "usr/lib/*/asterisk/modules"))
	if err != nil || len(modules) != 1 {
		a.t.Fatalf("Asterisk's modules in %s: found %v", a.root, modules)
	}
	values := map[string]any{
		"Dir": a.inside(), "Modules": strings.TrimPrefix(modules[0], a.root),
		"Port": a.port, "TLSPort": a.tlsPort,
		"Username": a.Username, "Secret": a.Secret, "Manager": a.config.Manager,
		"Contexts": byContext(a.config.Mailboxes),
	}
	all := template.Must(template.ParseFS(asteriskConf, "testdata/asterisk/*.conf"))
	for _, conf := range all.Templates() {
		var text strings.Builder
		if err := conf.Execute(&text, values); err != nil {
			a.t.Fatal(err)
		}
		a.write(conf.Name(), text.String()+strings.Replace(deployed(a.t, conf.Name()), "choose-one", a.Secret, 1))
	}
	a.write("cli_aliases.conf", deployed(a.t, "cli_aliases.conf"))
	cert, key := certificate(a.t)
	a.write("ami.pem", cert+key)
	a.write("ca.pem", cert)
	a.CAFile = filepath.Join(a.dir, "ca.pem")
}

// deployed is the file that operators are given to put beside their own, "" for none.
func deployed(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "asterisk", name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func (a *Asterisk) write(name, text string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	giveAway(a.t, path)
}

func byContext(mailboxes []string) map[string][]string {
	contexts := map[string][]string{}
	for _, mailbox := range mailboxes {
		box, context := splitMailbox(mailbox)
		contexts[context] = append(contexts[context], box)
	}
	return contexts
}

func splitMailbox(mailbox string) (box, context string) {
	box, context, found := strings.Cut(mailbox, "@")
	if !found {
		context = "default"
	}
	return box, context
}

// certificate makes a self-signed one for 127.0.0.1, good for a day, and its key, both as PEM.
func certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
