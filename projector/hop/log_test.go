package hop_test

import (
	"fmt"

	"waybill/schemas"
)

// ledger is what a written log must come to in ClickHouse.
type ledger struct {
	hops, connections                            int64
	accepted, ended, delivered, sent, dispatched int64
}

// began is when the pushes of these logs are accepted, microseconds: near
// enough to now that no row is too old.
func (b *bench) began() int64 { return b.now().UnixMicro() }

// write appends the lives of n pushes to as many users: one connect each; of
// eight pushes one is lost, one waits, and one is delivered though its sent was
// dropped.
func (b *bench) write(from, n int) ledger { return b.writeAt(b.began(), from, n, func() {}) }

// writeAt calls between when the pushes are in the log and nothing else is.
func (b *bench) writeAt(began int64, from, n int, between func()) ledger {
	b.t.Helper()
	var l ledger
	var pushed, rest []*schemas.Event
	for i := from; i < from+n; i++ {
		e := b.event(i, schemas.Kind_KIND_PUSHED, began)
		id := schemas.NamedID("freight", e.User, "p")
		e.Pushed = &schemas.Pushed{PushId: id[:], Name: "p", Family: 7, Command: 1, Body: []byte("hello"), Ttl: 60_000, Label: fmt.Sprint("label-", i%3)}
		pushed = append(pushed, e)
	}
	for i, place := range b.append(pushed...) {
		rest = append(rest, b.life(from+i, uint64(place), pushed[i], &l)...)
	}
	between()
	b.append(rest...)
	return l
}

func (b *bench) event(i int, kind schemas.Kind, at int64) *schemas.Event {
	trace := schemas.NamedID("freight", fmt.Sprint(i), "trace")
	e := &schemas.Event{Kind: kind, TraceId: trace[:], App: "freight", User: fmt.Sprint("user-", i), Time: at, Node: "gate-2@h"}
	e.SetConn(schemas.ConnID{Gate: 2, Incarnation: 17, Number: uint64(i)})
	return e
}

// life is what happens to the pushed event at place, and what it adds to the
// ledger.
func (b *bench) life(i int, place uint64, pushed *schemas.Event, l *ledger) []*schemas.Event {
	at, p := pushed.Time, pushed.Pushed
	l.hops, l.accepted, l.connections = l.hops+1, l.accepted+1, l.connections+1
	connected := b.event(i, schemas.Kind_KIND_CONNECTED, at+1_000)
	connected.Device, connected.Connected = "d", &schemas.Connected{Login: true, Platform: "ios"}
	events := []*schemas.Event{connected}
	outcome := b.event(i, schemas.Kind_KIND_OUTCOME, at+9_000)
	outcome.Outcome = &schemas.Outcome{Position: place, PushId: p.PushId, Label: p.Label, Family: p.Family, Command: p.Command,
		Steps: &schemas.Steps{Accepted: at}}
	switch i % 8 {
	case 0:
		return events
	case 1:
		l.hops, l.ended = l.hops+1, l.ended+1
		outcome.Outcome.Class, outcome.Outcome.Reason = schemas.Class_CLASS_LOST, schemas.Reason_REASON_EXPIRED
		return append(events, outcome)
	}
	outcome.Device, outcome.Outcome.Whole, outcome.Outcome.Platform, outcome.Outcome.Attempt = "d", true, "ios", 1
	outcome.Outcome.Class, outcome.Outcome.Reason = schemas.Class_CLASS_DELIVERED, schemas.Reason_REASON_ACKED
	outcome.Outcome.Steps.Dispatched, outcome.Outcome.Steps.Delivered = at+2_000, at+5_000
	l.hops, l.ended, l.delivered, l.sent, l.dispatched = l.hops+2, l.ended+1, l.delivered+1, l.sent+1, l.dispatched+1
	if i%8 == 2 {
		return append(events, outcome)
	}
	outcome.Outcome.Steps.Sent = at + 3_000
	l.hops += 2
	sent := b.event(i, schemas.Kind_KIND_SENT, at+3_000)
	sent.Device, sent.Sent = "d", &schemas.Sent{Position: place, PushId: p.PushId, Attempt: 1, Dispatched: at + 2_000}
	acked := b.event(i, schemas.Kind_KIND_ACKED, at+5_000)
	acked.Device, acked.Acked = "d", &schemas.Acked{Cursor: place}
	return append(events, sent, acked, outcome)
}

// plus joins what two logs come to.
func (l ledger) plus(m ledger) ledger {
	return ledger{l.hops + m.hops, l.connections + m.connections, l.accepted + m.accepted, l.ended + m.ended,
		l.delivered + m.delivered, l.sent + m.sent, l.dispatched + m.dispatched}
}

// check waits until ClickHouse has as much as the ledger, and no more.
func (b *bench) check(l ledger) {
	b.t.Helper()
	b.await("SELECT toInt64(count()) FROM hops", l.hops)
	b.await("SELECT toInt64(count()) FROM connections", l.connections)
	b.await("SELECT toInt64(count()) FROM pushes FINAL", l.accepted)
	b.await("SELECT toInt64(count()) FROM pushes FINAL WHERE class != ''", l.ended)
	b.await("SELECT toInt64(count(DISTINCT trace_id, position, user, device, attempt, kind)) FROM hops", l.hops)
	for column, want := range map[string]int64{
		"accepted": l.accepted, "ended": l.ended, "delivered": l.delivered, "sent": l.sent, "dispatched": l.dispatched,
	} {
		b.await("SELECT toInt64(sum("+column+")) FROM funnel", want)
	}
}
