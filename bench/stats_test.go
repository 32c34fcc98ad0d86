//go:build linux

package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// sample is one figure, measured several times.
type sample []float64

func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// text is the median.
func (s sample) text(format string) string { return fmt.Sprintf(format, s.median()) }

// spread is the least and the most.
func (s sample) spread(format string) string {
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf(format+" to "+format, slices.Min(s), slices.Max(s))
}

// by is ours by floor's, run by run.
func (s sample) by(floor sample) (ratios sample) {
	for i := range s {
		ratios = append(ratios, s[i]/floor[i])
	}
	return ratios
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func TestSample(t *testing.T) {
	s := sample{5, 1, 4, 2}
	if got := fmt.Sprint(s.median(), s.quantile(0.99), s.by(sample{5, 2, 2, 2})) + s.spread(", %.0f"); got != "3 5 [1 0.5 2 1], 1 to , 5" {
		t.Error(got)
	}
	if got := fmt.Sprint(sample{3, 9, 4}.median()); got != "4" {
		t.Error(got)
	}
}
