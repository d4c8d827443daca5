package ledger

import (
	"context"
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

// Visit shows f every record that waybill.events holds now, partition by
// partition, each in its order; f is called by one goroutine at a time. Entries
// are valid during the call.
func Visit(ctx context.Context, log *eventlog.Log, f func(partition int32, r *eventlog.Entry)) error {
	var mu sync.Mutex
	var failed error
	err := log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.EventsTopic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		end, err := p.End(ctx)
		if err == nil {
			err = p.Start(eventlog.FromStart, nil)
		}
		for at := int64(0); err == nil && at < end; {
			var batch eventlog.Batch
			if batch, err = p.Next(ctx); err != nil {
				break
			}
			at = batch.Next
			mu.Lock()
			for i := range batch.Entries {
				f(p.Number(), &batch.Entries[i])
			}
			mu.Unlock()
		}
		if err != nil {
			mu.Lock()
			failed = err
			mu.Unlock()
		}
		return nil
	}})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("read the log to its end: %w", err)
	}
	return nil
}
