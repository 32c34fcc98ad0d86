package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// page is a Markdown file.
type page struct {
	path string // from the root
	text string
}

// split parts what is written from what is typed: fenced and indented code.
func (p page) split() (prose, code string) {
	var written, typed strings.Builder
	fenced := false
	for line := range strings.Lines(p.text) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			typed.WriteString(strings.TrimLeft(line, " "))
		default:
			written.WriteString(line)
		}
	}
	return written.String(), typed.String()
}

var span = regexp.MustCompile("`([^`]+)`")

// spans are the pieces of code within the prose.
func (p page) spans() (spans []string) {
	prose, _ := p.split()
	for _, m := range span.FindAllStringSubmatch(prose, -1) {
		spans = append(spans, strings.Join(strings.Fields(m[1]), " "))
	}
	return spans
}

// code is all pieces of code, line by line.
func (p page) code() []string {
	_, code := p.split()
	return append(p.spans(), strings.Split(code, "\n")...)
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links are the targets of the page's links.
func (p page) links() (targets []string) {
	prose, _ := p.split()
	for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(prose, ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// anchors are the names that the page's headings get.
func (p page) anchors() map[string]bool {
	anchors := map[string]bool{}
	prose, _ := p.split()
	for line := range strings.Lines(prose) {
		marks, title, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.Trim(marks, "#") != "" {
			continue
		}
		name := slug(title)
		for n := 1; anchors[name]; n++ {
			name = fmt.Sprintf("%s-%d", slug(title), n)
		}
		anchors[name] = true
	}
	return anchors
}

// slug is GitHub's anchor of a heading.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
