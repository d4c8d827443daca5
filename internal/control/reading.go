package control

import (
	"context"
	"math"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

const (
	// askEvery is how often a view asks where the topic ends.
	askEvery = time.Second
	// answerWithin bounds one question; then it is asked again.
	answerWithin = 5 * time.Second
)

// Behind is how long ago the view was surely complete: what was in the topic
// then is in force here. It is about a second where all is well, grows while
// the topic or its end cannot be read, and is as long as can be before Ready.
func (v *View) Behind() time.Duration {
	at := v.fresh.Load()
	if at == nil {
		return math.MaxInt64
	}
	// By both clocks: the monotonic one stands still while a machine sleeps.
	now := time.Now()
	return max(0, now.Sub(*at), now.Round(0).Sub(at.Round(0)))
}

// reading is one pass through the topic, from its beginning on.
type reading struct {
	v       *View
	p       *eventlog.Partition
	read    *records
	next    int64     // offset to read next
	began   int64     // end of the topic when the pass began: before that, nothing is shown
	wall    wall      // the newest answer, until it has been reached
	answers chan wall // one place, one asker
	asked   bool      // an answer is under way, or stands in wall
}

// wall: once everything below end has been read, the view is as new as asked.
type wall struct {
	asked time.Time
	end   int64
	err   error
}

// serve reads from the beginning. What was known stays in force until the end
// has been reached again.
func (v *View) serve(ctx context.Context, p *eventlog.Partition) error {
	first := ask(ctx, p)
	if first.err != nil {
		return first.err
	}
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	r := &reading{v: v, p: p, read: newRecords(), next: p.Offset(), began: first.end, wall: first, asked: true, answers: make(chan wall, 1)}
	return r.run(ctx)
}

// ask where the topic ends now.
func ask(ctx context.Context, p *eventlog.Partition) wall {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	w := wall{asked: time.Now()}
	w.end, w.err = p.End(ctx)
	return w
}

// run reads until ctx ends.
func (r *reading) run(ctx context.Context) error {
	t := time.NewTicker(askEvery)
	defer t.Stop()
	r.show()
	for {
		select {
		case batch := <-r.p.Batches():
			for i := range batch.Entries {
				r.read.fold(&batch.Entries[i])
			}
			r.next = batch.Next
			r.show()
		case r.wall = <-r.answers:
			r.reach()
		case <-t.C:
			if !r.asked {
				r.asked = true
				go func() { r.answers <- ask(ctx, r.p) }()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// show puts in force what has been read, once that is all that there was.
func (r *reading) show() {
	if r.next < r.began {
		return
	}
	r.read.asOf = schemas.At(eventlog.Epoch(r.p.Topic()), r.next-1)
	r.v.show(r.read)
	r.reach()
	r.v.once.Do(func() { close(r.v.ready) })
}

// reach notes how new the view is. A question that was not answered is asked
// again.
func (r *reading) reach() {
	if !r.asked || r.wall.asked.IsZero() || r.wall.err == nil && r.next < r.wall.end {
		return
	}
	if at := r.wall.asked; r.wall.err == nil {
		r.v.fresh.Store(&at)
	}
	r.wall, r.asked = wall{}, false
}
