package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// carryEvery is how often a partition of a next epoch looks whether its rows
// have been carried over: pushes wait for it.
const carryEvery = 100 * time.Millisecond

// load reads the partition's snapshot. That of a next epoch is there when the
// former one has ended and its rows have been carried over.
func (w *Worker) load(ctx context.Context, p *eventlog.Partition) (*snapshot.Snapshot, error) {
	for {
		if err := w.announced(ctx, p); err != nil {
			return nil, err
		}
		snap, err := w.cfg.Load(ctx, p.Topic(), p.Number())
		if err != nil || snap.Found || eventlog.Epoch(p.Topic()) == 0 {
			return snap, err
		}
		p.Working(true) // nothing is wrong: the epoch has not begun
		select {
		case <-time.After(carryEvery):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// announced waits for the partition's epoch: a topic that was made for a later
// one costs nothing.
func (w *Worker) announced(ctx context.Context, p *eventlog.Partition) error {
	for w.cfg.Epochs != nil {
		now, changed := w.cfg.Epochs.Now()
		if now.Epoch >= eventlog.Epoch(p.Topic()) {
			return nil
		}
		p.Working(true)
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// leave: when the next epoch is announced, what devices say goes there, and this
// worker does not read it. It closes nobody for that.
func (o *owner) leave() {
	if o.w.cfg.Epochs == nil {
		return
	}
	if now, _ := o.w.cfg.Epochs.Now(); now.Epoch > eventlog.Epoch(o.p.Topic()) {
		o.core.Grace(o.clock.now())
	}
}

// in makes the topic the one for decisions.
func (o *outbox) in(topic string) *outbox {
	o.topic = topic
	return o
}

// sweeping is what has been read behind a seal and not appended again.
type sweeping struct {
	entries []eventlog.Entry
	next    int64
}

// sweepAnew sweeps a partition that was sealed before it was assigned here. The
// repeats among what stands behind the seal are told by the serials as of the
// seal, so it reads on from there; what the group has stored was appended.
func (w *Worker) sweepAnew(ctx context.Context, p *eventlog.Partition, snap *snapshot.Snapshot) error {
	if err := notBeyond(ctx, p, snap.Next); err != nil {
		return err
	}
	from, _, err := p.Committed(ctx)
	if err != nil {
		return fmt.Errorf("sweep the sealed partition %d: %w", p.Number(), err)
	}
	if err := p.Start(snap.Next, snap.Serials); err != nil {
		return fmt.Errorf("start the sealed partition %d: %w", p.Number(), err)
	}
	return w.sweep(ctx, p, sweeping{next: from})
}

// sweep appends to the next epoch what was appended behind the partition's seal:
// facts of those who had not heard of it. They never counted where they stand.
// Decisions are dropped: whoever owns their users now makes them anew.
//
// Each gets the same stamp from whoever sweeps: an origin that names the
// partition, and its offset as the serial. So a second worker, or the same one
// after a crash, appends repeats, which readers know as such.
func (w *Worker) sweep(ctx context.Context, p *eventlog.Partition, s sweeping) error {
	p.Working(true)
	w.log.Info("the partition is sealed: sweeping what is behind", "topic", p.Topic(), "partition", p.Number())
	swept := s.next
	for {
		if err := w.sayAgain(ctx, p, s.entries); err != nil {
			return err
		}
		if len(s.entries) > 0 {
			if err := p.Commit(ctx, s.next, ""); err != nil {
				return fmt.Errorf("store what was swept: %w", err)
			}
		}
		select {
		case b := <-p.Batches():
			s = sweeping{b.Entries, b.Next}
			for len(s.entries) > 0 && s.entries[0].Offset < swept {
				s.entries = s.entries[1:]
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// sayAgain appends the facts among the entries and waits until they are in the
// log.
func (w *Worker) sayAgain(ctx context.Context, p *eventlog.Partition, entries []eventlog.Entry) error {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i := range entries {
		e := &entries[i]
		if k := e.Event.Kind; k < schemas.Kind_KIND_PUSHED || k >= schemas.Kind_KIND_CLAIMED {
			continue
		}
		w.log.Warn("a fact behind a seal goes on in the next epoch", "topic", p.Topic(), "partition", p.Number(), "offset", e.Offset, "kind", e.Event.Kind.Word())
		wait.Add(1)
		err := w.insist(ctx, p, again(p, e), func(_ eventlog.Appended, err error) {
			defer wait.Done()
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
		if err != nil {
			return err // a retry begins at the same place
		}
	}
	wait.Wait()
	if failed != nil {
		return fmt.Errorf("say again what is behind the seal of partition %d: %w", p.Number(), failed)
	}
	return nil
}

// insist appends, however often the partition is busy.
func (w *Worker) insist(ctx context.Context, p *eventlog.Partition, r eventlog.Record, done func(eventlog.Appended, error)) error {
	for {
		err := w.decisions.Append(r, done)
		if err == nil || !errors.Is(err, eventlog.ErrBusy) {
			return err
		}
		p.Alive()
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// again is the record for the next epoch: the bytes as they are, and a stamp
// behind that of the first append, which it overrides.
func again(p *eventlog.Partition, e *eventlog.Entry) eventlog.Record {
	epoch := eventlog.Epoch(p.Topic())
	value := append(make([]byte, 0, len(e.Value)+eventlog.StampSize), e.Value...)
	return eventlog.Record{
		Topic: eventlog.EventsOf(epoch + 1), Partition: eventlog.ByKey, Key: append([]byte(nil), e.Key...), Stamp: eventlog.NoStamp,
		Value: eventlog.AppendStamp(value, sweeper(epoch, p.Number()), uint64(e.Offset)+1),
	}
}

// sweeper is the origin of what is said again of a partition: "sealed", its
// epoch's low byte and its number. That a producer draws it is as likely as that
// two draw the same.
func sweeper(epoch uint16, partition int32) uint64 {
	var b [8]byte
	copy(b[:], "seal")
	binary.BigEndian.PutUint32(b[4:], uint32(epoch)<<20|uint32(partition))
	return binary.BigEndian.Uint64(b[:])
}
