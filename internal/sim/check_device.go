package sim

import (
	"slices"

	"waybill/schemas"
)

// resumed: the device reads which gap its replay has.
func (c *check) resumed(d *device, f frame) {
	untold := slices.DeleteFunc(c.gaps[d.index], func(pos schemas.Position) bool {
		return f.gap != nil && uint64(pos) > f.gap.From && uint64(pos) <= f.gap.To
	})
	if c.gaps[d.index] = untold; !f.gap.GetAdopt() && len(untold) > 0 && untold[0] < f.pos {
		c.w.fail("device %s is told that it has all up to %v, and %v overflowed", d.name, f.pos, untold)
	}
}

// handle is the application: each push once and in order, while its storage
// lives.
func (c *check) handle(d *device, f frame) {
	w := c.w
	w.stats.Handled++
	if w.show {
		w.say("device %s handles %v (%s)", d.name, f.pos, short(f.id))
	}
	if slices.Contains(d.storage.seen, f.id) && !c.newUnder(f) {
		w.fail("the application of %s sees %s twice", d.name, short(f.id))
	}
	if f.pos <= d.last {
		w.fail("the application of %s sees %v after %v", d.name, f.pos, d.last)
	}
	c.inOrder(d, f)
	if only := w.log[f.pos.Offset()].event.Device; only != "" && only != d.name {
		w.fail("%v is for %s and is handled by %s", f.pos, only, d.name)
	}
	d.storage.seen, d.last = append(d.storage.seen, f.id), f.pos
	*at(&c.handled[d.index], f.pos) = true
	for _, who := range []int{d.index, whole} {
		if class := *at(&c.ends[who], f.pos); class == schemas.Class_CLASS_WITHDRAWN || class == schemas.Class_CLASS_LOST {
			w.fail("%v was %s for %s and is handled", f.pos, class.Word(), w.called(who))
		}
	}
}

// newUnder: what is pushed under a drawn id after its push has ended is a new
// push. It may have been released since.
func (c *check) newUnder(f frame) bool {
	pushed := f.pos
	if r := c.w.log[f.pos.Offset()].event.Released; r != nil {
		pushed = schemas.Position(r.Position)
	}
	return slices.Contains(c.anew, pushed)
}

// inOrder: before a push is handled, the device has handled every older one that
// it is owed on that connection, or the log says how that one ended.
func (c *check) inOrder(d *device, f frame) {
	u := c.state.Users[userKey]
	i := u.Device(d.name)
	if i < 0 || d.conn == nil || u.Devices[i].Conn != d.conn.id() {
		return // its debts are being counted anew
	}
	for _, p := range u.Pushes {
		if p.Pos >= f.pos {
			return
		}
		if cp := p.Copy(i); cp.Open() && !cp.Acked && p.Pos > u.Devices[i].Base && !*at(&c.handled[d.index], p.Pos) {
			c.w.fail("the application of %s sees %v before %v, which it is owed", d.name, f.pos, p.Pos)
		}
	}
}

// beginsWith: the device says received.
func (c *check) beginsWith(d *device, pos schemas.Position) {
	if pos > 0 && d.conn != nil {
		c.poisoned[d.index][begun{d.conn, pos}] = struct{}{}
	}
}

// poison: a push is given up only after the device has begun with it, and not
// finished, on five connections.
func (c *check) poison(who int, pos schemas.Position) {
	n := 0
	for b := range c.poisoned[who] {
		if b.pos == pos {
			n++
		}
	}
	if n < poisonAfter {
		c.w.fail("%v is given up as poison for %s, which has begun with it on %d connections", pos, c.w.called(who), n)
	}
}

// noteGivenUp: at a connected, what the log has counted as poison until then.
func (c *check) noteGivenUp(e *schemas.Event) {
	if e.Connected == nil {
		return
	}
	u, conn := c.state.Users[userKey], c.w.connOf(e.Conn())
	for _, p := range u.Pushes {
		if cp := p.Copy(u.Device(e.Device)); cp.Open() && cp.Tries >= poisonAfter {
			conn.givenUp = append(conn.givenUp, p.Pos)
		}
	}
}

// written: what was given up is not written again.
func (c *check) written(conn *conn, m *schemas.Command) {
	if pos := schemas.Position(m.Position); m.Kind == schemas.CommandKind_COMMAND_KIND_PUSH && slices.Contains(conn.givenUp, pos) {
		c.w.fail("%v has crashed the application of %s %d times and is written again", pos, conn.dev.name, poisonAfter)
	}
}

// poisonAfter is said in docs/delivery.md.
const poisonAfter = 5

// kicked: the device was told that its session is over.
func (c *check) kicked(conn *conn) {
	if !slices.Contains(c.ended, schemas.IDFrom(conn.hello.Session)) {
		c.w.fail("device %s was kicked though nobody ended its session", conn.dev.name)
	}
}

// inFlight: no more unread pushes on a connection than its window, but for
// those that have ended or that an older connection acknowledged.
func (c *check) inFlight(conn *conn) {
	window := int(conn.hello.Connected.Limits.Window)
	if window == 0 {
		window = c.w.settings.Window
	}
	n := 0
	for i := range conn.down {
		if f := &conn.down[i]; f.kind == pushFrame && c.owed(conn.dev.name, f.pos) {
			n++
		}
	}
	if n > window {
		c.w.fail("%d pushes in flight to %v, its window is %d", n, conn.id(), window)
	}
}

// owed says that the device has to acknowledge the push, as far as the log says.
func (c *check) owed(device string, pos schemas.Position) bool {
	u := c.state.Users[userKey]
	p, i := u.Push(pos), u.Device(device)
	return p != nil && i >= 0 && p.Copy(i).Open() && !p.Copy(i).Acked
}
