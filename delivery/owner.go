package delivery

import (
	"context"
	"log/slog"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// owner drives the core of one partition: it reads, lets the core decide, and
// appends what the core puts out. One goroutine owns it.
type owner struct {
	w    *Worker
	p    *eventlog.Partition
	log  *slog.Logger
	core *Core
	self schemas.ID
	next int64 // offset to read next

	out   *outbox
	tally tally // of outcomes, for the meters
	clock brokerClock
	gates *gatesView
	apps  <-chan struct{} // closed when the apps' policies may be others
	lists <-chan struct{} // closed when the revocations may be others
	ends  chan barrier    // from the goroutine that asks for the log's end; one place, one asker
	away  bool            // the log did not answer the newest question
	asked bool            // an answer is under way, or waits in wall
	wall  *barrier        // the answer, until everything below it has been read
	turn  time.Time       // when the loop came round last
	pause time.Time       // no question before: the newest was not answered
	proof proof           // that the partition takes writes
	full  bool            // the partition takes no decisions

	ready chan struct{} // closed: for whom nothing is to be waited for

	recall recall // users who are not in memory

	taken   <-chan struct{}  // closed when the partition is given to another worker
	handed  bool             // it was
	reclaim <-chan time.Time // runs while overtaken, or until a loss is made good
	repair  bool             // the latter
	active  bool             // as last logged

	behind sweeping // the seal, in the batch that had it
}

// barrier: once everything below end has been read, the core may be told that
// it is at least as late as time.
type barrier struct {
	end  int64
	time int64
	err  error
	late bool // the answer took so long that the log was away
}

// flushEvery bounds how many records are folded before what they caused is
// appended: a long batch must not delay its first command.
const flushEvery = 128

// idle is how long the owner waits when there is nothing to read: the
// granularity of its timers.
const idle = 50 * time.Millisecond

func (w *Worker) newOwner(p *eventlog.Partition, snap *snapshot.Snapshot, log *slog.Logger) *owner {
	self := schemas.NewID(time.Now())
	ready := make(chan struct{})
	close(ready)
	asOf := schemas.At(eventlog.Epoch(p.Topic()), snap.Next-1)
	return &owner{
		w: w, p: p, log: log, self: self, next: snap.Next,
		core:   NewCore(w.cfg.Settings, self, snap.State, asOf),
		out:    newOutbox(log, w.decisions, w.commands).in(p.Topic()),
		gates:  w.gates.subscribe(),
		ends:   make(chan barrier, 1),
		proof:  proof{ends: make(chan tickEnd, 1)},
		recall: recall{answers: make(chan usersAnswer, 1), asOf: asOf},
		ready:  ready,
	}
}

func (o *owner) stop() {
	o.w.gates.unsubscribe(o.gates)
	o.countUsers(0, 0)
}

// run claims the partition and works until it is taken away.
func (o *owner) run(ctx context.Context) error {
	o.taken = o.p.Revoked()
	o.readGates()
	o.readPolicies()
	o.readRevocations()
	o.claim()
	t := time.NewTicker(idle)
	defer t.Stop()
	o.turn = time.Now()
	for {
		var more <-chan struct{}
		if o.core.More() {
			more = o.ready
		}
		select {
		case <-more:
		case b, ok := <-o.batches():
			if !ok {
				return nil
			}
			if o.read(b); o.core.State().Sealed {
				return nil
			}
		case <-o.gates.signal:
			o.readGates()
		case <-o.apps:
			o.readPolicies()
		case <-o.lists:
			o.readRevocations()
		case b := <-o.ends:
			o.wall = &b
		case t := <-o.proof.ends:
			o.tickEnded(t)
		case a := <-o.recall.answers:
			o.recalled(a)
		case <-o.taken:
			o.taken, o.handed = nil, true
		case <-o.reclaim:
			o.reclaim, o.repair = nil, false
			o.claim()
		case <-t.C:
			o.countUsers(len(o.core.State().Users), o.core.State().Absent())
		case <-ctx.Done():
			return nil
		}
		o.woken()
		o.leave()
		o.reach()
		o.prove()
		o.flush()
		o.checkTimers(ctx)
		o.checkClaim()
		if o.former() {
			return nil
		}
		o.recallUsers(ctx)
	}
}

// batches to read; none while the partition takes no decisions: to read on would
// only pile up more.
func (o *owner) batches() <-chan eventlog.Batch {
	if o.full = o.out.decisions.full(o.full); o.full {
		o.p.Alive() // it waits for the log, it is not stuck
		return nil
	}
	return o.p.Batches()
}

// woken: the loop comes round with each tick. If it did not, this process was
// stopped, or the machine, and perhaps the gates with it: what devices said
// meanwhile may not be in the log yet.
func (o *owner) woken() {
	now := time.Now()
	away := now.Sub(o.turn)
	if o.turn = now; away > answersWithin {
		o.log.Warn("the worker was stopped for a while: ack timers get a grace", "seconds", away.Seconds())
		o.core.Grace(o.clock.now())
	}
}

// read folds a batch.
func (o *owner) read(b eventlog.Batch) {
	o.woken()
	if n := len(b.Entries); n > 0 {
		o.clock.observe(b.Entries[n-1].Time)
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Event != nil {
			o.core.Apply(e.Position, e.Time, e.Event)
		}
		if o.core.State().Sealed {
			o.behind = sweeping{b.Entries[i+1:], b.Next}
			return
		}
		if i%flushEvery == flushEvery-1 {
			o.flush()
		}
	}
	o.next = b.Next
	o.core.Passed(schemas.At(eventlog.Epoch(o.p.Topic()), b.Next-1))
	o.w.meters.read(len(b.Entries))
}

func (o *owner) readGates() {
	for _, e := range o.gates.take() {
		o.core.ApplyGate(e.pos, e.time, e.event)
	}
}

func (o *owner) readPolicies() {
	now, changed := o.w.cfg.Policies()
	o.apps = changed
	o.core.SetPolicies(now)
}

func (o *owner) readRevocations() {
	now, changed := o.w.cfg.Revocations()
	o.lists = changed
	o.core.SetRevocations(now)
}

// flush appends what the core has put out.
func (o *owner) flush() {
	decisions, commands := o.core.Take()
	began := time.Now()
	now := began.UnixMicro()
	for _, e := range decisions {
		e.Time, e.Node = now, o.w.cfg.Node
		if e.Kind == schemas.Kind_KIND_OUTCOME {
			o.tally.outcome(e)
		} else {
			o.w.meters.decided(e)
		}
		o.out.decide(e)
	}
	for _, m := range commands {
		m.Time, m.Node = now, o.w.cfg.Node
		if m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
			o.sayClose(m)
		}
		o.out.command(m)
	}
	o.w.meters.commanded(len(commands))
	o.w.meters.ended(&o.tally)
	o.core.Recycle()
	o.out.send(began, o.core)
}

func (o *owner) sayClose(m *schemas.Command) {
	o.w.meters.closed(m.Reason)
	if m.Reason == schemas.Reason_REASON_FLAPPING {
		o.log.Warn("installs take each other's place on one device: the loser must wait",
			"app", m.App, "user", m.User, "device", m.Device, "after", time.Duration(m.After)*time.Millisecond)
	}
}

// claim appends the record that makes the partition this worker's.
func (o *owner) claim() {
	o.out.claim(o.p.Number(), &schemas.Event{
		Kind: schemas.Kind_KIND_CLAIMED, Time: time.Now().UnixMicro(), Node: o.w.cfg.Node,
		Claimed: &schemas.Claimed{Worker: o.self[:]},
	})
}

// former says that another worker has the partition, and that nothing is left to
// do here: it acts until it reads the other's claim, so that nobody waits for one
// that is loading. It claims no more.
func (o *owner) former() bool {
	over := o.handed && (o.reclaim != nil || !o.core.Active())
	if over {
		o.log.Info("the partition is another worker's")
	}
	return over
}

// checkClaim claims again when a newer claim has been read while the partition
// is still assigned here, or when a record of its own was refused for good.
func (o *owner) checkClaim() {
	if o.core.Active() != o.active {
		o.active = o.core.Active()
		o.p.Working(o.active)
		o.log.Info("partition claim read", "active", o.active, "term", o.core.term)
	}
	switch {
	case o.out.decisions.lost.Swap(false) && !o.core.Overtaken():
		o.log.Warn("a decision or a claim was refused: all is said again under another claim")
		o.reclaim, o.repair = time.After(lostPause), true
	case o.core.Overtaken() && o.reclaim == nil:
		o.reclaim = time.After(o.w.reclaimAfter())
	case o.core.Active() && !o.repair:
		o.reclaim = nil
	}
}

// checkTimers asks for the log's end when a deadline has passed by the
// broker's clock: it is judged only when everything up to that end has been
// read, so that this worker's own lag ends nothing. A log that is away is left
// alone for a tick: it may say so at once.
func (o *owner) checkTimers(ctx context.Context) {
	now := o.clock.now()
	if o.asked || time.Now().Before(o.pause) || !o.core.Deadline(now) {
		return
	}
	o.asked = true
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		began := time.Now()
		end, err := o.p.End(ctx)
		o.ends <- barrier{end, now, err, time.Since(began) > answersWithin}
	}()
}

// reach judges the timers once enough has been read.
func (o *owner) reach() {
	switch {
	case o.wall == nil || o.wall.err == nil && o.next < o.wall.end:
		return
	case o.wall.err == nil:
		if o.away || o.wall.late {
			o.core.Grace(o.clock.now())
		}
		o.core.Advance(inMillis(o.wall.time))
	default:
		o.pause = time.Now().Add(idle)
	}
	o.away = o.wall.err != nil
	o.wall, o.asked = nil, false
}

// answersWithin is how soon a log that is there says where it ends.
const answersWithin = time.Second

// inMillis is a broker time before which nothing can be appended any more:
// append times are whole milliseconds, and the current one is not over.
func inMillis(micros int64) int64 { return micros/1000*1000 - 1000 }
