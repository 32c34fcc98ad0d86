package sipmsg

import (
	"bytes"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, kind := range allKinds {
		tmpl := mustParse(b, kind, Builtin(kind))
		whole, _ := tmpl.Append(nil, &sample)
		pieces := bytes.SplitAfter(whole, []byte(" "))
		buf := make([]byte, 0, 2048)
		b.Run(kind.String()+"/floor", func(b *testing.B) { // the same bytes, by hand
			b.ReportAllocs()
			for b.Loop() {
				buf = buf[:0]
				for _, p := range pieces {
					buf = append(buf, p...)
				}
			}
		})
		b.Run(kind.String()+"/template", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = tmpl.Append(buf[:0], &sample)
			}
		})
	}
}
