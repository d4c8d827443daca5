// Command waybill is every stage, the embedded engines and the tools in one
// binary. `waybill --help` lists them; `waybill dev` is where to begin.
package main

import (
	"fmt"
	"os"

	"waybill/internal/engine"
)

func main() {
	engine.ChildMain()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "waybill: %v\n", err)
		os.Exit(1)
	}
}
