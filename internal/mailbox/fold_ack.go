package mailbox

import "waybill/schemas"

// sent: a gate handed the push to a socket. The ack timer runs from here.
func (u *User) sent(at int64, e *schemas.Event) {
	b, i := e.Sent, u.Device(e.Device)
	if b == nil || i < 0 {
		return
	}
	p := u.Push(schemas.Position(b.Position))
	if p == nil {
		return
	}
	c := p.Copy(i)
	c.reported(b.Attempt, b.Dispatched, e.Conn(), u.Devices[i].Conn)
	if c.Sent == 0 {
		c.Sent = e.Time
	}
	if u.Devices[i].Conn == e.Conn() {
		c.SentAt = at
	}
	u.note(p)
}

// reported notes what a gate said of an attempt. Late words about another
// connection do not hide those about the device's route.
func (c *Copy) reported(attempt uint32, dispatched int64, conn, route schemas.ConnID) {
	if c.Dispatched == 0 {
		c.Dispatched = dispatched
	}
	if conn == route || attempt >= c.Attempt && (c.AttemptConn != route || route.IsZero()) {
		c.AttemptConn = conn
	}
	c.Attempt = max(c.Attempt, attempt)
}

// acked moves the cursor; it belongs to a connection, not to a push.
func (u *User) acked(pos schemas.Position, at int64, e *schemas.Event) {
	b, i := e.Acked, u.Device(e.Device)
	if b == nil || i < 0 {
		return
	}
	cursor := schemas.Position(b.Cursor)
	u.ackUpTo(i, cursor, pos, at, e)
	d := &u.Devices[i]
	if d.Conn != e.Conn() || cursor > pos {
		return
	}
	// A gate reports only what is news on its connection, so this is progress,
	// also where a device that was restored from a backup repeats an old cursor.
	d.Received, d.Progress, d.changed = schemas.Position(b.Received), at, true
	if cursor >= d.ResumeAt && !d.Resumed {
		d.Resumed, d.changed, u.moved = true, true, true
		d.saidGap()
	}
}

// saidGap: the device has read the resumed that named the gap, as far as it
// lay before it. What overflowed since is said by the next one.
func (d *Device) saidGap() {
	if d.GapTo < d.ResumeAt {
		d.GapFrom, d.GapTo = 0, 0
		return
	}
	d.GapFrom = max(d.GapFrom, d.ResumeAt)
}

// ackUpTo marks everything up to the cursor, which stands in the record at
// pos, as acknowledged by the device. A cursor beyond that record is from
// another log and says nothing about this one.
func (u *User) ackUpTo(i int, cursor, pos schemas.Position, at int64, e *schemas.Event) {
	d := &u.Devices[i]
	if cursor > pos {
		return
	}
	if cursor > d.Cursor {
		d.Cursor, d.Progress, d.changed = cursor, at, true
	}
	for _, p := range u.Unswept(i) {
		if p.Pos > cursor {
			break
		}
		if c := p.Copy(i); c.Open() && !c.Acked {
			c.Acked, c.AckTime, c.AckConn = true, e.Time, e.Conn()
			u.note(p)
		}
	}
	d.swept = max(d.swept, cursor)
}

// Unswept are the pushes beyond what the device has acknowledged since its newest
// connected: none before them waits for its word.
func (u *User) Unswept(i int) []*Push {
	swept := u.Devices[i].swept
	if len(u.Pushes) == 0 || u.Pushes[0].Pos > swept {
		return u.Pushes
	}
	from, _ := u.at(swept + 1)
	return u.Pushes[from:]
}

// opened: a person looked at the push.
func (u *User) opened(e *schemas.Event) {
	b, i := e.Opened, u.Device(e.Device)
	if b == nil || i < 0 {
		return
	}
	if p := u.Push(schemas.Position(b.Position)); p != nil {
		if c := p.Copy(i); c.Opened == 0 {
			c.Opened = e.Time
			u.note(p)
		}
	}
}
