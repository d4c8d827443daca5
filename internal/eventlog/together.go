package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupCommit is what a group stores for one partition of it.
type GroupCommit struct {
	Partition *Partition
	Offset    int64
	Metadata  string // at most 4096 bytes with the brokers' defaults
}

// CommitTogether is Commit for several partitions of one Join, in one request:
// the brokers store all or nothing. ErrLost says that one of them, at least, is
// not this member's any more. After any other error they may be stored or not.
// It may be called from any goroutine, as long as none of the partitions is
// committed meanwhile.
func CommitTogether(ctx context.Context, commits []GroupCommit) error {
	if len(commits) == 0 {
		return nil
	}
	for {
		err := commitTogetherOnce(ctx, commits)
		if !errors.Is(err, kerr.RebalanceInProgress) {
			return err
		}
		select { // the next generation is under way, and the partitions still ours
		case <-time.After(retryFirst):
		case <-ctx.Done():
			return fmt.Errorf("commit %s: %w", named(commits), context.Cause(ctx))
		}
	}
}

func commitTogetherOnce(ctx context.Context, commits []GroupCommit) error {
	of := commits[0].Partition.tenure
	if of == nil {
		return fmt.Errorf("commit %s: %w", named(commits), ErrNoGroup)
	}
	// The generation is read before the tenures are judged (addTo): a tenure ends
	// before the generation rises, so this one was ours or is refused.
	member, generation := of.g.client.GroupMetadata()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = of.g.cfg.Group, member, generation
	for i := range commits {
		if err := commits[i].addTo(ctx, req, of.g); err != nil {
			return err
		}
	}
	resp, err := req.RequestWith(ctx, of.g.client)
	if err == nil {
		err = commitErrors(resp, len(commits))
	}
	if err != nil {
		return fmt.Errorf("commit %s: %w", named(commits), err)
	}
	return nil
}

// named says of which partitions the commits are, for errors.
func named(commits []GroupCommit) string {
	first := fmt.Sprintf("%s/%d", commits[0].Partition.topic, commits[0].Partition.number)
	if len(commits) == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, len(commits)-1)
}

func (c *GroupCommit) addTo(ctx context.Context, req *kmsg.OffsetCommitRequest, g *group) error {
	p := c.Partition
	if p.tenure == nil || p.tenure.g != g {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, ErrNoGroup)
	}
	if p.tenure.over.Load() {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, ErrLost)
	}
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	partition.Partition, partition.Offset, partition.Metadata = p.number, c.Offset, &c.Metadata
	for i := range req.Topics {
		if t := &req.Topics[i]; t.Topic == p.topic {
			t.Partitions = append(t.Partitions, partition)
			return nil
		}
	}
	id, err := p.r.log.topicID(ctx, p.topic)
	if err != nil {
		return fmt.Errorf("commit %s/%d: %w", p.topic, p.number, err)
	}
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID, t.Partitions = p.topic, id, append(t.Partitions, partition)
	req.Topics = append(req.Topics, t)
	return nil
}

// commitErrors is the first error of an answer for so many partitions.
func commitErrors(resp *kmsg.OffsetCommitResponse, want int) error {
	got := 0
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			got++
			if err := commitErrorOf(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	if got != want {
		return errShortAnswer
	}
	return nil
}

// CommittedOf is Committed for any partition of the topic, whoever owns it.
func (p *Partition) CommittedOf(ctx context.Context, topic string, number int32) (int64, string, error) {
	if p.tenure == nil {
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", topic, number, ErrNoGroup)
	}
	all, err := p.r.log.admin.FetchOffsetsForTopics(ctx, p.tenure.g.cfg.Group, topic)
	if err != nil {
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", topic, number, err)
	}
	got, ok := all.Lookup(topic, number)
	switch {
	case !ok:
		return -1, "", nil
	case got.Err != nil:
		return 0, "", fmt.Errorf("read commit of %s/%d: %w", topic, number, got.Err)
	}
	return got.At, got.Metadata, nil
}
