package config

import (
	"os"
	"strings"
	"testing"
)

const referenceFile = "../docs/configuration.md"

func TestReferenceFile(t *testing.T) {
	if *update {
		write(t, referenceFile, Reference())
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Reference() {
		t.Errorf("%s is not what Reference says: run go generate ./config", referenceFile)
	}
}

// TestReferenceIsComplete looks each key up as a reader does, and takes its row
// for a table's: as many cells as the heading.
func TestReferenceIsComplete(t *testing.T) {
	lines := strings.Split(Reference(), "\n")
	keys := Keys()
	for i := range keys {
		k := &keys[i]
		var rows []string
		for _, line := range lines {
			if strings.HasPrefix(line, "| `"+k.String()+"` |") || k.header() != "" && strings.HasPrefix(line, "| `"+k.header()+"` |") {
				rows = append(rows, line)
			}
		}
		if len(rows) != 1 {
			t.Errorf("%s has %d rows, want 1", k, len(rows))
			continue
		}
		cells := strings.Split(strings.ReplaceAll(rows[0], `\|`, ""), "|")
		if len(cells) != 7 {
			t.Errorf("%s: %d cells: %s", k, len(cells)-2, rows[0])
			continue
		}
		if reload := strings.Contains(cells[4], "reload"); reload != k.Reload {
			t.Errorf("%s: reload %v, want %v", k, reload, k.Reload)
		}
		if required := strings.Contains(cells[3], "required"); required != k.Required {
			t.Errorf("%s: required %v, want %v", k, required, k.Required)
		}
		if !strings.Contains(cells[3], k.Default) {
			t.Errorf("%s: default %s, want %s", k, cells[3], k.Default)
		}
	}
}
