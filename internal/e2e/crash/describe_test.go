package crash

import (
	"testing"

	"waybill/schemas"
)

func TestDescribe(t *testing.T) {
	conn := schemas.ConnID{Gate: 2, Incarnation: 17, Number: 5}
	acked := &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Device: "phone", Node: "gate-2@host", Acked: &schemas.Acked{Cursor: 8}}
	acked.SetConn(conn)
	outcome := &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Term: 3, Outcome: &schemas.Outcome{
		Position: 8, Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED,
	}}
	for want, e := range map[string]*schemas.Event{
		"acked, of phone, on g2.17.5, cursor 0.7, by gate-2@host":           acked,
		"outcome, term 0.2, position 0.7, is lost/expired, as a whole true": outcome,
		"pushed, name order-1, ttl ms 5000":                                 {Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{Name: "order-1", Ttl: 5000}},
	} {
		if got := describe(e); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	m := &schemas.Command{Kind: schemas.CommandKind_COMMAND_KIND_PUSH, Position: 8, Previous: 3, Attempt: 1, Term: 3}
	m.SetConn(conn)
	const want = "push, on g2.17.5, position 0.7, previous 0.2, attempt 1, term 0.2"
	if got := describeCommand(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
