//go:build linux

package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
)

// The plot's measures, in pixels: a panel for each curve, side by side.
const (
	panelWidth, panelHeight = 310, 270
	left, right             = 50, 20 // margins inside a panel
	top, bottom             = 50, 50
)

// plot draws the processor time of a NOTIFY over the curves' points.
func plot(curves []curve) string {
	most := 1.0
	for _, c := range curves {
		for _, p := range c.points {
			most = max(most, p.together())
		}
	}
	step := niceStep(most)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n",
		panelWidth*len(curves), panelHeight+30)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, c := range curves {
		drawPanel(&b, c, i*panelWidth, step)
	}
	legend(&b, panelHeight+15)
	b.WriteString("</svg>\n")
	return b.String()
}

// niceStep is the distance of at most five lines that reach over most.
func niceStep(most float64) float64 {
	for step := 1.0; ; step *= 10 {
		for _, s := range []float64{1, 2, 5} {
			if most <= 5*s*step {
				return s * step
			}
		}
	}
}

func drawPanel(b *strings.Builder, c curve, x0 int, step float64) {
	bottomY := panelHeight - bottom
	y := func(v float64) float64 { return float64(bottomY) - v/(5*step)*float64(bottomY-top) }
	x := func(i int) int { return x0 + left + 15 + i*(panelWidth-left-right-30)/max(1, len(c.points)-1) }
	fmt.Fprintf(b, `<text x="%d" y="20" font-weight="bold">µs of processor time a NOTIFY</text>`+"\n", x0+left)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x0+(left+panelWidth-right)/2, panelHeight-12, c.name)
	for v := 0.0; v <= 5*step; v += step {
		fmt.Fprintf(b, `<path d="M%d %.0fH%d" stroke="#ddd"/><text x="%d" y="%.0f" text-anchor="end">%.0f</text>`+"\n",
			x0+left, y(v), x0+panelWidth-right, x0+left-6, y(v)+4, v)
	}
	var program, together []string
	for i, p := range c.points {
		program = append(program, fmt.Sprintf("%d,%.1f", x(i), y(p.program.median())))
		together = append(together, fmt.Sprintf("%d,%.1f", x(i), y(p.together())))
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x(i), bottomY+16, short(p.at))
	}
	drawLine(b, program, "#0b5394", "")
	drawLine(b, together, "#b45f06", "5 3")
}

func drawLine(b *strings.Builder, points []string, colour, dashes string) {
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", strings.Join(points, " "), colour, dashes)
	for _, p := range points {
		x, y, _ := strings.Cut(p, ",")
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="3" fill="%s"/>`+"\n", x, y, colour)
	}
}

func legend(b *strings.Builder, y int) {
	for i, l := range []struct{ text, colour, dashes string }{{"zonkeymwi", "#0b5394", ""}, {"zonkeymwi and PostgreSQL", "#b45f06", "5 3"}} {
		x := left + i*150
		fmt.Fprintf(b, `<path d="M%d %dh25" stroke="%s" stroke-width="2" stroke-dasharray="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			x, y, l.colour, l.dashes, x+32, y+4, l.text)
	}
}

// short is 100k for 100000.
func short(n int) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprint(n)
}

func TestPlotIsXML(t *testing.T) {
	points := []point{{1, sample{1}, sample{30}, sample{12}}, {1000, sample{1}, sample{31}, sample{12}}}
	text := plot([]curve{{"dialogs", points}, {"none", nil}})
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, ">1k<") || !strings.Contains(text, ">dialogs<") {
		t.Error(text)
	}
}
