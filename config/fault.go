package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// place is where a setting was given: a line of the file, or a variable.
type place struct {
	file     string
	line     int    // from 1; 0 when there is no such line
	key      string // "" for a fault of the whole line
	variable string
}

func (p place) String() string {
	if p.variable != "" {
		return p.variable
	}
	s := p.file
	if p.line > 0 {
		s = fmt.Sprintf("%s:%d", p.file, p.line)
	}
	if p.key != "" {
		s += ": " + p.key
	}
	return s
}

// name is the setting at p, for an error elsewhere.
func (p place) name() string { return cmp.Or(p.variable, p.key) }

type fault struct {
	place place
	err   error
}

// faults are the mistakes found so far.
type faults []fault

// add records a mistake at p; said goes between the place and the colon.
func (f *faults) add(p place, said string, err error) {
	*f = append(*f, fault{p, fmt.Errorf("%s%s: %w", p, said, err)})
}

// join is all of them, one a line: the file from top to bottom, what it lacks,
// then the environment.
func (f faults) join() error {
	slices.SortStableFunc(f, func(a, b fault) int {
		order := cmp.Or(
			cmp.Compare(a.place.rank(), b.place.rank()),
			cmp.Compare(a.place.line, b.place.line))
		if order == 0 && a.place.line > 0 { // tables come out of the decoder in no order
			order = cmp.Compare(a.err.Error(), b.err.Error())
		}
		return order
	})
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i].err
	}
	return errors.Join(errs...)
}

func (p place) rank() int {
	switch {
	case p.variable != "":
		return 2
	case p.line == 0:
		return 1
	}
	return 0
}
