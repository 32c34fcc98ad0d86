package sim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Lamp is what a phone shows. Known is false until a NOTIFY said anything; counts are those of Voice-Message.
type Lamp struct {
	Known, On bool
	New, Old  int
}

// parseSummary reads a message-summary body as strictly as RFC 3842 5.2 is written: Messages-Waiting first, CRLF after
// every line.
func parseSummary(body string) (Lamp, error) {
	lines := strings.Split(body, "\r\n")
	if lines[len(lines)-1] != "" {
		return Lamp{}, errors.New("the last line has no CRLF")
	}
	lamp := Lamp{Known: true}
	switch lines[0] {
	case "Messages-Waiting: yes":
		lamp.On = true
	case "Messages-Waiting: no":
	default:
		return Lamp{}, fmt.Errorf("the first line is %q, not Messages-Waiting: yes or no", lines[0])
	}
	for _, line := range lines[1 : len(lines)-1] {
		if strings.ContainsAny(line, "\r\n") || !strings.Contains(line, ":") {
			return Lamp{}, fmt.Errorf("line %q is not a header", line)
		}
		if v, ok := strings.CutPrefix(line, "Voice-Message: "); ok {
			if err := parseCounts(v, &lamp); err != nil {
				return Lamp{}, err
			}
		}
	}
	return lamp, nil
}

// parseCounts reads `new/old` or `new/old (urgentnew/urgentold)`.
func parseCounts(v string, lamp *Lamp) error {
	counts, urgent, hasUrgent := strings.Cut(v, " ")
	var err error
	if lamp.New, lamp.Old, err = pair(counts); err != nil {
		return fmt.Errorf("Voice-Message %q: %w", v, err)
	}
	if hasUrgent {
		if !strings.HasPrefix(urgent, "(") || !strings.HasSuffix(urgent, ")") {
			return fmt.Errorf("Voice-Message %q: urgent counts want brackets", v)
		}
		if _, _, err = pair(urgent[1 : len(urgent)-1]); err != nil {
			return fmt.Errorf("Voice-Message %q: %w", v, err)
		}
	}
	return nil
}

func pair(s string) (a, b int, err error) {
	x, y, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, fmt.Errorf("%q is not new/old", s)
	}
	m, err := strconv.ParseUint(x, 10, 32)
	if err != nil {
		return 0, 0, err
	}
	n, err := strconv.ParseUint(y, 10, 32)
	return int(m), int(n), err
}
