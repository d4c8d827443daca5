package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// part is one partition, as one appender sees it: the serial, and what was
// accepted and has not ended.
type part struct {
	// Fixed.
	a      *Appender
	topic  string
	number int32
	epoch  uint16

	// mu is held while a record is handed over, so that the order of the serials
	// is the order in the log. It guards what follows.
	mu      sync.Mutex
	closed  bool
	retired bool     // its epoch is over: nothing more is accepted
	shut    bool     // its epoch has not begun: what is accepted is held
	serial  uint64   // of the newest record that was accepted
	records int      // accepted and not ended
	bytes   int      // of them
	burst   burst    // ended, and the instruments not told yet
	oldest  *pending // head of the queue of those that have not ended
	newest  *pending // its tail
	held    *pending // the first one that is kept from the client: by the fault seam, or while shut
	pumping bool     // a goroutine hands over what is held
}

// pending is one record between Append and its end. It is used again: the
// client has let go of its record when it calls finish.
type pending struct {
	part *part
	rec  kgo.Record
	done func(Appended, error) // the caller's; may be nil
	at   time.Time             // of its acceptance
	size int                   // what it counts against the partition's bytes
	next *pending
	wake []chan struct{} // closed when it and all older ones have ended
	// ended: its place is free. dropped: done has returned.
	ended, dropped bool
	finish         func(*kgo.Record, error) // bound once, so that no append allocates it
}

func newPending() *pending {
	p := new(pending)
	p.finish = func(_ *kgo.Record, err error) { p.part.end(p, err) }
	return p
}

// maxRecord is what fits into a batch of the brokers' default size (1,000,012
// bytes), less the batch's own head and a record's lengths.
const maxRecord = 1_000_012 - 512

// add is Append for this partition, with an unused pending, which is the
// partition's unless it refuses. Everything from the bound to the client happens
// under the lock.
func (p *part) add(r *Record, q *pending, done func(Appended, error)) (refusal, error) {
	size := sizeOf(r)
	if size > maxRecord {
		return refusedTooLarge, fmt.Errorf("append to %s: %w: %d bytes, at most %d", r.Topic, ErrTooLarge, size, maxRecord)
	}
	if err := p.a.log.cfg.Faults.refusal(p.topic, p.number); err != nil {
		return refusedFault, fmt.Errorf("append to %s/%d: %w: %w", p.topic, p.number, ErrBusy, err)
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if reason := p.refuse(size, now); reason != "" {
		return reason, reason.err(p)
	}
	p.serial++
	q.fill(p, r, done)
	q.at, q.size = now, size
	p.push(q)
	p.handOver(q)
	return "", nil
}

// refuse says why a record of that size has no place now. The caller holds the
// lock.
func (p *part) refuse(size int, now time.Time) refusal {
	switch {
	case p.closed:
		return refusedClosed
	case p.retired:
		return refusedRetired
	case p.records >= p.a.cfg.MaxPerPartition:
		return refusedFull
	case p.bytes+size > p.a.cfg.MaxBytesPerPartition:
		return refusedBytes
	case p.oldest != nil && !p.oldest.ended && now.Sub(p.oldest.at) > p.a.cfg.Deadline:
		return refusedFailing
	}
	return ""
}

// sizeOf is what a record takes, the stamp included.
func sizeOf(r *Record) int {
	n := len(r.Key) + len(r.Value) + StampSize
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// fill makes the client's record. The caller holds the lock of the partition.
func (q *pending) fill(p *part, r *Record, done func(Appended, error)) {
	q.part, q.done = p, done
	q.rec.Topic, q.rec.Partition = p.topic, p.number
	q.rec.Key, q.rec.Value = r.Key, r.Value
	for _, h := range r.Headers {
		if r.Stamp == StampHeader && h.Key == StampHeaderName {
			h.Value = appendStamp(h.Value, p.a.origin, p.serial)
		}
		q.rec.Headers = append(q.rec.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	if r.Stamp == StampValue {
		q.rec.Value = appendStamp(r.Value, p.a.origin, p.serial)
	}
}

// push makes the record the newest. The caller holds the lock.
func (p *part) push(q *pending) {
	if p.newest == nil {
		p.oldest = q
	} else {
		p.newest.next = q
	}
	p.newest = q
	p.records++
	p.bytes += q.size
}

// handOver gives the record to the client, unless it or an older one is held: by
// the fault seam, or until the epoch begins. The caller holds the lock.
func (p *part) handOver(q *pending) {
	if f := p.a.log.cfg.Faults; p.held == nil && !p.shut && (f == nil || !f.touches(p.topic, p.number)) {
		p.send(q)
		return
	}
	if p.held == nil {
		p.held = q
	}
	if !p.pumping && !p.shut {
		p.pumping = true
		go p.pump()
	}
}

// send never blocks and never refuses: the client's own bounds are out of reach.
func (p *part) send(q *pending) { p.a.client.TryProduce(context.Background(), &q.rec, q.finish) }

// end is the client's promise. The client calls it for one record after the
// other, in the order of the log. The place is free before done is called, and
// who waits in Flush is woken after it.
func (p *part) end(q *pending, err error) {
	if b, over := p.release(q, err); over {
		p.a.log.metrics.ended(p.topic, b)
	}
	if q.done != nil {
		at := q.appended(err)
		if err != nil {
			err = failure(p.topic, err)
		}
		q.done(at, err)
	}
	p.drop(q)
	if f := p.a.flight; f != nil && f.end() {
		p.a.unlinger()
	}
}

// appended says where the record is, as far as the broker told.
func (q *pending) appended(err error) Appended {
	at := Appended{Topic: q.part.topic, Partition: q.part.number}
	if err == nil && q.rec.Offset >= 0 {
		at.Position = schemas.At(q.part.epoch, q.rec.Offset)
	}
	return at
}

// release frees the record's place and counts its end. It hands out the burst
// that this ends: the instruments cost more than the append, so they are told
// when the partition has nothing left on its way, or of so many at once.
func (p *part) release(q *pending, err error) (b burst, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records--
	p.bytes -= q.size
	q.ended = true
	p.burst.add(q.at, err)
	if p.records > 0 && p.burst.appended+p.burst.failed < burstMost {
		return burst{}, false
	}
	b, p.burst = p.burst, burst{}
	return b, true
}

// drop takes finished records from the queue's head. Almost always that is the
// record itself; one that never reached the client's buffer ends out of turn.
func (p *part) drop(q *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.dropped = true
	for p.oldest != nil && p.oldest.dropped {
		q := p.oldest
		if p.oldest = q.next; p.oldest == nil {
			p.newest = nil
		}
		p.a.recycle(q)
	}
}

// recycle clears the record, for the garbage collector and for its next use.
func (a *Appender) recycle(q *pending) {
	for _, wake := range q.wake {
		close(wake)
	}
	clear(q.rec.Headers)
	*q = pending{finish: q.finish, rec: kgo.Record{Headers: q.rec.Headers[:0]}}
	a.pool.Put(q)
}

// wait returns when all that is accepted now has ended.
func (p *part) wait(ctx context.Context) error {
	p.mu.Lock()
	last := p.newest
	if last == nil {
		p.mu.Unlock()
		return nil
	}
	wake := make(chan struct{})
	last.wake = append(last.wake, wake)
	p.mu.Unlock()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s/%d: %w", p.topic, p.number, context.Cause(ctx))
	}
}

// close refuses what comes from now on.
func (p *part) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// pump hands over what was held back, in order.
func (p *part) pump() {
	for q := p.nextHeld(nil); q != nil; {
		err := p.a.log.cfg.Faults.pass(p.a.client.Context(), p.topic, p.number, q.at)
		next := p.nextHeld
		if err != nil {
			next = p.failHeld
		}
		q = next(q)
	}
}

// nextHeld sends the record and returns the one after it, or nil when the pump
// is to end.
func (p *part) nextHeld(q *pending) *pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q != nil {
		p.held = q.next
		p.send(q)
	}
	p.pumping = p.held != nil
	return p.held
}

// failHeld ends a record that never reached the client before it was closed.
func (p *part) failHeld(q *pending) *pending {
	p.mu.Lock()
	p.held = q.next
	next := p.held
	p.pumping = next != nil
	p.mu.Unlock()
	p.end(q, kgo.ErrClientClosed)
	return next
}
