package delivery

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rows is a world with a Postgres into which the log is folded, and with a worker
// that lets users go after 100 ms.
type rows struct {
	*world
	pool  *pgxpool.Pool
	away  atomic.Bool   // Postgres does not answer the worker
	asked chan string   // a user was wanted; nobody has to listen
	gone  chan struct{} // users have left memory
	stop  func()        // the worker
}

func newRows(t *testing.T) *rows {
	r := &rows{world: newWorld(t), asked: make(chan string, 100), gone: make(chan struct{}, 100)}
	r.pool = pgtest.Pool(t, pgtest.Migrated(t))
	r.run(func(ctx context.Context) error {
		return r.log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.EventsTopic, Serve: r.project})
	})
	cfg := r.config()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.evicted = func(int) { r.gone <- struct{}{} }
	r.stop = r.run(d.Run)
	r.awaitEvent(schemas.Kind_KIND_CLAIMED)
	return r
}

func (r *rows) config() Config {
	set := Defaults()
	set.Idle, set.Policy.UnreachedAfter = 100*time.Millisecond, 0
	return Config{
		Log: r.faulty(), Node: "delivery-1@test", Session: 6 * time.Second, Settings: set,
		Load: func(ctx context.Context, topic string, partition int32) (*snapshot.Snapshot, error) {
			return snapshot.LoadPresent(ctx, r.pool, topic, partition, set.Mailbox)
		},
		Users: func(ctx context.Context, topic string, partition int32, wants []mailbox.Want) (*snapshot.Users, error) {
			for _, w := range wants {
				r.asked <- w.Key
			}
			if r.away.Load() {
				return nil, errNoDatabase
			}
			return snapshot.LoadUsers(ctx, r.pool, topic, partition, wants)
		},
	}
}

// project stores each batch, as the session projector does.
func (r *rows) project(ctx context.Context, p *eventlog.Partition) error {
	s, err := snapshot.Load(ctx, r.pool, p.Topic(), p.Number())
	if err != nil {
		return err
	}
	s.State.Track()
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for {
		b, err := p.Next(ctx)
		if err != nil {
			return nil
		}
		for _, e := range b.Entries {
			s.State.Apply(e.Position, e.Time, e.Event)
		}
		c := s.Cut(b.Next)
		err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error { return snapshot.Flush(ctx, tx, c) })
		switch {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		s.Stored(c)
	}
}

// leave: the user was connected, and is away until it has left memory.
func (r *rows) leave(user string, gate uint32, incarnation uint64) {
	conn := r.connect(user, gate, incarnation)
	r.awaitCommand(gate, cmdResumed)
	e := r.event(schemas.Kind_KIND_DISCONNECTED, user)
	e.SetConn(conn)
	e.Disconnected = &schemas.Disconnected{Reason: schemas.Reason_REASON_PEER_CLOSED}
	r.add(eventlog.EventsTopic, schemas.Key("freight", user), e)
	r.awaitGone()
}

func (r *rows) awaitGone() {
	r.t.Helper()
	select {
	case <-r.gone:
	case <-time.After(patience):
		r.t.Fatal("nobody has left memory")
	}
}

func (r *rows) awaitAsked() string {
	r.t.Helper()
	select {
	case key := <-r.asked:
		return key
	case <-time.After(patience):
		r.t.Fatal("nobody was wanted")
		return ""
	}
}

// TestAbsentUserComesBack: a push about a user who has left memory, and then its
// device, find all that there was.
func TestAbsentUserComesBack(t *testing.T) {
	r := newRows(t)
	gate := r.gate(1)
	r.leave("ann", 1, gate)
	first := r.push("ann")
	if key := r.awaitAsked(); key != "freight/ann" {
		t.Errorf("%s was wanted", key)
	}
	r.awaitGone() // with the push that it is owed
	second := r.push("ann")
	conn := r.connect("ann", 1, gate)
	for _, want := range []schemas.Position{first, second} {
		if m := r.awaitCommand(1, cmdPush); m.Position != uint64(want) || m.Conn() != conn || m.Again {
			t.Errorf("the command is %v, want the push at %v for the first time", m, want)
		}
	}
	r.acked("ann", conn, second)
	if o := r.awaitEvent(schemas.Kind_KIND_OUTCOME).Event.Outcome; o.Position != uint64(first) || o.Class != schemas.Class_CLASS_DELIVERED {
		t.Errorf("the first outcome is %v", o)
	}
}

// TestAbsentUserIsLate: a push ends in time although its user has left memory and
// nothing is read.
func TestAbsentUserIsLate(t *testing.T) {
	r := newRows(t)
	id := schemas.NewID(time.Now())
	e := r.event(schemas.Kind_KIND_PUSHED, "ann")
	e.Device, e.Pushed = "", &schemas.Pushed{PushId: id[:], Family: 1, Ttl: 4000}
	pos := r.add(eventlog.EventsTopic, schemas.Key("freight", "ann"), e)
	r.awaitGone()
	o := r.awaitEvent(schemas.Kind_KIND_OUTCOME).Event.Outcome
	if o.Position != uint64(pos) || o.Reason != schemas.Reason_REASON_NEVER_CONNECTED {
		t.Errorf("the outcome is %v", o)
	}
}

// TestPostgresAwayHoldsUpTheAbsentAlone: who is in memory is served meanwhile.
func TestPostgresAwayHoldsUpTheAbsentAlone(t *testing.T) {
	r := newRows(t)
	gate := r.gate(1)
	r.leave("ann", 1, gate)
	r.away.Store(true)
	conn := r.connect("ann", 1, gate)
	r.awaitAsked()
	bob := r.connect("bob", 2, r.gate(2))
	pos := r.push("bob")
	if m := r.awaitCommand(2, cmdPush); m.Conn() != bob || m.Position != uint64(pos) {
		t.Errorf("bob's gate is told %v", m)
	}
	r.awaitAsked() // still
	r.away.Store(false)
	if m := r.awaitCommand(1, cmdResumed); m.Conn() != conn {
		t.Errorf("ann's gate is told %v", m)
	}
}

// TestTakeoverLeavesThemAway: a worker that takes over has nobody in memory of
// whom nothing is to be said, and serves them all the same.
func TestTakeoverLeavesThemAway(t *testing.T) {
	r := newRows(t)
	gate := r.gate(1)
	r.leave("ann", 1, gate)
	cfg := r.config()
	snap, err := cfg.Load(t.Context(), eventlog.EventsTopic, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, m := len(snap.State.Users), snap.State.Absent(); n != 0 || m != 1 {
		t.Errorf("%d users are present, %d absent, want 0 and 1", n, m)
	}
	r.stop()
	r.workerWith(cfg)
	r.awaitEvent(schemas.Kind_KIND_CLAIMED)
	conn := r.connect("ann", 1, gate)
	if m := r.awaitCommand(1, cmdResumed); m.Conn() != conn {
		t.Errorf("ann's gate is told %v", m)
	}
}
