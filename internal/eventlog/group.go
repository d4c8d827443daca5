package eventlog

import (
	"context"
	"errors"
	"time"
)

// GroupConfig says what Join reads.
type GroupConfig struct {
	Group         string
	Topics        []string
	TopicPrefixes []string // every topic that begins so, also one that is created later
	// Session is how long the group waits for a member that is gone (default
	// 10 s), Heartbeat how often a member shows itself (default a sixth of it).
	Session, Heartbeat time.Duration
	// RevokeWait is how long a rebalance waits for a PartitionFunc to return
	// (default 5 s). It goes on without it, and says so.
	RevokeWait time.Duration
	Serve      PartitionFunc
	Fetch      Fetch
}

type group struct{}

// Join reads the partitions that a consumer group assigns.
func (l *Log) Join(ctx context.Context, cfg GroupConfig) error { return errors.New("join: not yet") }

// Committed is the group's offset and metadata; -1 where there is none.
func (p *Partition) Committed(ctx context.Context) (int64, string, error) { return 0, "", ErrNoGroup }

// Commit stores offset and metadata in the group.
func (p *Partition) Commit(ctx context.Context, offset int64, metadata string) error {
	return ErrNoGroup
}
