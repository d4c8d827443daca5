package eventlog

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"waybill/schemas"
)

func TestFind(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	user := userOf(1)
	key := schemas.Key("app", user)
	var at [5]schemas.Position
	for n := range at {
		at[n] = must(t, a, event(user, n)).Position
	}
	for n, p := range at {
		e, err := l.Find(within(t), p, key)
		if err != nil || e.Event.Acked.Cursor != uint64(n) || e.Position != p || e.Time == 0 {
			t.Errorf("%v: %+v, %v", p, e, err)
		}
	}
	if _, err := l.admin.DeleteRecords(within(t), kadm.Offsets{EventsTopic: {1: {Topic: EventsTopic, Partition: 1, At: 3}}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at   schemas.Position
		key  []byte
		want error
	}{
		"gone":                {at[0], key, ErrGone},
		"the first that is":   {at[3], key, nil},
		"beyond the end":      {at[4] + 1, key, ErrNoRecord},
		"nothing":             {0, key, ErrNoRecord},
		"of an unknown epoch": {schemas.At(7, 3), key, ErrNoRecord},
		"of another user":     {at[3], schemas.Key("app", another(user)), ErrNoRecord},
	} {
		if _, err := l.Find(within(t), c.at, c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// another user of the same partition of two.
func another(than string) string {
	h := keyHash(EventsTopic)
	partition := func(user string) int { return h.Partition(&kgo.Record{Key: schemas.Key("app", user)}, 2) }
	for i := 0; ; i++ {
		if user := fmt.Sprint("other", i); partition(user) == partition(than) {
			return user
		}
	}
}

// A place in time: the first record that is not before it, else the end.
func TestOffsetAt(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	user := userOf(0)
	read := follow(t, l, EventsTopic, 0, FromStart, nil)
	must(t, a, event(user, 0))
	first := read.entries(1).Entries[0].Time
	later, n := first, int64(0) // the nth record is later
	for later == first {
		must(t, a, event(user, 1))
		n++
		later = read.entries(1).Entries[0].Time
	}
	ended := make(chan struct{})
	serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
		defer close(ended)
		for _, c := range []struct{ at, want int64 }{{-5, 0}, {0, 0}, {first, 0}, {first + 1000, n}, {later, n}, {later + 3_600_000_000, n + 1}} {
			if got, err := p.OffsetAt(ctx, c.at); err != nil || got != c.want {
				t.Errorf("%d: %d, %v; want %d", c.at, got, err, c.want)
			}
		}
		return nil
	})
	signal(t, ended, "the questions")
}
