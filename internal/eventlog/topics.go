package eventlog

import (
	"context"
	"errors"
	"time"
)

// TopicSpec is how a topic must be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16             // copies; -1 = the brokers' default
	Settings    map[string]string // of the topic, as the brokers call them
}

// Sizes of an installation.
type Sizes struct {
	Partitions  int32 // of keyed topics
	Dispatch    int32 // of waybill.dispatch: the highest gate number and 1
	Replication int16
	Retention   time.Duration // of the log; 0 = 7 days
}

// CreateTopics creates the missing topics and checks the others.
func (l *Log) CreateTopics(ctx context.Context, specs []TopicSpec) error {
	return errors.New("not yet")
}

// Specs are the topics of every installation.
func Specs(partitions, dispatchPartitions int32, replication int16) []TopicSpec { return nil }

// AppSpecs are the topics of one app.
func AppSpecs(app string, partitions int32, replication int16) []TopicSpec { return nil }
