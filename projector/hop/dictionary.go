package hop

import (
	"math"

	"github.com/ClickHouse/ch-go/proto"
)

// dictionary encodes a column of type LowCardinality(String): the different
// words, and for each row the number of its word. It is used again.
type dictionary struct {
	words []string
	keys  map[string]uint32 // of words, their numbers
	rows  []uint32

	last    string // word of the newest row: the next one has it more often than not
	lastKey uint32
}

func (d *dictionary) add(word string) {
	if len(d.rows) == 0 || word != d.last {
		key, known := d.keys[word]
		if !known {
			key = uint32(len(d.words))
			d.keys[word], d.words = key, append(d.words, word)
		}
		d.last, d.lastKey = word, key
	}
	d.rows = append(d.rows, d.lastKey)
}

// Of ClickHouse's format: its version, and what follows: the dictionary, whole,
// in the block itself. The width of the keys is added, as a power of 2.
const (
	dictionaryVersion = 1
	ownDictionary     = 1<<9 | 1<<10
)

// encode appends the column and empties the dictionary. The words may alias the
// memory of a fetch: none is kept.
func (d *dictionary) encode(b *proto.Buffer) {
	b.PutInt64(dictionaryVersion)
	width := keyWidth(len(d.words))
	b.PutInt64(ownDictionary | int64(width))
	b.PutInt64(int64(len(d.words)))
	for _, w := range d.words {
		b.PutString(w)
	}
	b.PutInt64(int64(len(d.rows)))
	for _, key := range d.rows {
		switch width {
		case 0:
			b.PutUInt8(uint8(key))
		case 1:
			b.PutUInt16(uint16(key))
		default:
			b.PutUInt32(key)
		}
	}
	clear(d.keys)
	clear(d.words)
	d.words, d.rows, d.last = d.words[:0], d.rows[:0], ""
}

// keyWidth is the power of 2 of the bytes of a key.
func keyWidth(words int) int {
	switch {
	case words <= math.MaxUint8:
		return 0
	case words <= math.MaxUint16:
		return 1
	}
	return 2
}
