package eventlog

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recordPool lends the client the memory in which it hands out records. The
// decoder gives every record back (kgo.Record.Recycle) as soon as it has made
// an entry of it; one that is fetched and never decoded is left to the garbage
// collector with its neighbours.
type recordPool struct{ free sync.Pool }

// smallestLoan keeps the pool from filling with memory that fits nobody.
const smallestLoan = 64

// GetRecords has room for n records.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	if s, ok := p.free.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, max(n, smallestLoan))
}

// PutRecords takes the memory back; each of its records has been zeroed.
func (p *recordPool) PutRecords(s []kgo.Record) { p.free.Put(&s) }
