package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Committed is the offset and the metadata that the group stored last; -1 where
// there are none.
func (p *Partition) Committed(ctx context.Context) (int64, string, error) {
	return p.CommittedOf(ctx, p.topic, p.number)
}

// Commit stores an offset and metadata (at most 4096 bytes with the brokers'
// defaults) in the group, after the work. It is fenced twice: here by the
// tenure, and by the broker, which refuses a generation that is not the
// group's. ErrLost says that another member may own the partition. Its context
// is its own: a function may commit after the partition's has ended, until it
// returns.
func (p *Partition) Commit(ctx context.Context, offset int64, metadata string) error {
	return CommitTogether(ctx, []GroupCommit{{p, offset, metadata}})
}

func commitErrorOf(code int16) error {
	switch err := kerr.ErrorForCode(code); {
	case errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
		return fmt.Errorf("%w: %w", ErrLost, err)
	default:
		return err
	}
}
