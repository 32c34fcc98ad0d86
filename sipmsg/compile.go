package sipmsg

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// A compiler makes segments of a template's text.
type compiler struct {
	name   string // in errors
	kind   Kind
	fields []field // that the kind knows
	tree   *parse.Tree
}

// compile parses a part of a template that starts after the given line.
func (c *compiler) compile(text string, after int) ([]segment, error) {
	// Blank lines before the part keep the line numbers in parse's own errors.
	pad := strings.Repeat("\n", after)
	trees := make(map[string]*parse.Tree)
	c.tree = parse.New(c.name)
	c.tree.Mode = parse.SkipFuncCheck // node says it better
	if _, err := c.tree.Parse(pad+text, "", "", trees); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if len(trees) > 1 {
		return nil, fmt.Errorf("%s: {{define}} and {{block}} are not known here", c.name)
	}
	segs, err := c.list(c.tree.Root)
	if err != nil {
		return nil, err
	}
	if len(segs) > 0 {
		segs[0].literal = strings.TrimPrefix(segs[0].literal, pad)
	}
	return segs, nil
}

func (c *compiler) list(list *parse.ListNode) ([]segment, error) {
	if list == nil {
		return nil, nil
	}
	var segs []segment
	var literal string // before the next
	for _, n := range list.Nodes {
		if text, ok := n.(*parse.TextNode); ok {
			literal += string(text.Text)
			continue
		}
		s, err := c.node(n)
		if err != nil {
			return nil, err
		}
		s.literal, literal = literal, ""
		segs = append(segs, s)
	}
	if literal != "" {
		segs = append(segs, segment{literal: literal})
	}
	return segs, nil
}

func (c *compiler) node(n parse.Node) (s segment, err error) {
	switch n := n.(type) {
	case *parse.ActionNode:
		s.field, err = c.field(n.Pipe)
		return s, err
	case *parse.IfNode:
		s.cond = true
		if s.field, err = c.field(n.Pipe); err != nil {
			return s, err
		}
		if s.then, err = c.list(n.List); err != nil {
			return s, err
		}
		s.or, err = c.list(n.ElseList)
		return s, err
	}
	return s, c.error(n, "is not known here: use {{.Name}} and {{if .Name}}…{{end}}")
}

// field returns the field that a pipeline names, which must be all it does.
func (c *compiler) field(p *parse.PipeNode) (*field, error) {
	if len(p.Decl) == 0 && len(p.Cmds) == 1 && len(p.Cmds[0].Args) == 1 {
		if f, ok := p.Cmds[0].Args[0].(*parse.FieldNode); ok && len(f.Ident) == 1 {
			return c.named(p, f.Ident[0])
		}
	}
	return nil, c.error(p, "is not known here: a field is {{.Name}}, with no function or pipe")
}

func (c *compiler) named(p *parse.PipeNode, name string) (*field, error) {
	called := func(d field) bool { return d.name == name }
	if i := slices.IndexFunc(c.fields, called); i >= 0 {
		return &c.fields[i], nil
	}
	var why string
	if slices.ContainsFunc(fields, called) {
		why = ": no " + c.kind.String() + " has it"
	}
	var names []string
	for _, d := range c.fields {
		names = append(names, "."+d.name)
	}
	return nil, c.error(p, "is no field"+why+"; there are "+strings.Join(names, " "))
}

func (c *compiler) error(n parse.Node, what string) error {
	at, node := c.tree.ErrorContext(n)
	return fmt.Errorf("%s: %s %s", at, node, what)
}
