package config

import (
	"bytes"

	"github.com/BurntSushi/toml"
)

// tables are those under [[section.key]], each of a piece of the document that
// ends where the next begins: the decoder has positions in the last only.
func (d *document) tables(section, key string) (tables []*node) {
	lines := bytes.SplitAfter(d.data, []byte("\n"))
	from := 0
	for to := range len(lines) + 1 {
		if to < len(lines) && !begins(lines[to], section, key) {
			continue
		}
		piece := &document{data: bytes.Join(lines[from:to], nil), above: from}
		root, err := piece.root()
		if err != nil {
			continue // the line is within a text or a list
		}
		if table := root.table(section, key); table != nil {
			tables = append(tables, table)
		}
		from = to
	}
	return tables
}

// begins tells whether a line is [[section.key]], in any way TOML writes that.
func begins(line []byte, section, key string) bool {
	if !bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("[[")) {
		return false // what most lines are
	}
	root, err := (&document{data: line}).root()
	return err == nil && root.table(section, key) != nil
}

// table is the one under [[section.key]] in a piece, nil for none.
func (n *node) table(section, key string) *node {
	parent, ok := n.children()[section]
	if !ok {
		return nil
	}
	array, ok := parent.children()[key]
	if !ok || !array.isTables() {
		return nil
	}
	var kids []map[string]toml.Primitive
	_ = n.doc.md.PrimitiveDecode(array.prim, &kids) // takes any such tables
	return &node{doc: n.doc, prim: array.prim, kids: kids[0], parent: parent}
}
