package delivery

import (
	"context"
	"time"

	"waybill/internal/mailbox"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// recall is how an owner brings users back from Postgres, and learns how far the
// rows are. One question is under way at a time, on a goroutine of its own: the
// partition goes on meanwhile, only those who are wanted wait.
type recall struct {
	answers chan usersAnswer // from that goroutine; one place
	asking  bool
	pause   time.Time     // no question before
	wait    time.Duration // after the newest failure; 0 = it was answered
	howFar  time.Time     // no question before that wants nobody
	asOf    schemas.Position

	present, absent int64 // as the meters were told
}

type usersAnswer struct {
	wants []mailbox.Want
	users *snapshot.Users
	err   error
	took  time.Duration
}

const (
	// mostWants in one question: some ms of Postgres' time.
	mostWants = 500
	// mostGoing bounds who leaves memory between two records.
	mostGoing = 256
	// askFor is the longest that one question may take.
	askFor = 10 * time.Second
	// rowsAgain is the pause where rows are too old, rowsLater the longest where
	// Postgres is away, askHowFar the one between questions that want nobody.
	rowsAgain = 100 * time.Millisecond
	rowsLater = 3 * time.Second
	askHowFar = 2 * time.Second
)

// recallUsers asks for the rows of whom the core wants, and lets others go.
func (o *owner) recallUsers(ctx context.Context) {
	r := &o.recall
	if o.w.cfg.Users == nil {
		return
	}
	if n := o.core.Evict(o.clock.now(), r.asOf, mostGoing); n > 0 && o.w.evicted != nil {
		o.w.evicted(n)
	}
	now := time.Now()
	if r.asking || now.Before(r.pause) || !o.core.Wanted() && (now.Before(r.howFar) || !o.core.Crowded(o.clock.now())) {
		return
	}
	wants := o.core.Wants(mostWants)
	r.asking, r.howFar = true, now.Add(askHowFar)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, askFor)
		defer cancel()
		users, err := o.w.cfg.Users(ctx, o.p.Topic(), o.p.Number(), wants)
		r.answers <- usersAnswer{wants, users, err, time.Since(now)}
	}()
}

// recalled takes an answer.
func (o *owner) recalled(a usersAnswer) {
	r := &o.recall
	r.asking = false
	if a.err != nil {
		if o.core.Unanswered(a.wants); r.wait == 0 {
			o.log.Warn("users cannot be read again: they wait, everybody else goes on", "wanted", len(a.wants), "err", a.err)
		}
		r.wait = min(max(2*r.wait, rowsAgain), rowsLater)
		r.pause = time.Now().Add(r.wait)
		return
	}
	if r.wait > 0 {
		o.log.Info("users are read again", "wanted", len(a.wants))
	}
	r.wait, r.asOf = 0, a.users.AsOf
	back := o.core.Return(a.users.Rows, a.users.AsOf)
	if len(a.users.Rows) == 0 {
		o.core.Unanswered(a.wants) // nothing is projected
	}
	if back < len(a.wants) {
		r.pause = time.Now().Add(rowsAgain)
	}
	o.w.meters.recalled(back, a.took)
}

// countUsers tells the meters who is in memory and who is not.
func (o *owner) countUsers(present, absent int) {
	r := &o.recall
	o.w.meters.mailboxes(int64(present)-r.present, int64(absent)-r.absent)
	r.present, r.absent = int64(present), int64(absent)
}
