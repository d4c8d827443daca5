// Command waybill is every stage, the embedded engines and the tools in one
// binary. `waybill --help` lists them; `waybill dev` is where to begin.
package main

import (
	"os"

	"waybill/internal/engine"
)

func main() {
	engine.ChildMain()
	end(run(os.Args[1:]))
}
