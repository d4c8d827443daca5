package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"waybill/internal/e2e/bell"
	"waybill/internal/eventlog"
)

// Books are a ledger that is kept while the log grows; they ring after each
// batch.
type Books struct {
	bell.Bell

	mu     sync.Mutex
	ledger *Ledger
}

// NewBooks are empty.
func NewBooks() *Books { return &Books{ledger: New()} }

// Keep follows the log until ctx ends.
func (b *Books) Keep(ctx context.Context, log *eventlog.Log) error {
	return log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.EventsTopic, Serve: b.Read})
}

// Read is the PartitionFunc of the books.
func (b *Books) Read(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for {
		batch, err := p.Next(ctx)
		if err != nil {
			return nil // the test is over
		}
		b.Look(func(l *Ledger) {
			for i := range batch.Entries {
				l.Enter(p.Number(), &batch.Entries[i])
			}
		})
		b.Ring()
	}
}

// AwaitLedger waits until the ledger says so.
func (b *Books) AwaitLedger(ctx context.Context, cond func(*Ledger) bool) error {
	return b.Await(ctx, func() (ok bool) {
		b.Look(func(l *Ledger) { ok = cond(l) })
		return ok
	})
}

// Look lets f see the ledger as it is now.
func (b *Books) Look(f func(*Ledger)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.ledger)
}

// Visit shows f every record that a topic holds now, partition by partition,
// each in its order; f is called by one goroutine at a time, and entries are
// valid during the call.
func Visit(ctx context.Context, log *eventlog.Log, topic string, f func(partition int32, r *eventlog.Entry)) error {
	v := visit{show: f}
	err := log.Follow(ctx, eventlog.FollowConfig{Topic: topic, Serve: v.partition})
	if err = errors.Join(err, v.failed, ctx.Err()); err != nil {
		return fmt.Errorf("read %s to its end: %w", topic, err)
	}
	return nil
}

// visit is one reading of a topic.
type visit struct {
	mu     sync.Mutex
	show   func(partition int32, r *eventlog.Entry)
	failed error
}

// partition never asks to be called again: its error is kept.
func (v *visit) partition(ctx context.Context, p *eventlog.Partition) error {
	err := v.read(ctx, p)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed = errors.Join(v.failed, err)
	return nil
}

func (v *visit) read(ctx context.Context, p *eventlog.Partition) error {
	end, err := p.End(ctx)
	if err != nil {
		return err
	}
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for at := p.Offset(); at < end; {
		batch, err := p.Next(ctx)
		if err != nil {
			return err
		}
		at = batch.Next
		v.mu.Lock()
		for i := range batch.Entries {
			v.show(p.Number(), &batch.Entries[i])
		}
		v.mu.Unlock()
	}
	return nil
}

// Ends are the offsets behind the newest records of waybill.events, now.
func Ends(ctx context.Context, log *eventlog.Log) (map[int32]int64, error) {
	var mu sync.Mutex
	ends := make(map[int32]int64)
	var failed error
	err := log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.EventsTopic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		end, err := p.End(ctx)
		mu.Lock()
		defer mu.Unlock()
		if ends[p.Number()] = end; err != nil {
			failed = err
		}
		return nil
	}})
	if err = errors.Join(err, failed, ctx.Err()); err != nil {
		return nil, fmt.Errorf("ask for the ends of the log: %w", err)
	}
	return ends, nil
}
