package sim

import (
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// whole is the index of the push as a whole, beside those of the devices.
const whole = 2

// check reads the log as it grows, and knows what the devices really did.
type check struct {
	w *world
	reader
	ends    [3][]schemas.Class              // by device or whole, then offset
	handled [2][]bool                       // by device, then offset
	ended   []schemas.ID                    // sessions that a decision named
	logins  map[schemas.ID]schemas.Position // where each session's login stands
	newest  [2]schemas.Position             // login of the newest session that a device has had
	late    reader                          // started from a snapshot on the way
	gaps    [2][]schemas.Position
}

func newCheck(w *world) *check {
	return &check{w: w, reader: newReader(), logins: make(map[schemas.ID]schemas.Position)}
}

// read takes the newest record of the log.
func (c *check) read() {
	raw := c.w.log[c.next].event
	pos, r, fresh := c.take(c.w)
	if !fresh {
		return
	}
	if c.alive(r.event) {
		c.decided(raw)
	}
	before := c.route(raw.Device)
	c.state.Apply(pos, r.at, r.event)
	c.superseded(before, c.route(raw.Device))
	c.revived(pos, raw)
	if err := c.state.CheckInvariants(); err != nil {
		c.w.fail("fold: %v", err)
	}
	if c.w.rnd.IntN(64) == 0 && c.w.projector.asOf > 0 {
		c.late = c.w.projector.load(0)
	}
}

// alive says that the event is no decision of an older term.
func (c *check) alive(e *schemas.Event) bool {
	return e.Term == 0 || schemas.Position(e.Term) == c.state.Term
}

// route of the device, as far as the log says.
func (c *check) route(device string) schemas.ConnID {
	u := c.state.Users[userKey]
	if device == "" || u == nil {
		return schemas.ConnID{}
	}
	if i := u.Device(device); i >= 0 {
		return u.Devices[i].Conn
	}
	return schemas.ConnID{}
}

// superseded: within one install no older connection may replace a newer one.
func (c *check) superseded(before, after schemas.ConnID) {
	if before == after || before.IsZero() || after.IsZero() {
		return
	}
	x, y := c.w.connOf(before).hello.Connected, c.w.connOf(after).hello.Connected
	if schemas.IDFrom(x.Install) == schemas.IDFrom(y.Install) && y.Count < x.Count {
		c.w.fail("%v (count %d) supersedes %v (count %d)", after, y.Count, before, x.Count)
	}
}

// revived: no session comes back that has ended, be it by a newer login of its
// device. Where a session's login stands is known here from the log alone.
func (c *check) revived(pos schemas.Position, e *schemas.Event) {
	if e.Connected == nil {
		return
	}
	session := schemas.IDFrom(e.Session)
	if e.Connected.Login {
		c.logins[session] = pos
	}
	if c.route(e.Device) != e.Conn() {
		return
	}
	at, newest := c.logins[session], &c.newest[c.w.deviceIndex(e.Device)]
	switch {
	case at < *newest:
		c.w.fail("an old ticket is revived: device %s is back with %s of %v, and has logged in at %v", e.Device, short(session), at, *newest)
	case slices.Contains(c.ended, session):
		c.w.fail("an old ticket is revived: device %s is back with %s, which has ended", e.Device, short(session))
	}
	*newest = at
}

func (c *check) decided(e *schemas.Event) {
	switch {
	case e.Kicked != nil:
		c.over(e, e.Kicked.Session)
		if k := c.w.connOf(e.Conn()); k != nil && !k.resumed {
			c.w.fail("kicked by a device that never resumed")
		}
	case e.SessionEnded != nil:
		c.over(e, e.SessionEnded.Session)
	case e.RouteEnded != nil:
		c.w.stats.Reasons[e.RouteEnded.Reason]++
	case e.Released != nil:
		if due := c.w.log[schemas.Position(e.Released.Position).Offset()].event.Pushed.DeliverAt; due > c.w.clock {
			c.w.fail("%v is released before its time", schemas.Position(e.Released.Position))
		}
	case e.Outcome != nil:
		c.w.stats.Reasons[e.Outcome.Reason]++
		pos := schemas.Position(e.Outcome.Position)
		if e.Device != "" {
			c.end(c.w.deviceIndex(e.Device), pos, e.Outcome)
		}
		if e.Device == "" || e.Outcome.Whole {
			c.end(whole, pos, e.Outcome)
			c.endsForAll(pos, e.Outcome)
		}
	}
}

// over: a session has ended, and with it what its device was owed.
func (c *check) over(e *schemas.Event, session []byte) {
	id := schemas.IDFrom(session)
	c.ended = append(c.ended, id)
	u := c.state.Users[userKey]
	if i := u.Device(e.Device); i >= 0 && u.Devices[i].Live && u.Devices[i].Session == id {
		c.gaps[c.w.deviceIndex(e.Device)] = nil
	}
}

// end notes one outcome: the first of its identity, and true.
func (c *check) end(who int, pos schemas.Position, o *schemas.Outcome) {
	if p := at(&c.ends[who], pos); *p == 0 {
		*p = o.Class
	} else {
		c.w.fail("two outcomes of %v for %s: %s, then %s", pos, c.w.called(who), p.Word(), o.Class.Word())
	}
	if who != whole && o.Reason == schemas.Reason_REASON_OVERFLOW {
		c.gaps[who] = append(c.gaps[who], pos)
	}
	seen := c.seen(who, pos)
	switch o.Class {
	case schemas.Class_CLASS_DELIVERED:
		if !seen {
			c.w.fail("%v is delivered for %s and was never handled", pos, c.w.called(who))
		}
	case schemas.Class_CLASS_WITHDRAWN, schemas.Class_CLASS_LOST:
		if seen {
			c.w.fail("%v is %s for %s and was handled", pos, o.Class.Word(), c.w.called(who))
		}
	}
}

func (c *check) seen(who int, pos schemas.Position) bool {
	if who == whole {
		return *at(&c.handled[0], pos) || *at(&c.handled[1], pos)
	}
	return *at(&c.handled[who], pos)
}

// at is the place for a position; the slice grows.
func at[T any](list *[]T, pos schemas.Position) *T {
	for i := int(pos.Offset()); len(*list) <= i; {
		var none T
		*list = append(*list, none)
	}
	return &(*list)[pos.Offset()]
}

// endsForAll: a push that ends undelivered as a whole ends for each device
// that is still owed it, which must be told if that was an overflow.
func (c *check) endsForAll(pos schemas.Position, o *schemas.Outcome) {
	u := c.state.Users[userKey]
	if o.Class == schemas.Class_CLASS_DELIVERED || u == nil || u.Push(pos) == nil {
		return
	}
	for i, p := 0, u.Push(pos); i < len(u.Devices); i++ {
		if !p.Copy(i).Open() {
			continue
		}
		d := c.w.deviceIndex(u.Devices[i].Name)
		*at(&c.ends[d], pos) = o.Class
		if o.Reason == schemas.Reason_REASON_OVERFLOW {
			c.gaps[d] = append(c.gaps[d], pos)
		}
	}
}

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
	if slices.Contains(d.storage.seen, f.id) {
		w.fail("the application of %s sees %s twice", d.name, short(f.id))
	}
	if f.pos <= d.last {
		w.fail("the application of %s sees %v after %v", d.name, f.pos, d.last)
	}
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

// commanded looks at what a worker tells a gate.
func (c *check) commanded(k *worker, m *schemas.Command) {
	switch {
	case m.Kind == schemas.CommandKind_COMMAND_KIND_PUSH && k.instants[0].at > m.Expires:
		c.w.fail("%v is dispatched after its ttl", schemas.Position(m.Position))
	case m.Reason == schemas.Reason_REASON_ACK_TIMEOUT:
		c.timedOut(k, m.Conn())
	}
}

// timedOut: a worker's own lag closes nobody. Where it reads before it judges,
// only what it has read counts: a broker's clock that goes back may stamp a
// later record as earlier.
func (c *check) timedOut(k *worker, conn schemas.ConnID) {
	timer, least := c.w.settings.AckTimer.Microseconds(), int64(0)
	c.stopped(k, conn)
	for _, x := range k.instants {
		since := x.at - c.moved(x, conn)
		if since >= timer {
			return
		}
		least = since
	}
	c.w.fail("%v is closed with ack_timeout %d ms after it moved", conn, least/1000)
}

// stopped: nor does a gate that was stopped, as far as the worker can know: what
// its devices acknowledged meanwhile is on its way.
func (c *check) stopped(k *worker, conn schemas.ConnID) {
	g := c.w.connOf(conn).gate
	if g.woken.at == 0 || k.place <= g.woken.index || c.w.compacted(g.woken.index, k.cut) {
		return
	}
	last := k.instants[len(k.instants)-1].at
	if until := g.woken.at + c.w.settings.AckTimer.Microseconds(); last < until {
		c.w.fail("%v is closed with ack_timeout %d ms after its gate woke", conn, (last-g.woken.at)/1000)
	}
}

// moved is when the connection's cursor did so last, as of an instant.
func (c *check) moved(x instant, conn schemas.ConnID) (at int64) {
	var cursor uint64
	seen := c.w.log
	if !c.w.off.has(ReadBeforeJudged) {
		seen = seen[:min(x.read, len(seen))]
	}
	for _, r := range seen {
		if r.at > x.at {
			break
		}
		if a := r.event.Acked; a != nil && r.event.Conn() == conn && a.Cursor > cursor {
			cursor, at = a.Cursor, r.at
		}
	}
	return at
}

// rest checks what must be true when nothing moves any more.
func (c *check) rest(p phase, last int) {
	c.bounded()
	if p != quiet {
		c.ears(p, last)
	}
	if p == late {
		c.accounted()
	}
	if p == reconnect {
		c.agree()
	}
	if p == reconnect && c.w.devices[0].kicked && c.w.devices[1].kicked && !c.w.restored {
		c.w.fail("both devices are kicked")
	}
}

// bounded: nothing is left that somebody had to end.
func (c *check) bounded() {
	u := c.state.Users[userKey]
	if u == nil {
		return
	}
	if len(u.Closing) > 0 {
		c.w.fail("%v should be closed and is not", u.Closing)
	}
	for _, p := range u.Pushes {
		for i := range p.Copies {
			if x := &p.Copies[i]; x.Open() && x.Tries >= 5 {
				c.w.fail("%v was given up and blocks the rest", p.Pos)
			}
		}
	}
}

// ears: whoever wants a connection has one and hears.
func (c *check) ears(p phase, last int) {
	u := c.state.Users[userKey]
	for i, d := range c.w.devices {
		if d.stay || c.w.missing && p == late {
			continue
		}
		j := u.Device(d.name)
		if d.conn == nil || j < 0 || u.Devices[j].Conn != d.conn.id() || !d.conn.resumed {
			c.w.fail("device %s is connected and deaf (%s)", d.name, p)
			return
		}
		if p == lastPush && !c.seen(i, position(last)) {
			c.w.fail("device %s is connected and deaf: the last push does not arrive", d.name)
		}
		if p == reconnect && len(c.gaps[i]) > 0 {
			c.w.fail("device %s was not told that %v overflowed", d.name, c.gaps[i])
		}
	}
}

// accounted: no push without an outcome once its time is over.
func (c *check) accounted() {
	u := c.state.Users[userKey]
	if u == nil {
		return
	}
	for _, p := range u.Pushes {
		c.w.fail("%v has no outcome: %s", p.Pos, p.End.Word())
	}
	for _, x := range u.Waiting {
		c.w.fail("%v waits and is due", x.Push.Pos)
	}
}

// agree: all readers of the log have the same fold, also those that started
// from a snapshot.
func (c *check) agree() {
	w := c.w
	c.same("the projector", w.projector.state)
	c.same("the snapshot", w.projector.load(0).state)
	if c.late.state != nil {
		for c.late.next < len(w.log) {
			if pos, r, fresh := c.late.take(w); fresh {
				c.late.state.Apply(pos, r.at, r.event)
			}
		}
		c.same("a reader that started late", c.late.state)
	}
}

// snapshot: what was stored just now is what was folded.
func (c *check) snapshot() {
	p := c.w.projector
	if err := mailbox.Same(p.state, p.load(c.w.off).state); err != nil {
		c.w.fail("the snapshot differs: %v", err)
	}
}

func (c *check) same(name string, s *mailbox.State) {
	if err := mailbox.Same(c.state, s); err != nil {
		c.w.fail("%s differs: %v", name, err)
	}
}

func (w *world) connOf(id schemas.ConnID) *conn {
	for _, c := range w.conns {
		if c.number != 0 && c.id() == id {
			return c
		}
	}
	return nil
}

func (w *world) deviceIndex(name string) int { return int(name[0] - 'a') }

func (w *world) called(who int) string {
	if who == whole {
		return "the push as a whole"
	}
	return "device " + w.devices[who].name
}
