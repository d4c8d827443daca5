package delivery

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"waybill/schemas"
)

// TestRecycledIsEmpty: what is used again says nothing of its former use. It
// fails when a field is set that empty does not know.
func TestRecycledIsEmpty(t *testing.T) {
	b := newBench(t, Defaults())
	b.connect()
	pos := b.push(1, "order-1")
	b.core.Take()
	b.sent(pos)
	acked := &schemas.Event{Kind: schemas.Kind_KIND_ACKED, App: "a", User: "ann", Device: "phone", Acked: &schemas.Acked{Cursor: uint64(pos)}}
	acked.SetConn(b.conn)
	b.pos++
	b.core.Apply(b.pos, b.now, acked)
	b.core.Take()
	if len(b.core.lent.out) != 1 {
		t.Fatalf("%d outcomes, want 1", len(b.core.lent.out))
	}
	x := b.core.lent.out[0]
	b.core.Recycle()
	x.event.Kind, x.event.App, x.event.User, x.event.Term, x.event.Outcome = 0, "", "", 0, nil
	o := &x.outcome
	o.Position, o.Class, o.Reason, o.Steps, o.Label, o.Family, o.Command, o.Name, o.First = 0, 0, 0, nil, "", 0, 0, "", 0
	x.steps.Accepted = 0 // all those are set each time
	for _, m := range []proto.Message{&x.event, o, &x.steps} {
		if proto.Size(m) != 0 {
			t.Errorf("something is left: %v", m)
		}
	}
}

// TestRecycledCommandIsEmpty is the same for commands.
func TestRecycledCommandIsEmpty(t *testing.T) {
	b := newBench(t, Defaults())
	b.connect()
	id, span := schemas.ID{1}, [8]byte{2}
	b.pos++
	b.core.Apply(b.pos, b.now, &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, App: "a", User: "ann", TraceId: id[:], ParentSpan: span[:],
		Pushed: &schemas.Pushed{PushId: id[:], Family: 1, Command: 2, Body: []byte("hello"), Ttl: 60_000}})
	_, commands := b.core.Take()
	if len(commands) != 1 {
		t.Fatalf("%d commands, want 1", len(commands))
	}
	m := commands[0]
	b.core.Recycle()
	m.Kind, m.App, m.User, m.Device, m.Term = 0, "", "", "", 0
	m.SetConn(schemas.ConnID{})
	if proto.Size(m) != 0 {
		t.Errorf("something is left: %v", m)
	}
}
