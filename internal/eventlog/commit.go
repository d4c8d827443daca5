package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Committed is the offset and the metadata that the group stored last; -1 where
// there are none.
func (p *Partition) Committed(ctx context.Context) (int64, string, error) {
	if p.tenure == nil {
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", p.topic, p.number, ErrNoGroup)
	}
	all, err := p.r.log.admin.FetchOffsetsForTopics(ctx, p.tenure.g.cfg.Group, p.topic)
	if err != nil {
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", p.topic, p.number, err)
	}
	got, ok := all.Lookup(p.topic, p.number)
	switch {
	case !ok:
		return -1, "", nil
	case got.Err != nil:
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", p.topic, p.number, got.Err)
	}
	return got.At, got.Metadata, nil
}

// Commit stores an offset and metadata (at most 4096 bytes with the brokers'
// defaults) in the group, after the work. It is fenced twice: here by the
// tenure, and by the broker, which refuses a generation that is not the
// group's. ErrLost says that another member may own the partition. Its context
// is its own: a function may commit after the partition's has ended, until it
// returns.
func (p *Partition) Commit(ctx context.Context, offset int64, metadata string) error {
	if p.tenure == nil {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, ErrNoGroup)
	}
	for {
		err := p.commitOnce(ctx, offset, metadata)
		if !errors.Is(err, kerr.RebalanceInProgress) {
			return err
		}
		select { // the next generation is under way, and the partition still ours
		case <-time.After(retryFirst):
		case <-ctx.Done():
			return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, context.Cause(ctx))
		}
	}
}

func (p *Partition) commitOnce(ctx context.Context, offset int64, metadata string) error {
	// The generation is read before the tenure is judged: a tenure ends before
	// the generation rises, so this one was ours or is refused.
	member, generation := p.tenure.g.client.GroupMetadata()
	if p.tenure.over.Load() {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, ErrLost)
	}
	id, err := p.r.log.topicID(ctx, p.topic)
	if err != nil {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, err)
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = p.tenure.g.cfg.Group, member, generation
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = p.topic, id
	c := kmsg.NewOffsetCommitRequestTopicPartition()
	c.Partition, c.Offset, c.Metadata = p.number, offset, &metadata
	t.Partitions = append(t.Partitions, c)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, p.tenure.g.client)
	if err == nil {
		err = commitError(resp)
	}
	if err != nil {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, err)
	}
	return nil
}

func commitError(resp *kmsg.OffsetCommitResponse) error {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errShortAnswer
	}
	switch err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode); {
	case errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedInstanceID):
		return fmt.Errorf("%w: %w", ErrLost, err)
	default:
		return err
	}
}
