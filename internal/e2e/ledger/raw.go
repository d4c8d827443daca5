package ledger

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Raw reads waybill.events as any client of Kafka would: with nothing of
// internal/eventlog but names, so that a mistake of its decoder can hide nothing
// from the ledger. Repeats are left out by the rule of DESIGN §3; whatever else
// may not be in the log is said and shown all the same.
type Raw struct {
	// Show is called with each record that is no repeat, partition by partition
	// in its order, by one goroutine. The entry is valid during the call.
	Show func(partition int32, r *eventlog.Entry)

	Records, Repeats int
	Wrong            []string // of records that no reader should meet

	next    map[int32]int64             // offset that comes next, by partition
	serials map[int32]map[uint64]uint64 // serials, by partition and origin
	homes   map[string]int32            // partitions, by key
}

// NewRaw has read nothing.
func NewRaw(show func(partition int32, r *eventlog.Entry)) *Raw {
	return &Raw{
		Show: show, next: make(map[int32]int64),
		serials: make(map[int32]map[uint64]uint64), homes: make(map[string]int32),
	}
}

// Read takes every record that the log holds now.
func (r *Raw) Read(ctx context.Context, brokers []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err == nil {
		defer client.Close()
		err = r.read(ctx, client)
	}
	if err != nil {
		return fmt.Errorf("read the raw log to its end: %w", err)
	}
	return nil
}

func (r *Raw) read(ctx context.Context, client *kgo.Client) error {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, eventlog.EventsTopic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	from := make(map[int32]kgo.Offset)
	ends.Each(func(end kadm.ListedOffset) { from[end.Partition] = kgo.NewOffset().AtStart() })
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{eventlog.EventsTopic: from})
	for r.behind(ends) {
		got := client.PollFetches(ctx)
		if err := got.Err(); err != nil {
			return err
		}
		got.EachRecord(r.take)
	}
	return nil
}

func (r *Raw) behind(ends kadm.ListedOffsets) (is bool) {
	ends.Each(func(end kadm.ListedOffset) { is = is || r.next[end.Partition] < end.Offset })
	return is
}

// take one record of a partition, behind the one before.
func (r *Raw) take(x *kgo.Record) {
	r.Records++
	if next := r.next[x.Partition]; x.Offset != next {
		r.wrong(x, "comes where %d should: what is between them is missing", next)
	}
	r.next[x.Partition] = x.Offset + 1
	e := new(schemas.Event)
	if err := proto.Unmarshal(x.Value, e); err != nil || e.Kind == schemas.Kind_KIND_UNSPECIFIED {
		r.wrong(x, "is no event: %d bytes, %v", len(x.Value), err)
		return
	}
	r.place(x, e)
	if r.repeat(x, e) {
		r.Repeats++
		return
	}
	r.Show(x.Partition, &eventlog.Entry{
		Position: schemas.At(0, x.Offset), Offset: x.Offset, Time: x.Timestamp.UnixMicro(), Event: e, Key: x.Key, Value: x.Value,
	})
}

// repeat says that a serial is not above the highest of its origin.
func (r *Raw) repeat(x *kgo.Record, e *schemas.Event) bool {
	if e.Origin == 0 || e.Serial == 0 {
		r.wrong(x, "has no origin or no serial: nobody can tell its repeat")
		return false
	}
	of := r.serials[x.Partition]
	if of == nil {
		of = make(map[uint64]uint64)
		r.serials[x.Partition] = of
	}
	if e.Serial <= of[e.Origin] {
		return true
	}
	of[e.Origin] = e.Serial
	return false
}

// place: what is about a user has the user's key, and one key has one partition.
func (r *Raw) place(x *kgo.Record, e *schemas.Event) {
	if e.User == "" {
		return
	}
	key := e.App + "/" + e.User
	if string(x.Key) != key {
		r.wrong(x, "has the key %q and is about %q", x.Key, key)
	}
	if home, known := r.homes[key]; known && home != x.Partition {
		r.wrong(x, "is about %q, whose records are in partition %d", key, home)
		return
	}
	r.homes[key] = x.Partition
}

func (r *Raw) wrong(x *kgo.Record, say string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf("the record at %d of partition %d %s", x.Offset, x.Partition, fmt.Sprintf(say, args...)))
}
