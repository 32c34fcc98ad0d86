package doctor

import (
	"fmt"
	"io"
)

// Print writes a finding as one line for people:
//
//	FAULT    asterisk  read=call        manager.conf has only read = user; mend: in [zonkeymwi] of ...
func Print(w io.Writer, f Finding, colour bool) {
	word, paint := "ok", "\x1b[32m"
	switch f.Level {
	case Warning:
		word, paint = "warning", "\x1b[33m"
	case Fault:
		word, paint = "FAULT", "\x1b[1;31m"
	}
	word = fmt.Sprintf("%-7s", word)
	mend := ""
	if f.Mend != "" {
		mend = "; mend: " + f.Mend
	}
	if colour {
		word = paint + word + "\x1b[0m"
	}
	fmt.Fprintf(w, "%s  %-8s  %-15s  %s%s\n", word, f.Area, f.Check, f.Detail, mend)
}
