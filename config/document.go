package config

import (
	"bytes"
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// document is a parsed TOML file that still knows its lines.
type document struct {
	md    toml.MetaData
	data  []byte
	above int // lines above it, where it is a piece of another
}

// root is the document as a table.
func (d *document) root() (node, error) {
	var p map[string]toml.Primitive
	md, err := toml.Decode(string(d.data), &p)
	d.md = md
	return node{doc: d, kids: p}, err
}

// node is one value of a document.
type node struct {
	value  any
	doc    *document
	prim   toml.Primitive
	kids   map[string]toml.Primitive // of a table
	parent *node
}

func (n *node) isTable() bool { return n.kids != nil }

// isTables tells whether the value is tables under [[ ]], not a list.
func (n *node) isTables() bool {
	_, ok := n.value.([]map[string]any)
	return ok
}

// children of a table, by key.
func (n *node) children() map[string]*node {
	nodes := make(map[string]*node, len(n.kids))
	for key, p := range n.kids {
		child := &node{doc: n.doc, prim: p, parent: n}
		_ = n.doc.md.PrimitiveDecode(p, &child.value) // takes anything
		if _, ok := child.value.(map[string]any); ok {
			_ = n.doc.md.PrimitiveDecode(p, &child.kids) // takes any table
		}
		nodes[key] = child
	}
	return nodes
}

// line is where the value begins, from 1. It is slow: for errors, and for the
// few keys that have names.
func (n *node) line() int {
	if line := n.firstLine(); line > 0 || n.parent == nil {
		return line
	}
	return n.parent.line() // an empty key: the decoder notes its line down as its table's
}

// firstLine is 0 when the decoder has no position for the value. A table made
// by a dotted key or by a sub-section has none, and begins with its content.
func (n *node) firstLine() int {
	if line := n.doc.lineOf(n.prim); line > 0 {
		return line
	}
	first := 0
	for _, child := range n.children() {
		if line := child.firstLine(); line > 0 && (first == 0 || line < first) {
			first = line
		}
	}
	return first
}

// lineOf makes the decoder fail at p, as it tells positions in errors only. It
// is 0 for a value without a position.
func (d *document) lineOf(p toml.Primitive) int {
	var pe toml.ParseError
	if !errors.As(d.md.PrimitiveDecode(p, &refuser{}), &pe) || pe.Position.Line == 0 {
		return 0
	}
	// Not Position.Line, which is the last line of a string of several.
	start := min(pe.Position.Start, len(d.data))
	return d.above + 1 + bytes.Count(d.data[:start], []byte("\n"))
}

type refuser struct{}

var errRefused = errors.New("refused")

// UnmarshalTOML implements toml.Unmarshaler.
func (*refuser) UnmarshalTOML(any) error { return errRefused }

// syntax is the fault of a file that is not TOML. The decoder quotes what it
// cannot read, so it does not get to speak about a line that holds a secret.
func (l *loader) syntax(data []byte, err error) error {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		l.faults.add(place{file: l.name}, "", err)
		return l.faults.join()
	}
	at := place{file: l.name, line: max(pe.Position.Line, 1)}
	problem := strings.ToValidUTF8(strings.Join(strings.Fields(pe.Message), " "), "?")
	if strings.Contains(problem, "already been defined") {
		problem = strings.TrimSuffix(problem, ".") + ": take one of the two out" // it has the key's name and no value
	} else if l.mentionsSecret(pe.LastKey) || l.mentionsSecret(nthLine(data, at.line)) {
		problem = "not valid TOML; a value goes in quotes (the line is not shown, as it may hold a secret)"
	}
	l.faults.add(at, "", errors.New(problem))
	return l.faults.join()
}

func (l *loader) mentionsSecret(s string) bool {
	for i := range l.keys {
		if l.keys[i].Secret && strings.Contains(s, l.keys[i].Name) {
			return true
		}
	}
	return false
}

func nthLine(data []byte, line int) string {
	lines := bytes.Split(data, []byte("\n"))
	return string(lines[min(line, len(lines))-1])
}
