// Package sipmsg renders the NOTIFY of a message-summary subscription
// (RFC 3842, RFC 6665) from a template. The rendered bytes are what is sent.
package sipmsg

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"text/template/parse"
)

//go:embed notify.tmpl
var builtin string

// Builtin is the text of the template that is used when an operator gives none.
func Builtin() string { return builtin }

// Template is a request, compiled once and safe for concurrent use.
type Template struct {
	head, body []segment
}

// A segment is literal text, a field's value, or a condition on a field.
type segment struct {
	literal  string
	field    *field
	then, or []segment // with field: {{if .Field}} then {{else}} or {{end}}
	cond     bool
}

// Parse compiles a template in the syntax of Go's text/template, of which it
// knows the field ({{.Name}}), {{if .Name}}…{{else}}…{{end}}, comments and trim
// markers. The first blank line parts headers and body; line ends may be LF or
// CRLF and are sent as CRLF. It renders samples and refuses a template that
// does not make a valid NOTIFY of each, so an error shows at start-up and not
// at the first message. name stands in errors.
func Parse(name, text string) (*Template, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if strings.ContainsAny(text, "\r\x00") {
		return nil, fmt.Errorf("%s: holds a bare CR or a NUL: use plain line ends", name)
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil, fmt.Errorf("%s: no blank line between headers and body", name)
	}
	t := new(Template)
	var err error
	if t.head, err = compile(name, head+"\r\n\r\n", 0); err != nil {
		return nil, err
	}
	if t.body, err = compile(name, body, strings.Count(head, "\n")+2); err != nil {
		return nil, err
	}
	if err := t.checkSamples(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// compile parses a part of a template that starts after the given line.
func compile(name, text string, after int) ([]segment, error) {
	// Blank lines before the part keep the line numbers in parse's own errors.
	pad := strings.Repeat("\n", after)
	trees := make(map[string]*parse.Tree)
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck // compileNode says it better
	if _, err := tree.Parse(pad+text, "", "", trees); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(trees) > 1 {
		return nil, fmt.Errorf("%s: {{define}} and {{block}} are not known here", name)
	}
	segs, err := compileList(tree, tree.Root)
	if err != nil {
		return nil, err
	}
	if len(segs) > 0 {
		segs[0].literal = strings.TrimPrefix(segs[0].literal, pad)
	}
	return segs, nil
}

func compileList(tree *parse.Tree, list *parse.ListNode) ([]segment, error) {
	if list == nil {
		return nil, nil
	}
	var segs []segment
	for _, n := range list.Nodes {
		s, err := compileNode(tree, n)
		if err != nil {
			return nil, err
		}
		segs = append(segs, s)
	}
	return segs, nil
}

func compileNode(tree *parse.Tree, n parse.Node) (s segment, err error) {
	switch n := n.(type) {
	case *parse.TextNode:
		return segment{literal: string(n.Text)}, nil
	case *parse.ActionNode:
		s.field, err = fieldOf(tree, n.Pipe)
		return s, err
	case *parse.IfNode:
		s.cond = true
		if s.field, err = fieldOf(tree, n.Pipe); err != nil {
			return s, err
		}
		if s.then, err = compileList(tree, n.List); err != nil {
			return s, err
		}
		s.or, err = compileList(tree, n.ElseList)
		return s, err
	}
	return s, nodeError(tree, n, "is not known here: use {{.Name}} and {{if .Name}}…{{end}}")
}

// fieldOf returns the field that a pipeline names, which must be all it does.
func fieldOf(tree *parse.Tree, p *parse.PipeNode) (*field, error) {
	if len(p.Decl) == 0 && len(p.Cmds) == 1 && len(p.Cmds[0].Args) == 1 {
		if f, ok := p.Cmds[0].Args[0].(*parse.FieldNode); ok && len(f.Ident) == 1 {
			for i := range fields {
				if fields[i].name == f.Ident[0] {
					return &fields[i], nil
				}
			}
			return nil, nodeError(tree, p, "is no field; there are "+fieldNames())
		}
	}
	return nil, nodeError(tree, p, "is not known here: a field is {{.Name}}, with no function or pipe")
}

func nodeError(tree *parse.Tree, n parse.Node, what string) error {
	at, node := tree.ErrorContext(n)
	return fmt.Errorf("%s: %s %s", at, node, what)
}

func fieldNames() string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = "." + fields[i].name
	}
	return strings.Join(names, " ")
}

// Append renders the request onto dst and returns it. It fails with a
// *ValueError when a value may not stand where the template puts it; dst is
// then returned as it came.
func (t *Template) Append(dst []byte, f *Fields) ([]byte, error) {
	start := len(dst)
	// The body comes first, as its length stands in the headers; it is moved
	// behind them afterwards.
	out, err := appendSegments(dst, t.body, f)
	if err != nil {
		return dst, err
	}
	n := len(out) - start
	f.contentLength = uint32(n)
	if out, err = appendSegments(out, t.head, f); err != nil {
		return dst, err
	}
	out = append(out, out[start:start+n]...)
	return append(out[:start], out[start+n:]...), nil
}

func appendSegments(dst []byte, segs []segment, f *Fields) (_ []byte, err error) {
	for i := range segs {
		s := &segs[i]
		switch {
		case s.cond && s.field.set(f):
			dst, err = appendSegments(dst, s.then, f)
		case s.cond:
			dst, err = appendSegments(dst, s.or, f)
		case s.field != nil:
			dst, err = s.field.appendTo(dst, f)
		default:
			dst = append(dst, s.literal...)
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}
