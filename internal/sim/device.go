package sim

import (
	"slices"

	"waybill/client"
	"waybill/schemas"
)

// frame from a gate to a device.
type frame struct {
	kind   frameKind
	pos    schemas.Position
	id     schemas.ID
	again  bool
	size   int
	gap    *schemas.Gap
	reason schemas.Reason
	after  int64 // of a close: milliseconds to wait
}

type frameKind uint8

const (
	welcome frameKind = iota
	pushFrame
	resumedFrame
	closed
)

func frameOf(m *schemas.Command) frame {
	f := frame{kind: pushFrame, pos: schemas.Position(m.Position), id: schemas.IDFrom(m.PushId), again: m.Again, size: pushPrefix + len(m.Body), gap: m.Gap}
	if m.Kind == schemas.CommandKind_COMMAND_KIND_RESUMED {
		f.kind = resumedFrame
	}
	return f
}

const pushPrefix = 24 // bytes of a push frame before its body

// upFrame from a device to its gate.
type upFrame struct {
	kind             upKind
	cursor, received uint64
}

type upKind uint8

const (
	hello upKind = iota
	ackFrame
	heartbeat
	logout
)

func (f upFrame) to(c *conn) {
	switch {
	case f.kind == hello:
		c.enter()
	case !c.inTable:
	case f.kind == ackFrame:
		c.acknowledge(f.cursor, f.received)
	case f.kind == heartbeat:
		c.acknowledge(f.cursor, c.acks.received)
	case f.kind == logout:
		c.close(schemas.Reason_REASON_LOGGED_OUT)
	}
}

// device is a phone: its storage, its application, and its connection.
type device struct {
	w     *world
	index int
	name  string
	storage
	conn    *conn
	working frame // the application has begun with it, if pos is not 0
	stay    bool  // told not to reconnect
	kicked  bool  // ... by a kick
	until   int64 // it waits before it dials
	hung    bool  // reads nothing, says nothing
	backup  *storage

	platform string
	began    uint64 // its cursor when the application was started
}

// storage is what survives the application, and a backup may restore.
type storage struct {
	install schemas.ID
	count   uint64
	dedupe  client.Dedupe
	ticket               // zero: it must log in
	seen    []schemas.ID // pushes that the application handled
	last    schemas.Position
}

// ticket is what a device resumes with: its session, and the login that began
// it. The gate made it and reads it.
type ticket struct {
	session schemas.ID
	login   schemas.Position
	began   int64 // by the gate's clock
}

func (d *device) dial() bool {
	g := d.w.current[d.w.rnd.IntN(gates)]
	if g.exited && d.w.calm {
		g = d.w.current[2-g.number] // the other one
	}
	if d.away() || d.conn != nil || g.exited {
		return false
	}
	d.count++
	install := d.install
	c := &conn{gate: g, dev: d, ticket: d.ticket, up: []upFrame{{kind: hello}}}
	c.hello = &schemas.Event{
		Kind: schemas.Kind_KIND_CONNECTED, App: app, User: user, Device: d.name, Time: d.w.clock,
		Connected: &schemas.Connected{
			Platform: d.platform, Login: d.session.IsZero(), LoginAt: uint64(d.login), Cursor: d.dedupe.Cursor(), Install: install[:], Count: d.count, Limits: d.limits(),
		},
	}
	c.hello.Session = c.ticket.session[:]
	d.w.conns = append(d.w.conns, c)
	d.conn = c
	d.w.say("device %s dials gate %d to %s: install %s count %d cursor %v", d.name, g.number, d.errand(), short(d.install), d.count, schemas.Position(d.dedupe.Cursor()))
	return true
}

func (d *device) errand() string {
	if d.session.IsZero() {
		return "log in"
	}
	return "resume " + short(d.session)
}

func (d *device) limits() *schemas.Limits {
	l := &schemas.Limits{MaxFrame: bigFrame}
	if !d.w.calm && d.w.trouble.has(smallFrames) && d.w.rnd.IntN(3) == 0 {
		l.MaxFrame = smallFrame
	}
	if d.w.rnd.IntN(4) == 0 {
		l.Window = 1
	}
	return l
}

// drop leaves the connection; what the application is at, it finishes.
func (d *device) drop() {
	if d.conn != nil {
		d.conn.devGone = true
		d.conn = nil
	}
	d.hung = false
	if d.working.pos != 0 {
		d.finish()
	}
}

// renew is a new storage: a new install.
func (d *device) renew() {
	d.working = frame{}
	d.drop()
	d.w.installs++
	d.storage = storage{install: number('i', d.w.installs)}
	d.stay, d.kicked, d.began, d.until = false, false, 0, 0
}

func (d *device) loseStorage() {
	d.renew()
	d.w.say("device %s loses its storage", d.name)
}

// hang and its end.
func (d *device) hang() {
	d.hung = !d.hung && d.conn != nil
	d.w.say("device %s hangs: %v", d.name, d.hung)
}

// restart: the application is killed and started again. What it had handled it
// has stored, with the cursor; what it was at, it sees anew.
func (d *device) restart() {
	d.working = frame{}
	d.drop()
	if d.w.off.has(CursorStored) {
		d.dedupe = client.NewDedupe(d.began)
	}
	d.began = d.dedupe.Cursor()
	d.w.say("device %s: the application is killed, its cursor is %v", d.name, schemas.Position(d.began))
}

// backUp its storage, or be restored from that.
func (d *device) backUp() {
	if b := d.storage; d.backup == nil || d.w.rnd.IntN(2) == 0 {
		b.seen = slices.Clone(b.seen)
		d.backup = &b
		d.w.say("device %s is backed up", d.name)
		return
	}
	d.restore()
}

// restore goes back to the backup.
func (d *device) restore() {
	d.working = frame{}
	d.drop()
	d.storage = *d.backup
	d.seen = slices.Clone(d.seen)
	d.stay, d.kicked = false, false
	d.w.restored, d.began = true, d.dedupe.Cursor()
	d.w.say("device %s is restored from a backup: count %d cursor %v", d.name, d.count, schemas.Position(d.began))
}

// estrange gives it a cursor that this log never had.
func (d *device) estrange() {
	d.drop()
	cursor := uint64(position(1_000_000))
	if d.w.rnd.IntN(2) == 0 {
		cursor = uint64(schemas.At(1, 5))
	}
	d.dedupe, d.seen, d.last, d.began = client.NewDedupe(cursor), nil, 0, cursor
	d.w.say("device %s has a cursor of another log", d.name)
}

func (d *device) ack(received schemas.Position) {
	d.w.check.beginsWith(d, received)
	if d.conn != nil {
		d.conn.up = append(d.conn.up, upFrame{ackFrame, d.dedupe.Cursor(), uint64(received)})
	}
}

// read handles one frame, or notices that the connection is gone.
func (d *device) read() bool {
	switch {
	case d.conn == nil || d.hung:
		return false
	case d.working.pos != 0:
		d.finish()
		return true
	case len(d.conn.down) > 0:
		f := d.conn.down[0]
		d.conn.down = d.conn.down[1:]
		d.frame(f)
		return true
	case d.conn.gate.exited || d.conn.aborted:
		d.drop()
		return true
	}
	return false
}

func (d *device) frame(f frame) {
	switch f.kind {
	case welcome:
		d.ticket = d.conn.ticket
	case pushFrame:
		d.push(f)
	case resumedFrame:
		d.resumed(f)
	case closed:
		d.closed(f)
	}
}

func (d *device) push(f frame) {
	w := d.w
	if limit := d.conn.hello.Connected.Limits.MaxFrame; f.size > int(limit) {
		w.fail("a frame of %d bytes on a connection with a limit of %d", f.size, limit)
	}
	if !d.dedupe.Fresh(uint64(f.pos)) {
		d.ack(0)
		return
	}
	if f.id == w.poison || !w.calm && w.trouble.has(crashes) && w.rnd.IntN(12) == 0 {
		if f.again || w.rnd.IntN(2) == 0 {
			d.ack(f.pos)
		}
		w.say("device %s: the application crashes on %v", d.name, f.pos)
		d.drop()
		d.backOff()
		return
	}
	if d.working = f; f.again || !w.calm && w.rnd.IntN(8) == 0 {
		d.ack(f.pos) // the rest at its next step
		return
	}
	d.finish()
}

// finish is the application's handler returning.
func (d *device) finish() {
	f := d.working
	d.working = frame{}
	d.w.check.handle(d, f)
	d.dedupe.Handled(uint64(f.pos))
	d.ack(0)
}

func (d *device) resumed(f frame) {
	adopt := f.gap.GetAdopt()
	if !adopt {
		d.conn.resumed = true
	}
	d.w.check.resumed(d, f)
	d.dedupe.Resumed(uint64(f.pos), adopt)
	d.w.say("device %s reads resumed %v%s", d.name, f.pos, gapOf(f.gap))
	d.ack(0)
}

// closed does what docs/protocol.md says about each reason.
func (d *device) closed(f frame) {
	reason := f.reason
	d.w.say("device %s is closed: %s", d.name, reason.Word())
	c := d.conn
	d.drop()
	d.waits(reason, f.after)
	switch reason {
	case schemas.Reason_REASON_KICKED:
		d.stay, d.kicked, d.ticket = true, true, ticket{}
		d.w.check.kicked(c)
	case schemas.Reason_REASON_LOGGED_OUT, schemas.Reason_REASON_REVOKED:
		d.stay, d.ticket = true, ticket{}
	case schemas.Reason_REASON_SESSION_ENDED, schemas.Reason_REASON_SESSION_EXPIRED, schemas.Reason_REASON_IDENTIFIED:
		d.ticket = ticket{}
	case schemas.Reason_REASON_STALE_LOGIN:
		d.w.installs++
		d.install, d.count = number('i', d.w.installs), 0
	}
}
