package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// record is one of anna's, in its usual place.
func record(t *testing.T, offset int64, e *schemas.Event) *kgo.Record {
	t.Helper()
	e.App, e.User = "freight", "anna"
	if e.Kind == 0 {
		e.Kind = schemas.Kind_KIND_ACKED
	}
	b, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Offset: offset, Key: []byte("freight/anna"), Value: b, Timestamp: time.Unix(1, 0)}
}

// TestRaw: repeats are left out and nothing else; what may not be is said.
func TestRaw(t *testing.T) {
	stamp := func(origin, serial uint64) *schemas.Event { return &schemas.Event{Origin: origin, Serial: serial} }
	for name, c := range map[string]struct {
		spoil func(x []*kgo.Record) []*kgo.Record
		shown string // their offsets
		wrong string // what is said, in part; empty = nothing
	}{
		"all is well":         {func(x []*kgo.Record) []*kgo.Record { return x }, "0 1 3", ""},
		"the first is gone":   {func(x []*kgo.Record) []*kgo.Record { return x[1:] }, "1 3", "comes where 0 should"},
		"a record is missing": {func(x []*kgo.Record) []*kgo.Record { return append(x[:1], x[2:]...) }, "0 2 3", "comes where 1 should"},
		"no event":            {func(x []*kgo.Record) []*kgo.Record { x[1].Value = []byte{255}; return x }, "0 2 3", "is no event"},
		"empty":               {func(x []*kgo.Record) []*kgo.Record { x[1].Value = nil; return x }, "0 2 3", "is no event"},
		"another's key":       {func(x []*kgo.Record) []*kgo.Record { x[1].Key = []byte("freight/bob"); return x }, "0 1 3", `the key "freight/bob"`},
		"another partition":   {func(x []*kgo.Record) []*kgo.Record { x[3].Partition, x[3].Offset = 1, 0; return x }, "0 1 0", "whose records are in partition 0"},
		"no serial":           {func(x []*kgo.Record) []*kgo.Record { x[0] = record(t, 0, stamp(0, 0)); return x }, "0 1 3", "has no origin"},
		"another origin's":    {func(x []*kgo.Record) []*kgo.Record { x[2] = record(t, 2, stamp(8, 2)); return x }, "0 1 2 3", ""},
	} {
		records := []*kgo.Record{
			record(t, 0, stamp(7, 1)), record(t, 1, stamp(7, 2)), record(t, 2, stamp(7, 2)), record(t, 3, stamp(7, 5)),
		}
		var shown []string
		r := NewRaw(func(_ int32, e *eventlog.Entry) {
			shown = append(shown, string(rune('0'+e.Offset)))
			if e.Position != schemas.At(0, e.Offset) || e.Time != 1_000_000 || e.Event.User != "anna" {
				t.Errorf("%s: shown %+v", name, e)
			}
		})
		for _, x := range c.spoil(records) {
			r.take(x)
		}
		if d := cmp.Diff(c.shown, strings.Join(shown, " ")); d != "" {
			t.Errorf("%s: shown (-want +got):\n%s", name, d)
		}
		if said := strings.Join(r.Wrong, "; "); (said == "") != (c.wrong == "") || !strings.Contains(said, c.wrong) {
			t.Errorf("%s: said %q, want %q", name, said, c.wrong)
		}
	}
}

// TestRawReadsToTheEnd: all partitions, an empty one among them, and no further
// than the log is long.
func TestRawReadsToTheEnd(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, eventlog.EventsTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic(eventlog.EventsTopic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n := range 5 {
		x := record(t, 0, &schemas.Event{Origin: 7, Serial: uint64(1 + n/2)}) // the second of each two is a repeat
		x.Partition = 2
		if err := client.ProduceSync(t.Context(), x).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	shown := 0
	r := NewRaw(func(int32, *eventlog.Entry) { shown++ })
	if err := r.Read(t.Context(), broker.ListenAddrs()); err != nil || shown != 3 || r.Records != 5 || r.Repeats != 2 || r.Wrong != nil {
		t.Errorf("shown %d of %d records, %d repeats, wrong %v: %v; want 3 of 5", shown, r.Records, r.Repeats, r.Wrong, err)
	}
}
