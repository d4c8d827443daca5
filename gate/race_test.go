//go:build race

package gate

// raced says that the race detector runs: it makes pools forget on purpose.
const raced = true
