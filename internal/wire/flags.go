package wire

import (
	"fmt"
	"strings"
)

// Flags are the bits of a header. A bit that means nothing on a frame's kind
// is ignored; a bit outside [KnownFlags] is an error.
type Flags uint16

// The flags.
const (
	FlagCompressed Flags = 1 << 0 // the body, not the prefix, is one zstd frame
	FlagAgain      Flags = 1 << 1 // push: it was sent to this device before
	FlagOneWay     Flags = 1 << 2 // request: answered by an ack as soon as it is in the log

	// KnownFlags is what an error about flags names as supported.
	KnownFlags = FlagCompressed | FlagAgain | FlagOneWay
)

// Has says that every bit of g is set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// String joins the flags' words with "+"; unknown bits are shown in hex.
func (f Flags) String() string {
	var words []string
	for _, x := range []struct {
		bit  Flags
		word string
	}{{FlagCompressed, "compressed"}, {FlagAgain, "again"}, {FlagOneWay, "one_way"}} {
		if f.Has(x.bit) {
			words = append(words, x.word)
		}
	}
	if rest := f &^ KnownFlags; rest != 0 {
		words = append(words, fmt.Sprintf("%#x", uint16(rest)))
	}
	return strings.Join(words, "+")
}
