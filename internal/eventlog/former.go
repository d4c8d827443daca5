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
