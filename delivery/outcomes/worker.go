package outcomes

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"waybill/internal/eventlog"
)

// appender is what a worker needs of eventlog.Appender.
type appender interface {
	Append(r eventlog.Record, done func(eventlog.Appended, error)) error
}

const (
	// waitingMost is how many records of a partition may wait for topics that are
	// away, of all apps, some 700 bytes each. Then the partition is read no
	// further.
	waitingMost = 8192
	// commitEvery is how much is told again after a crash, in time.
	commitEvery = time.Second
	// tick is how often a worker looks for what is due; it also paces the
	// repetition of what a topic did not take.
	tick = 100 * time.Millisecond
	// awayAfter is how long records wait before somebody is told of it.
	awayAfter = 3 * time.Second
	// drainMost is how long a worker that ends waits for what it has told to be
	// acknowledged; a rebalance waits with it.
	drainMost = 2 * time.Second
	// commitMost bounds one commit.
	commitMost = 5 * time.Second
)

// worker tells the outcomes of one partition, on that partition's goroutine.
type worker struct {
	f    *Feed
	p    *eventlog.Partition
	log  *slog.Logger
	make maker

	next  int64
	state state // as of next

	lanes   map[string]*lane // by app, those that are told
	changed <-chan struct{}  // closed when they may be others
	waiting int              // records in the lanes
	said    int              // of them, to the meters
	away    int              // lanes, as last logged

	reading *stretch      // that what is read now belongs to
	read    []*stretch    // those before it, not committed yet, the oldest first
	wake    chan struct{} // one place; from the callbacks of the appender

	saving    *stretch   // that is being committed; nil = none
	committed chan error // one place: how that ended
	refused   time.Time  // when the newest commit failed
}

// serve is the group's function.
func (f *Feed) serve(ctx context.Context, p *eventlog.Partition) error {
	w := &worker{
		f: f, p: p, log: f.log.With("topic", p.Topic(), "partition", p.Number()),
		make: newMaker(), lanes: make(map[string]*lane), wake: make(chan struct{}, 1), committed: make(chan error, 1),
	}
	defer w.end()
	w.readApps()
	if err := w.former(ctx); err != nil {
		return err
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	p.Working(true)
	return w.run(ctx)
}

// start finds the place to begin: behind what was committed, and not before any
// app's outcomes were asked for. It commits it, so that the place is one.
func (w *worker) start(ctx context.Context) error {
	committed, text, err := w.p.Committed(ctx)
	if err != nil {
		return err
	}
	if w.state, err = decodeState(text); err != nil {
		w.log.Error("the committed state cannot be read: repeats in the log may be told twice", "err", err)
	}
	from, err := w.p.OffsetAt(ctx, w.earliest())
	if err != nil {
		return err
	}
	from = max(from, committed)
	if err := w.p.Start(from, w.state.serials); err != nil {
		return err
	}
	if w.p.Jumped() {
		w.f.meters.jumped()
		w.log.Error("outcomes are missing: the log does not hold what comes next any more", "offset", from)
	}
	w.next = w.p.Offset()
	w.reading = newStretch(w.wake, w.next)
	if w.next == committed {
		return nil
	}
	return w.p.Commit(ctx, w.next, w.state.encode())
}

// earliest time from which on an app is told.
func (w *worker) earliest() int64 {
	first := time.Now().UnixMicro()
	for _, l := range w.lanes {
		first = min(first, l.since)
	}
	return first
}

// run reads until ctx ends.
func (w *worker) run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		var err error
		select {
		case b := <-w.batches():
			err = w.take(b)
		case <-w.wake:
		case end := <-w.committed:
			w.commitEnded(end)
		case <-w.changed:
			w.readApps()
		case <-t.C:
			err = w.retry()
		case <-ctx.Done():
			return w.drain()
		}
		if err == nil {
			err = w.settle()
		}
		if err != nil {
			return err
		}
	}
}

// batches to read; none while too many records wait.
func (w *worker) batches() <-chan eventlog.Batch {
	if w.waiting >= waitingMost {
		w.p.Alive() // it waits for a topic, it is not stuck
		return nil
	}
	return w.p.Batches()
}

// take tells what a batch says.
func (w *worker) take(b eventlog.Batch) error {
	told := tally{}
	for i := range b.Entries {
		x := &b.Entries[i]
		if !w.state.owns(x.Event, x.Position) || !tells(x.Event) {
			continue
		}
		l := w.lanes[x.Event.App]
		if l == nil || x.Time < l.since {
			continue
		}
		before := len(l.parked)
		if err := l.add(w.f.appender, w.make.record(l.topic, x), w.reading); err != nil {
			return fmt.Errorf("tell an outcome: %w", err)
		}
		w.waiting += len(l.parked) - before
		told.count(x.Event)
	}
	w.state.serials.Apply(b)
	w.next = b.Next
	w.f.meters.told(&told)
	return nil
}

// retry tells what waits.
func (w *worker) retry() error {
	for _, l := range w.lanes {
		before := len(l.parked)
		if before == 0 {
			continue
		}
		if err := l.retry(w.f.appender); err != nil {
			return fmt.Errorf("tell an outcome: %w", err)
		}
		w.waiting += len(l.parked) - before
	}
	return nil
}

// readApps opens lanes for apps that are to be told and closes those of others.
func (w *worker) readApps() {
	since, changed := w.f.cfg.Apps()
	w.changed = changed
	for app, at := range since {
		if w.lanes[app] == nil {
			w.lanes[app] = &lane{app: app, topic: eventlog.OutcomesTopic(app)}
		}
		w.lanes[app].since = at
	}
	for app, l := range w.lanes {
		if since[app] > 0 {
			continue
		}
		if w.waiting -= l.drop(); l.away {
			w.away--
		}
		delete(w.lanes, app)
	}
}

// say says which apps wait, once.
func (w *worker) say() {
	w.f.meters.wait(w.waiting - w.said)
	w.said = w.waiting
	if w.waiting == 0 && w.away == 0 {
		return
	}
	for _, l := range w.lanes {
		switch away := len(l.parked) > 0 && time.Since(l.waits) > awayAfter; {
		case away && !l.away:
			w.log.Warn("outcomes of an app wait: its topic takes none", "app", l.app, "waiting", len(l.parked))
			l.away = true
			w.away++
		case l.away && len(l.parked) == 0:
			w.log.Info("outcomes of an app are told again", "app", l.app)
			l.away = false
			w.away--
		}
	}
}

// end is for a worker that will not be back.
func (w *worker) end() { w.f.meters.wait(-w.said) }
