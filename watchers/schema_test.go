package watchers

import (
	"context"
	"net/url"
	"strings"
	"testing"
)

func TestFlavour(t *testing.T) {
	for _, e := range engines {
		for flavour, want := range map[string]Flavour{"opensips": OpenSIPS, "kamailio": Kamailio} {
			t.Run(e.name+"/"+flavour, func(t *testing.T) {
				db := e.open(t, flavour)
				s := db.store(t, Config{})
				for range 2 { // the second without the table
					if got, err := s.Flavour(t.Context()); err != nil || got != want {
						t.Fatalf("got %v, %v, want %v", got, err, want)
					}
					db.exec(t, "DROP TABLE IF EXISTS active_watchers")
				}
			})
		}
		t.Run(e.name+"/neither", func(t *testing.T) {
			db := e.open(t, "opensips")
			db.exec(t, "ALTER TABLE active_watchers DROP COLUMN sharing_tag")
			if got, err := db.store(t, Config{}).Flavour(t.Context()); err != nil || got != Unknown {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	for f, want := range map[Flavour]string{Unknown: "unknown", OpenSIPS: "OpenSIPS", Kamailio: "Kamailio"} {
		if f.String() != want {
			t.Errorf("got %v, want %s", f, want)
		}
	}
}

// complaints calls every method and wants each of the texts in each error.
func complaints(t *testing.T, s Store, want ...string) {
	t.Helper()
	for name, call := range map[string]func(context.Context) error{
		"Dialogs":  func(ctx context.Context) error { _, err := s.Dialogs(ctx, []AoR{user("a")}); return err },
		"NextCSeq": func(ctx context.Context) error { _, err := s.NextCSeq(ctx, []Dialog{{}}); return err },
		"Flavour":  func(ctx context.Context) error { _, err := s.Flavour(ctx); return err },
	} {
		err := call(t.Context())
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error %v, want %q in it", name, err, text)
			}
		}
	}
}

func TestTableIsMissing(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := e.open(t, "")
			complaints(t, db.store(t, Config{}), "active_watchers", mendTable)
			complaints(t, db.store(t, Config{Table: "no_such.watchers"}), "no_such.watchers", mendTable)
		})
	}
}

func TestColumnsAreMissing(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			db := e.open(t, "")
			db.exec(t, "CREATE TABLE active_watchers (id INTEGER)")
			s := db.store(t, Config{})
			complaints(t, s, "active_watchers", mendColumn)
			if _, err := s.Flavour(t.Context()); !strings.Contains(err.Error(), "lacks event, presentity_uri, watcher_username") {
				t.Errorf("Flavour: %v", err)
			}
		})
	}
}

// A table elsewhere, of another name, with capitals.
func TestTableName(t *testing.T) {
	for _, c := range []struct{ engine, table, setup string }{
		{"sqlite", "main.Watchers_2", `ALTER TABLE active_watchers RENAME TO "Watchers_2"`},
		{"postgres", "Proxy.Watchers_2", `CREATE SCHEMA "Proxy"; ALTER TABLE active_watchers RENAME TO "Watchers_2"; ALTER TABLE "Watchers_2" SET SCHEMA "Proxy"`},
		{"mysql", "{db}.Watchers_2", "RENAME TABLE active_watchers TO Watchers_2"},
	} {
		for _, e := range engines {
			if e.name != c.engine {
				continue
			}
			t.Run(e.name, func(t *testing.T) {
				db := e.open(t, "opensips")
				a := user("named")
				db.insert(t, a, row{})
				db.exec(t, c.setup)
				table := strings.ReplaceAll(c.table, "{db}", db.url[strings.LastIndexByte(db.url, '/')+1:])
				s := subject{db, db.store(t, Config{Table: table}), false}
				d := s.one(t, a)
				if got, err := s.Flavour(t.Context()); err != nil || got != OpenSIPS {
					t.Errorf("Flavour: %v, %v", got, err)
				}
				if got, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil || got[d.Key] != 3 {
					t.Errorf("NextCSeq: %v, %v", got, err)
				}
			})
		}
	}
}

func TestPostgresPermissionDenied(t *testing.T) {
	db := engines[1].open(t, "kamailio")
	a := user("a")
	db.insert(t, a, row{})
	db.exec(t, "CREATE ROLE bridge LOGIN PASSWORD 'hunter2'")
	t.Cleanup(func() { db.exec(t, "DROP OWNED BY bridge"); db.exec(t, "DROP ROLE bridge") })
	u, _ := url.Parse(db.url)
	u.User = url.UserPassword("bridge", "hunter2")
	db.url = u.String()
	s := subject{db, db.store(t, Config{}), false}

	_, err := s.Dialogs(t.Context(), []AoR{a})
	wantError(t, err, "active_watchers", "permission denied", `GRANT SELECT ON "active_watchers" TO "bridge"`)
	db.exec(t, "GRANT SELECT ON active_watchers TO bridge")
	d := s.one(t, a)
	_, err = s.NextCSeq(t.Context(), []Dialog{d})
	wantError(t, err, "active_watchers", "permission denied", `GRANT SELECT, UPDATE ON "active_watchers" TO "bridge"`)
	db.exec(t, "GRANT UPDATE ON active_watchers TO bridge")
	if _, err := s.NextCSeq(t.Context(), []Dialog{d}); err != nil {
		t.Error(err)
	}

	db.url = strings.Replace(db.url, "hunter2", "hunter3", 1)
	_, err = db.store(t, Config{}).Dialogs(t.Context(), []AoR{a})
	wantError(t, err, "password authentication failed", "bridge")
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v shows the password", err)
	}
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q in it", err, text)
		}
	}
}
