package eventlog

import (
	"maps"
	"strconv"
	"time"
)

// TopicSpec is how a topic must be.
type TopicSpec struct {
	Name       string
	Partitions int32
	// Replication is the number of copies; -1 leaves it to the brokers.
	Replication int16
	// Settings of the topic, as the brokers call them. An existing topic may
	// keep its records longer; everything else must be equal.
	Settings map[string]string
	// Keeps: one that exists keeps its number of partitions, whatever it is. The
	// topics of an app may be as many as waybill.events once had.
	Keeps bool
}

// How long topics keep records. A push lives for six days at most, so that the
// log of a week proves what happened to it; commands are said again by
// delivery, so an hour is for a gate that was stopped.
const (
	logRetention      = 7 * 24 * time.Hour
	dispatchRetention = time.Hour
	// Brokers drop and compact whole segments only: these bound how much older
	// than its retention a record gets.
	dispatchSegment = 10 * time.Minute
	compactSegment  = time.Hour
)

// The settings' names.
const (
	timestampType = "message.timestamp.type"
	cleanupPolicy = "cleanup.policy"
	retentionMs   = "retention.ms"
	segmentMs     = "segment.ms"
	minInsync     = "min.insync.replicas"
)

// Specs are the topics of every installation. Partitions are those of keyed
// topics; dispatch has one for each gate, by its number, and so one more than
// the highest.
func Specs(partitions, dispatchPartitions int32, replication int16) []TopicSpec {
	return []TopicSpec{
		EventsSpec(0, partitions, replication),
		{DispatchTopic, dispatchPartitions, replication, kept(replication, dispatchRetention, dispatchSegment), false},
		{GatesTopic, 1, replication, compacted(replication), false},
		{ControlTopic, 1, replication, compacted(replication), false},
		{AuditTopic, 1, replication, kept(replication, forEverKept, 0), false},
	}
}

// AppSpecs are the topics of one app.
func AppSpecs(app string, partitions int32, replication int16) []TopicSpec {
	settings := kept(replication, logRetention, 0)
	return []TopicSpec{
		{UplinkTopic(app), partitions, replication, settings, true},
		{IntakeTopic(app), partitions, replication, maps.Clone(settings), true},
		{OutcomesTopic(app), partitions, replication, maps.Clone(settings), true},
	}
}

// EventsSpec is waybill.events of one epoch.
func EventsSpec(epoch uint16, partitions int32, replication int16) TopicSpec {
	return TopicSpec{EventsOf(epoch), partitions, replication, kept(replication, logRetention, 0), false}
}

const forEverKept = -1 * time.Millisecond

// kept are the settings of a topic whose records go by age.
func kept(replication int16, retention, segment time.Duration) map[string]string {
	m := common(replication)
	m[cleanupPolicy] = "delete"
	m[retentionMs] = millis(retention)
	if segment > 0 {
		m[segmentMs] = millis(segment)
	}
	return m
}

// compacted are the settings of a topic that keeps the newest record of a key.
func compacted(replication int16) map[string]string {
	m := common(replication)
	m[cleanupPolicy] = "compact"
	m[segmentMs] = millis(compactSegment)
	return m
}

// common settings: broker time, and two copies before an acknowledgement where
// there are three.
func common(replication int16) map[string]string {
	m := map[string]string{timestampType: "LogAppendTime"}
	if replication >= 3 {
		m[minInsync] = "2"
	}
	return m
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
