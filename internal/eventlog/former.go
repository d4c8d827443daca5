package eventlog

import (
	"context"
	"errors"
)

// Formers say which partition a key had in each epoch before this topic's: nil
// for one whose topic is gone.
func (p *Partition) Formers(ctx context.Context) ([]func(key []byte) int32, error) {
	epoch := Epoch(p.topic)
	all := make([]func(key []byte) int32, epoch)
	for i := range epoch {
		n, err := p.r.log.Partitions(ctx, EventsOf(i))
		switch {
		case err == nil:
			all[i] = PartitionsOf(n)
		case !errors.Is(err, ErrUnknownTopic):
			return nil, err
		}
	}
	return all, nil
}

// FormerRead says that the epoch before this topic's is over, and that the group
// has committed each of its partitions up to the end. Where there is none, or
// where its topic is gone, that is so.
func (p *Partition) FormerRead(ctx context.Context) (bool, error) {
	epoch := Epoch(p.topic)
	if epoch == 0 {
		return true, nil
	}
	former := EventsOf(epoch - 1)
	n, err := p.r.log.Partitions(ctx, former)
	if errors.Is(err, ErrUnknownTopic) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	// First whether it is sealed: what is committed by then may be its end.
	now, err := p.r.log.Announced(ctx)
	if err != nil || now.Epoch < epoch || now.Epoch == epoch && !now.Done {
		return false, err
	}
	for i := range n {
		at, _, err := p.CommittedOf(ctx, former, i)
		if err != nil {
			return false, err
		}
		holds, err := p.r.log.span(ctx, former, i)
		if err != nil || at < holds.end && holds.start < holds.end {
			return false, err
		}
	}
	return true, nil
}
