package eventlog

import (
	"time"

	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// decoder makes batches of what was fetched, one ahead of the PartitionFunc.
// All of it belongs to its goroutine.
type decoder struct {
	p       *Partition
	content content
	epoch   uint16
	serials *Serials

	hash  kgo.TopicPartitioner // nil: keys are not checked
	count int
	probe kgo.Record // for the hash

	slabs [2]slab // of batches by turns, where the reader reuses them
	turn  int     // the slab of the batch that is made next

	bad int // records that could not be decoded, since the start
}

func newDecoder(p *Partition, partitions int32, serials *Serials) *decoder {
	d := &decoder{p: p, content: contentOf(p.topic), epoch: Epoch(p.topic), serials: serials, count: int(partitions)}
	if keyed(p.topic) && partitions > 1 {
		d.hash = keyHash(p.topic)
	}
	return d
}

// maxBatch is how many records a batch has at most: few enough for its memory,
// 0.6 KB for each, to stay in a core's cache from here to the reader.
const maxBatch = 1_000

// run makes batches until the partition's context ends.
func (d *decoder) run() {
	defer close(d.p.decoded)
	for {
		got, reset := d.p.take(maxBatch)
		switch {
		case reset:
			if d.p.place(d.p.next.Load()) != nil {
				return // only when the context has ended
			}
		case len(got) > 0:
			if !d.yield(got) {
				return
			}
		default:
			select {
			case <-d.p.wake:
			case <-d.p.ctx.Done():
				return
			}
		}
	}
}

// yield hands a batch over; false when the context has ended.
func (d *decoder) yield(got []fetched) bool {
	for _, f := range got {
		if d.p.r.log.cfg.Faults.pass(d.p.ctx, d.p.topic, d.p.number, f.came) != nil {
			return false
		}
	}
	b := d.decode(got)
	d.p.r.log.metrics.batch(d.p.topic, &b)
	if !d.send(b) {
		return false
	}
	d.p.next.Store(b.Next)
	return true
}

// send waits for the PartitionFunc and watches it.
func (d *decoder) send(b Batch) bool {
	waiting := time.Now()
	timer := time.NewTimer(d.p.r.log.cfg.Stuck)
	defer timer.Stop()
	for {
		select {
		case d.p.batches <- b:
			return true
		case <-d.p.ctx.Done():
			return false
		case now := <-timer.C:
			since := max(waiting.UnixNano(), d.p.alive.Load())
			left := d.p.r.log.cfg.Stuck - time.Duration(now.UnixNano()-since)
			if left <= 0 {
				d.p.r.log.stuck(d.p, now.Sub(waiting))
				left = forEver // once
			}
			timer.Reset(left)
		}
	}
}

// decode makes one batch and gives the client its records back.
func (d *decoder) decode(got []fetched) Batch {
	s := d.slab(count(got))
	b := Batch{}
	n := 0
	for _, f := range got {
		for _, r := range f.records {
			d.record(r, s, n, &b)
			r.Recycle() // what the entry refers to is not the record's
			n++
		}
	}
	b.Entries = s.entries
	b.Time = d.serials.Time()
	b.Jumped = d.p.jumped.Load()
	return b
}

// count the records.
func count(got []fetched) (n int) {
	for _, f := range got {
		n += len(f.records)
	}
	return n
}

// slab is the memory of one batch: its events or commands lie in one piece. Each
// record has a message of its own, also one that is left out: decoding adds to
// what it finds.
type slab struct {
	entries  []Entry
	events   []schemas.Event
	commands []schemas.Command
}

// slab has room for n records. With Fetch.Reuse it is the one of the batch
// before the last: that batch is over, since the last one has been received.
func (d *decoder) slab(n int) *slab {
	s := new(slab)
	if d.p.r.reuse {
		s = &d.slabs[d.turn]
		d.turn = 1 - d.turn
	}
	s.entries = zeroed(s.entries, n)[:0]
	switch d.content {
	case eventContent, uplinkContent:
		s.events = zeroed(s.events, n)
	case commandContent:
		s.commands = zeroed(s.commands, n)
	}
	return s
}

// zeroed is n zero elements, in the same memory if they fit.
func zeroed[T any](s []T, n int) []T {
	clear(s) // also what the last use held alive
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// record adds the nth record to the batch, or counts why not.
func (d *decoder) record(r *kgo.Record, s *slab, n int, b *Batch) {
	b.Next = r.Offset + 1
	e := Entry{
		Position: schemas.At(d.epoch, r.Offset),
		Offset:   r.Offset,
		Time:     r.Timestamp.UnixMicro(),
		Key:      r.Key,
		Value:    r.Value,
	}
	st, err := d.message(r, &e, s, n)
	switch {
	case err != nil:
		b.Undecodable++
		d.undecodable(r, err)
	case !d.placed(r, &e):
		b.Misplaced++
		d.p.r.log.cfg.Log.Warn("a record's key does not belong into its partition: left out",
			"topic", d.p.topic, "partition", d.p.number, "offset", r.Offset)
	case !d.serials.Fresh(st.origin, st.serial, e.Time):
		b.Repeats++
	default:
		b.mark(st, d.serials)
		s.entries = append(s.entries, e)
	}
}

// stamped is what the appender added to a message.
type stamped struct{ origin, serial uint64 }

// message decodes what the topic holds. The result shares the record's memory.
func (d *decoder) message(r *kgo.Record, e *Entry, s *slab, n int) (stamped, error) {
	switch d.content {
	case commandContent:
		e.Command = &s.commands[n]
		err := unmarshal(e.Command, r.Value)
		return stamped{e.Command.Origin, e.Command.Serial}, err
	case eventContent:
		if len(r.Value) == 0 && d.p.topic == ControlTopic {
			return stamped{}, nil // takes the record of its key back
		}
		e.Event = &s.events[n]
		err := unmarshal(e.Event, r.Value)
		return stamped{e.Event.Origin, e.Event.Serial}, err
	case uplinkContent:
		e.Headers = headers(r)
		e.Event = &s.events[n]
		err := unmarshal(e.Event, headerValue(e.Headers))
		return stamped{e.Event.Origin, e.Event.Serial}, err
	}
	e.Headers = headers(r)
	return stamped{}, nil
}

// placed is the key check. A worker's claim and the seal of an epoch are
// appended to a partition by its number.
func (d *decoder) placed(r *kgo.Record, e *Entry) bool {
	if d.hash == nil {
		return true
	}
	if e.Event != nil && (e.Event.Kind == schemas.Kind_KIND_CLAIMED || e.Event.Kind == schemas.Kind_KIND_SEALED) {
		return true
	}
	d.probe.Key = r.Key
	return r.Key != nil && d.hash.Partition(&d.probe, d.count) == int(d.p.number)
}

// undecodable logs the first such record and then each power of two.
func (d *decoder) undecodable(r *kgo.Record, err error) {
	if d.bad++; d.bad&(d.bad-1) != 0 {
		return
	}
	d.p.r.log.cfg.Log.Error("a record cannot be decoded: left out",
		"topic", d.p.topic, "partition", d.p.number, "offset", r.Offset, "so_far", d.bad, "err", err)
}
