package delivery

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/control"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// list is revocations as a view of the control topic gives them.
type list struct{ now atomic.Pointer[listed] }

type listed struct {
	all     []control.Revocation
	changed chan struct{}
}

func newList() *list {
	l := &list{}
	l.now.Store(&listed{changed: make(chan struct{})})
	return l
}

func (l *list) add(r control.Revocation) {
	was := l.now.Load()
	l.now.Store(&listed{append(was.all[:len(was.all):len(was.all)], r), make(chan struct{})})
	close(was.changed)
}

func (l *list) get() ([]control.Revocation, <-chan struct{}) {
	now := l.now.Load()
	return now.all, now.changed
}

// TestRevokedWhileConnected: a worker that comes to know of a revocation ends the
// session and has its connection closed.
func TestRevokedWhileConnected(t *testing.T) {
	w, revocations := newWorld(t), newList()
	w.workerWith(Config{
		Settings: Defaults(), Revocations: revocations.get,
		Load: func(context.Context, string, int32) (*snapshot.Snapshot, error) { return empty() },
	})
	w.connect("ann", 1, w.gate(1))
	w.awaitCommand(1, schemas.CommandKind_COMMAND_KIND_RESUMED)
	revocations.add(control.Revocation{App: "freight", User: "bob", Before: time.Now().UnixMicro(), Reason: schemas.Reason_REASON_REVOKED})
	revocations.add(control.Revocation{App: "freight", User: "ann", Before: time.Now().UnixMicro(), Reason: schemas.Reason_REASON_REVOKED})
	if e := w.awaitEvent(schemas.Kind_KIND_SESSION_ENDED).Event; e.User != "ann" || e.SessionEnded.Reason != schemas.Reason_REASON_REVOKED {
		t.Errorf("%s: the session of %s ended", e.SessionEnded.Reason.Word(), e.User)
	}
	if m := w.awaitCommand(1, schemas.CommandKind_COMMAND_KIND_CLOSE); m.Reason != schemas.Reason_REASON_REVOKED {
		t.Errorf("closed with %s", m.Reason.Word())
	}
}

// TestUnreachedInTime: nothing comes into the log, and yet it is said.
func TestUnreachedInTime(t *testing.T) {
	w, set := newWorld(t), Defaults()
	set.Policy.UnreachedAfter = 100 * time.Millisecond
	w.workerWith(Config{
		Settings: set, Load: func(context.Context, string, int32) (*snapshot.Snapshot, error) { return empty() },
	})
	pos := w.push("nobody")
	e := w.awaitEvent(schemas.Kind_KIND_UNREACHED)
	if e.Event.User != "nobody" || schemas.Position(e.Event.Unreached.Position) != pos {
		t.Errorf("%v of %s, want %v", schemas.Position(e.Event.Unreached.Position), e.Event.User, pos)
	}
}
