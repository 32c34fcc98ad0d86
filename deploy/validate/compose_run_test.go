//go:build linux

package validate_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestComposeRuns runs compose.yaml without an engine: each service's command, user, environment, files and secrets, with the
// packages that its Dockerfile names, on a root file system of its own (an overlay); all in one network namespace that has
// their addresses. A phone subscribes, a voicemail is left, the lamp goes on.
func TestComposeRuns(t *testing.T) {
	if os.Getenv(inside) != "" {
		play(t)
		return
	}
	need(t, os.Getuid() == 0, "overlays and namespaces need root")
	for _, path := range []string{asteriskRoot(), "/usr/share/kamailio/postgres", "/usr/lib/postgresql", "/usr/sbin/ip"} {
		_, err := os.Stat(path)
		need(t, err == nil, "no "+path+": run scripts/setup.sh as root")
	}
	intoNamespaces(t, "TestComposeRuns")
}

// asteriskRoot is where scripts/asterisk.sh installs Asterisk.
func asteriskRoot() string {
	cache := os.Getenv("ZONKEYMWI_CACHE")
	if cache == "" {
		home, _ := os.UserHomeDir()
		cache = filepath.Join(home, ".cache/zonkeymwi")
	}
	return filepath.Join(cache, "asterisk")
}

func play(t *testing.T) {
	p := project(t)
	w := &world{t: t, project: p, dir: os.Getenv(inside), hosts: "127.0.0.1 localhost\n172.30.0.30 database\n"}
	w.run("mount", "-t", "tmpfs", "none", w.dir) // overlays want no overlay below
	if err := os.Chmod(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.run("ip", "link", "set", "lo", "up")
	for _, address := range []string{addressOf(t, p, "asterisk"), addressOf(t, p, "proxy"), "172.30.0.30", "172.30.0.40"} {
		w.run("ip", "address", "add", address+"/32", "dev", "lo")
	}
	w.database()
	w.finish(w.service("tables", "/"))
	image := w.image()
	w.finish(w.service("migrate", image))
	asterisk := w.service("asterisk", asteriskRoot())
	proxy := w.service("proxy", "/")
	bridge := w.service("zonkeymwi", image)
	// On one interface the kernel would take the proxy's own address for ours.
	bridge.Env = append(bridge.Env, "ZONKEYMWI_SIP_BINDIP="+addressOf(t, p, "asterisk"))
	w.start(asterisk, proxy, bridge)

	phone := subscribe(t, addressOf(t, p, "proxy"))
	phone.expect("Messages-Waiting: no")
	originate := regexp.MustCompile(`asterisk -rx '(.+)'`).FindStringSubmatch(readFile(t, "../compose.yaml"))
	w.eventually("Asterisk that has booted", func() bool { // as the pod's readiness probe asks
		return w.inside("asterisk", "asterisk", "-rx", "core waitfullybooted").Run() == nil
	})
	w.finish(w.inside("asterisk", "asterisk", "-rx", originate[1]))
	phone.expect("Messages-Waiting: yes")
	if out, err := w.inside("zonkeymwi", "/zonkeymwi", "explain", "202", "example.com").CombinedOutput(); err != nil {
		t.Errorf("explain: %v\n%s", err, out)
	}
	if out, err := w.inside("zonkeymwi", "/zonkeymwi", "health").CombinedOutput(); err != nil {
		t.Errorf("health: %v\n%s", err, out)
	}
}

// root is an overlay with a service's files and secrets in it.
func (w *world) root(s types.ServiceConfig, base string) string {
	root := w.overlay(s.Name, base)
	place := func(source, target string) {
		text := readFile(w.t, source)
		path := filepath.Join(root, target)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o444); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			place(v.Source, v.Target)
		}
	}
	for _, secret := range s.Secrets {
		place(w.project.Secrets[secret.Source].File, filepath.Join("/run/secrets", secret.Target))
	}
	hosts := filepath.Join(w.dir, "hosts")
	if err := os.WriteFile(hosts, []byte(w.hosts), 0o644); err != nil {
		w.t.Fatal(err)
	}
	place(hosts, "/etc/hosts")
	return root
}

// users are those of compose.yaml's Dockerfiles, and the directories that those make or give to them.
var users = map[string]struct {
	user string
	own  []string
}{
	"asterisk": {"5060:5060", []string{"/etc/asterisk", "/run/asterisk", "/var/lib/asterisk", "/var/log/asterisk", "/var/spool/asterisk"}},
	"proxy":    {"kamailio:kamailio", []string{"/run/kamailio"}},
	"tables":   {"kamailio:kamailio", nil},
	"database": {"postgres:postgres", nil},
}

// service is a service's command, not started yet.
func (w *world) service(name, base string) *exec.Cmd {
	w.t.Helper()
	s, ok := w.project.Services[name]
	if !ok {
		w.t.Fatalf("there is no service %s", name)
	}
	root := w.root(s, base)
	for _, dir := range users[name].own {
		w.run("mkdir", "-p", filepath.Join(root, dir))
		w.run("chroot", root, "chown", "-R", users[name].user, dir)
	}
	args := []string(s.Command)
	switch {
	case s.Image == "zonkeymwi" && len(args) == 0:
		args = []string{"/zonkeymwi", "run"}
	case s.Image == "zonkeymwi":
		args = append([]string{"/zonkeymwi"}, args...)
	case len(args) == 0:
		args = []string{"asterisk", "-fn"}
		if !strings.Contains(s.Build.DockerfileInline, `CMD ["asterisk", "-fn"]`) {
			w.t.Fatalf("%s has no such command", name)
		}
	}
	return w.inside(name, args...)
}

// inside is a command in a service's container.
func (w *world) inside(name string, args ...string) *exec.Cmd {
	s := w.project.Services[name]
	user := users[name].user
	if s.User != "" {
		user = s.User
	}
	cmd := exec.Command("setpriv", append([]string{"--no-new-privs", "chroot", "--userspec=" + user, "--groups=",
		filepath.Join(w.dir, name, "root")}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	for key, value := range s.Environment {
		cmd.Env = append(cmd.Env, key+"="+*value)
	}
	return cmd
}

// database is the one service whose image we do not know from inside: PostgreSQL, initialized as its variables say.
func (w *world) database() {
	s := w.project.Services["database"]
	w.root(s, "/")
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if !slices.Contains(bins, "/usr/lib/postgresql/"+strings.TrimPrefix(s.Image, "postgres:")+"/bin") {
		w.t.Logf("%s is played by %v", s.Image, bins)
	}
	bin, data := bins[len(bins)-1], "/var/tmp/data"
	w.finish(w.inside("database", bin+"/initdb", "-N", "-D", data, "-U", *s.Environment["POSTGRES_USER"],
		"-A", *s.Environment["POSTGRES_HOST_AUTH_METHOD"]))
	w.finish(w.inside("database", "sh", "-c", "echo host all all 172.30.0.0/24 trust >>"+data+"/pg_hba.conf"))
	w.start(w.inside("database", bin+"/postgres", "-D", data, "-c", "listen_addresses=172.30.0.30", "-c", "unix_socket_directories=", "-F"))
	w.eventually("database", func() bool {
		return w.inside("database", []string(s.HealthCheck.Test[1:])...).Run() == nil
	})
	w.finish(w.inside("database", "createdb", "-h", "database", "-U", "kamailio", "kamailio"))
}

func addressOf(t *testing.T, p *types.Project, service string) string {
	t.Helper()
	address := p.Services[service].Networks["voip"].Ipv4Address
	if net.ParseIP(address) == nil {
		t.Fatalf("%s has no address of its own: %q", service, address)
	}
	return address
}
