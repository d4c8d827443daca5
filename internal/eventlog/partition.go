package eventlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PartitionFunc serves one partition, on a goroutine of its own, for as long as
// it is assigned. It loads its state, calls Start, and takes batches until ctx
// ends: its cause is ErrLost when the partition is taken away or the reader
// stops. The rebalance waits for it to return, GroupConfig.RevokeWait at most.
//
// An error is logged and the function is called again, after a pause that
// grows. nil before ctx has ended is final: the partition is not served again
// under this assignment.
type PartitionFunc func(ctx context.Context, p *Partition) error

// Where to Start without an offset.
const (
	FromStart int64 = -2 // the oldest record that is retained; never a jump
	FromEnd   int64 = -1 // behind the newest record as of now
)

// Partition is one call of a PartitionFunc. Its methods belong to that
// function, except those marked for any goroutine.
type Partition struct {
	// Fixed.
	topic  string
	number int32
	ctx    context.Context // ends with ErrLost
	r      *reader
	tenure *tenure // nil when assigned by hand

	batches chan Batch    // unbuffered; sent by the decoder, never closed
	wake    chan struct{} // one place: there is something in the queue
	decoded chan struct{} // closed when the decoder has ended; nil before Start

	// Safe for any goroutine.
	jumped atomic.Bool
	next   atomic.Int64 // offset after the last batch that was taken
	end    atomic.Int64 // as the last fetch knew it
	alive  atomic.Int64 // Unix nanoseconds of the last Alive

	// Between the poll loop, which fills, and the decoder, which empties.
	mu     sync.Mutex
	queue  []fetched
	queued int  // records in it
	weight int  // bytes of them
	paused bool // the client fetches nothing more of it
	reset  bool // the offset is out of the log: find another
}

// fetched is what one poll brought of one partition.
type fetched struct {
	records []*kgo.Record
	came    time.Time
	bytes   int // of keys and values; offer counts them
}

// weight is the bytes of the records' keys and values.
func weight(records []*kgo.Record) (n int) {
	for _, r := range records {
		n += len(r.Key) + len(r.Value)
	}
	return n
}

// Topic that the partition belongs to.
func (p *Partition) Topic() string { return p.topic }

// Number of the partition.
func (p *Partition) Number() int32 { return p.number }

// Start says where to read from, once, and what had been read: repeats are told
// by a copy of serials (nil = none yet); Serials.Apply brings the caller's own
// up to date with each batch. Start waits until the brokers have said what the
// log holds. An offset that it does not hold, older or beyond its end, means
// its oldest record, and Jumped.
func (p *Partition) Start(offset int64, serials *Serials) error {
	if p.decoded != nil {
		return fmt.Errorf("start %s/%d: %w", p.topic, p.number, ErrStarted)
	}
	if serials == nil {
		serials = new(Serials)
	}
	n, err := retry(p.ctx, p.r.log, p.topic, func(ctx context.Context) (int32, error) { return p.r.log.Partitions(ctx, p.topic) })
	if err != nil {
		return fmt.Errorf("start %s/%d: %w", p.topic, p.number, err)
	}
	if err := p.place(offset); err != nil {
		return fmt.Errorf("start %s/%d: %w", p.topic, p.number, err)
	}
	d := newDecoder(p, n, serials.Clone())
	p.decoded = make(chan struct{})
	p.alive.Store(time.Now().UnixNano())
	go d.run()
	return nil
}

// place finds the offset in the log and fetches from there.
func (p *Partition) place(offset int64) error {
	at, err := retry(p.ctx, p.r.log, p.topic, func(ctx context.Context) (span, error) { return p.r.log.span(ctx, p.topic, p.number) })
	if err != nil {
		return err
	}
	from := at.place(offset)
	if offset >= 0 && from != offset {
		p.jumped.Store(true)
		p.r.log.cfg.Log.Warn("the log does not hold the offset: reading from its oldest record",
			"topic", p.topic, "partition", p.number, "offset", offset, "oldest", at.start, "end", at.end)
	}
	p.next.Store(from)
	p.end.Store(at.end)
	p.r.fetch(p, from)
	return nil
}

// Jumped says that records were missed: the log does not hold the offset that
// was asked for, or retention overtook the reader. It stays true.
func (p *Partition) Jumped() bool { return p.jumped.Load() }

// Offset after the last batch that was handed out, or a moment earlier; before
// the first one, where reading began: who must know exactly, looks at Batch.Next.
// For any goroutine.
func (p *Partition) Offset() int64 { return p.next.Load() }

// Next waits for the next batch. Its error is ctx's cause, or ErrLost.
func (p *Partition) Next(ctx context.Context) (Batch, error) {
	select {
	case b := <-p.batches:
		return b, nil
	case <-ctx.Done():
		return Batch{}, context.Cause(ctx)
	case <-p.ctx.Done():
		return Batch{}, context.Cause(p.ctx)
	}
}

// Batches is the channel that Next receives from, for those who wait for other
// things as well. It is never closed: select on the context too.
func (p *Partition) Batches() <-chan Batch { return p.batches }

// Alive tells the watchdog that the function is not stuck though a batch waits:
// for loops that try again while something else is away. For any goroutine.
func (p *Partition) Alive() { p.alive.Store(time.Now().UnixNano()) }

// End asks for the offset behind the newest record, now.
func (p *Partition) End(ctx context.Context) (int64, error) {
	if err := p.r.log.cfg.Faults.refusal(p.topic, p.number); err != nil {
		return 0, fmt.Errorf("ask for the end of %s/%d: %w", p.topic, p.number, err)
	}
	at, err := p.r.log.span(ctx, p.topic, p.number)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of %s/%d: %w", p.topic, p.number, err)
	}
	return at.end, nil
}

// A partition's queue holds at most so many records and bytes, and what one more
// fetch brings; then only this partition is paused until half of them are taken.
const (
	pauseAt    = 20_000
	resumeAt   = pauseAt / 2
	pauseBytes = 16 << 20
)

// offer puts what was fetched into the queue. The poll loop calls it.
func (p *Partition) offer(f fetched, end int64) {
	f.bytes = weight(f.records)
	p.mu.Lock()
	p.end.Store(end)
	p.queue = append(p.queue, f)
	p.queued += len(f.records)
	p.weight += f.bytes
	pause := (p.queued >= pauseAt || p.weight >= pauseBytes) && !p.paused
	p.paused = p.paused || pause
	p.mu.Unlock()
	if pause {
		p.r.pause(p)
	}
	p.signal()
}

// signal wakes the decoder.
func (p *Partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default: // it has been signalled already
	}
}

// take empties the queue's head, up to most records. The decoder calls it.
func (p *Partition) take(most int) (got []fetched, reset bool) {
	p.mu.Lock()
	for len(p.queue) > 0 && most > 0 {
		f := p.cut(most)
		most -= len(f.records)
		p.queued -= len(f.records)
		p.weight -= f.bytes
		got = append(got, f)
	}
	reset = p.reset && len(p.queue) == 0 && len(got) == 0
	p.reset = p.reset && !reset
	resume := p.paused && p.queued <= resumeAt && p.weight <= pauseBytes/2
	p.paused = p.paused && !resume
	p.mu.Unlock()
	if resume {
		p.r.resume(p)
	}
	return got, reset
}

// cut takes what was fetched first out of the queue, or its first records when
// they are more than most. The caller holds the lock.
func (p *Partition) cut(most int) fetched {
	f := p.queue[0]
	if len(f.records) <= most {
		p.queue[0] = fetched{} // for the garbage collector
		p.queue = p.queue[1:]
		return f
	}
	head := fetched{f.records[:most], f.came, weight(f.records[:most])}
	p.queue[0] = fetched{f.records[most:], f.came, f.bytes - head.bytes}
	return head
}

// lost tells the decoder that the offset is not in the log any more.
func (p *Partition) lost() {
	p.mu.Lock()
	p.reset = true
	p.mu.Unlock()
	p.signal()
}

// stop ends fetching and waits for the decoder, whose context has ended.
func (p *Partition) stop() {
	p.r.unfetch(p)
	if p.decoded != nil {
		<-p.decoded
	}
}
