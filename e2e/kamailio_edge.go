//go:build linux

package e2e

import "testing"

// StartEdge starts an edge proxy of k, which phones take for their own: it stays on the way of their dialogs by
// Record-Route. It ends with t.
func StartEdge(t testing.TB, k *Kamailio) *Kamailio {
	t.Helper()
	needKamailio(t)
	edge := &Kamailio{port: freePort(t), dir: workDir(t, ""), edgeOf: k, t: t}
	edge.copyIn("kamailio.cfg", "testdata", "edge.cfg")
	logOnFailure(t, edge.path("kamailio.log"))
	edge.Start()
	t.Cleanup(edge.Stop)
	return edge
}
