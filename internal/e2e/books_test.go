package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// books are the ledger of waybill.events, kept while the log grows.
type books struct {
	bell

	mu     sync.Mutex
	ledger ledger
}

// ledger is what the log says of every push, by the rules of DESIGN §4: a
// decision counts only under the term that was the newest when it was appended.
type ledger struct {
	pushes     map[place]*entry
	order      []place
	partitions map[string]int32 // of users
	terms      map[int32]schemas.Position
	unended    int // pushes without an outcome as a whole
	stale      int // decisions of older terms
	kinds      map[schemas.Kind]int
	ends       map[schemas.Reason]int // connections by why they ended
	cursors    map[device]uint64      // newest, that a connection presented or acknowledged
}

// place is a push's identity: positions are those of one partition.
type place struct {
	user     string
	position uint64
}

type device struct{ user, device string }

// entry is one push and every outcome that the log has of it.
type entry struct {
	id      schemas.ID
	trace   schemas.ID
	pushed  int64 // broker's time
	ttl     int64 // milliseconds
	label   string
	whole   []ending
	devices map[string][]ending
}

type ending struct {
	class   schemas.Class
	reason  schemas.Reason
	attempt uint32
	// Whether it reached the steps between accepted and its end. A later one
	// implies the earlier: a gate that dies takes its last facts along.
	dispatched, sent bool
}

func newBooks() *books {
	return &books{ledger: ledger{
		pushes: make(map[place]*entry), partitions: make(map[string]int32), terms: make(map[int32]schemas.Position),
		kinds: make(map[schemas.Kind]int), ends: make(map[schemas.Reason]int), cursors: make(map[device]uint64),
	}}
}

// read is the PartitionFunc of the books.
func (b *books) read(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for {
		batch, err := p.Next(ctx)
		if err != nil {
			return nil // the test is over
		}
		b.mu.Lock()
		for i := range batch.Entries {
			b.ledger.enter(p.Number(), &batch.Entries[i])
		}
		b.mu.Unlock()
		b.ring()
	}
}

// await waits until the ledger says so.
func (b *books) await(t testing.TB, what string, cond func(*ledger) bool) {
	t.Helper()
	b.bell.await(t, what, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return cond(&b.ledger)
	})
}

// look lets f see the ledger as it is now.
func (b *books) look(f func(*ledger)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.ledger)
}

func (l *ledger) enter(partition int32, r *eventlog.Entry) {
	e := r.Event
	l.kinds[e.Kind]++
	switch e.Kind {
	case schemas.Kind_KIND_CLAIMED:
		l.terms[partition] = r.Position
	case schemas.Kind_KIND_PUSHED:
		l.pushed(partition, r)
	case schemas.Kind_KIND_OUTCOME:
		if schemas.Position(e.Term) != l.terms[partition] {
			l.stale++
			return
		}
		l.outcome(e)
	case schemas.Kind_KIND_DISCONNECTED:
		l.ends[e.Disconnected.GetReason()]++
		l.acked(e, e.Disconnected.GetCursor())
	case schemas.Kind_KIND_ACKED:
		l.acked(e, e.Acked.GetCursor())
	}
}

func (l *ledger) acked(e *schemas.Event, cursor uint64) {
	d := device{strings.Clone(e.User), strings.Clone(e.Device)}
	l.cursors[d] = max(l.cursors[d], cursor)
}

func (l *ledger) pushed(partition int32, r *eventlog.Entry) {
	e := r.Event
	user := strings.Clone(e.User)
	at := place{user, uint64(r.Position)}
	l.partitions[user] = partition
	l.order = append(l.order, at)
	l.unended++
	l.pushes[at] = &entry{
		id: schemas.IDFrom(e.Pushed.PushId), trace: schemas.IDFrom(e.TraceId), pushed: r.Time,
		ttl: e.Pushed.Ttl, label: strings.Clone(e.Pushed.Label), devices: make(map[string][]ending),
	}
}

func (l *ledger) outcome(e *schemas.Event) {
	b := e.Outcome
	x := l.pushes[place{e.User, b.Position}]
	if x == nil {
		x = &entry{devices: make(map[string][]ending)} // of nothing: the checks find it
		l.pushes[place{strings.Clone(e.User), b.Position}] = x
	}
	end := ending{class: b.Class, reason: b.Reason, attempt: b.Attempt}
	end.sent = b.Steps.GetSent() != 0 || b.Class == schemas.Class_CLASS_DELIVERED || b.Reason == schemas.Reason_REASON_SENT_UNACKED
	end.dispatched = b.Steps.GetDispatched() != 0 || end.sent || b.Class == schemas.Class_CLASS_UNCONFIRMED
	if e.Device != "" {
		name := strings.Clone(e.Device)
		x.devices[name] = append(x.devices[name], end)
	}
	if e.Device == "" || b.Whole {
		if len(x.whole) == 0 {
			l.unended--
		}
		x.whole = append(x.whole, end)
	}
}

// byID finds a push by its push id.
func (l *ledger) byID(id schemas.ID) (place, *entry) {
	for at, x := range l.pushes {
		if x.id == id {
			return at, x
		}
	}
	return place{}, nil
}
