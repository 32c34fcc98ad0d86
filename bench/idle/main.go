// Command idle is a process with the program's libraries that does nothing: the
// floor of its resident memory.
package main

import (
	"io"
	"os"

	_ "zonkeymwi/admin"
	_ "zonkeymwi/bridge"
	_ "zonkeymwi/config"
	_ "zonkeymwi/doctor"
	_ "zonkeymwi/sim"
)

func main() { _, _ = io.Copy(io.Discard, os.Stdin) }
