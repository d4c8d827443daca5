package snapshot

import (
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Snapshot is the fold of one partition and its place in the log, as they are
// stored or have grown since. It belongs to one goroutine.
type Snapshot struct {
	Topic     string
	Partition int32

	State   *mailbox.State
	Serials *eventlog.Serials
	// Next is the offset that the rows are as of, where the log is read on;
	// 0 = nothing of this topic has been read.
	Next int64
	// Found: the partition has a place in the rows. One of a next epoch has none
	// until the former epoch's rows have been carried over; see CarryOver.
	Found bool

	table uint32 // of projection, as it was loaded: a rebuild puts another one there
	ids   idCount
	wipe  bool // the rows are from another log
}

// Cut is what one flush stores: the changes of the log from one offset up to
// before another. It shares nothing with the state that a later event changes.
type Cut struct {
	Topic     string
	Partition int32
	From, To  int64

	// Of the projection's row.
	table    uint32
	term, at int64
	sealed   bool
	wipe     bool
	serials  []byte

	// What moves with acks, and what with connects and ends.
	devices  deviceColumns
	sessions sessionColumns
	routes   routeColumns
	fresh    freshDevices

	// Pushes: without a row, with one, and those whose row goes.
	pushes   pushColumns
	moving   movingColumns
	gone     positions
	debts    debtColumns
	waiting  waitingColumns
	unwaited positions
	lists    listColumns

	// Push ids: those of this cut, or all that are known in place of all rows.
	recent     []recentColumns
	recentAnew bool
	known      int // how many, where they are written anew

	bodies []*mailbox.Push // new ones, whose bodies may go once they are stored
}

// Cut takes the changes of the state since the last cut. The caller has folded
// everything before the offset next, and brought the serials up to it. If the
// cut cannot be stored in the end, the snapshot must be loaded anew.
func (s *Snapshot) Cut(next int64) *Cut {
	c := &Cut{
		Topic: s.Topic, Partition: s.Partition, From: s.Next, To: next, table: s.table,
		term: int64(s.State.Term), sealed: s.State.Sealed, at: s.Serials.Time(), serials: s.Serials.Encode(nil),
		wipe: s.wipe,
	}
	recent := recentColumns{}
	behind := schemas.At(eventlog.Epoch(s.Topic), next)
	for _, x := range s.State.Changes() {
		c.add(&x)
		recent.addChange(&x, behind)
	}
	c.recent = []recentColumns{recent}
	if s.ids.stored+len(recent.users) > s.ids.limit {
		c.recent, c.recentAnew = rewriteRecent(s.State), true
		for i := range c.recent {
			c.known += len(c.recent[i].users)
		}
	}
	return c
}

// add takes one user's changes into the columns of each table.
func (c *Cut) add(x *mailbox.Change) {
	for _, d := range x.Devices {
		if d.New {
			c.fresh.add(x.User, d)
			continue
		}
		c.devices.add(x.User, d)
		if d.Linked {
			c.sessions.add(x.User, d)
			c.routes.add(x.User, d)
		}
	}
	for i, p := range x.Pushes {
		c.debts.addAll(x.User, p, x.New[i])
		if !x.New[i] {
			c.moving.add(x.User, p)
			continue
		}
		c.pushes.add(x.User, p)
		c.bodies = append(c.bodies, p)
	}
	c.gone.addAll(x.User, x.Gone)
	for _, w := range x.Waiting {
		c.waiting.add(x.User, w)
	}
	c.unwaited.addAll(x.User, x.Unwaited)
	if x.Lists {
		c.lists.add(x.User)
	}
}

// Rows is how many rows the cut writes or deletes, about.
func (c *Cut) Rows() int {
	n := c.fresh.rows() + len(c.devices.place) + len(c.sessions.place) + len(c.routes.place) + len(c.routes.gone.place) +
		len(c.pushes.positions) + len(c.moving.positions) + 2*len(c.gone.positions) + len(c.debts.positions) +
		len(c.waiting.positions) + len(c.unwaited.positions) +
		len(c.lists.closing.place) + len(c.lists.tombs.place)
	return n + 1
}

// Stored says that the cut has been committed: the snapshot's rows are as of
// its end, and the bodies of pushes that are stored are let go. A storing
// reader needs them no more; those of waiting pushes stay.
func (s *Snapshot) Stored(c *Cut) {
	s.Next, s.wipe = c.To, false
	if c.recentAnew {
		s.ids.rewritten(c.known)
	} else if len(c.recent) > 0 {
		s.ids.stored += len(c.recent[0].users)
	}
	for _, p := range c.bodies {
		p.Body = nil
	}
}

// Reset forgets the fold: the log that it came from is no more, and another one
// is read from its beginning. The next flush deletes the partition's rows.
func (s *Snapshot) Reset() {
	s.State, s.Serials = mailbox.New(), new(eventlog.Serials)
	s.ids.rewritten(0)
	s.wipe = true
}

// DropBodies lets go the bodies of all stored pushes: for a storing reader that
// has just loaded them.
func (s *Snapshot) DropBodies() {
	for _, u := range s.State.Users {
		for _, p := range u.Pushes {
			p.Body = nil
		}
	}
}
