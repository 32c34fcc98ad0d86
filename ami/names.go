package ami

import "strings"

// nameBlock is how much is allocated for names at a time, in bytes. A name that is kept keeps its whole
// block in memory, so that is small.
const nameBlock = 512

// names copies mailboxes' names out of the read buffer, some twenty into one allocation: an allocation for
// each costs as much as parsing the event.
type names struct{ block strings.Builder }

func (n *names) copy(name []byte) string {
	if n.block.Cap()-n.block.Len() < len(name) {
		n.block.Reset() // what it held stays with the names
		n.block.Grow(max(nameBlock, len(name)))
	}
	at := n.block.Len()
	n.block.Write(name)
	return n.block.String()[at:]
}
