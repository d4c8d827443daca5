package sim

const (
	mostPushes  = 7
	mostLives   = 5
	mostWorkers = 5
)

// step is one thing that happens: mostly somebody gets on with their work.
func (w *world) step() {
	switch x := w.rnd.IntN(100); {
	case x < 4:
		if w.names < mostPushes {
			w.randomPush()
		}
	case x < 9:
		w.people(w.someDevice())
	case x < 16:
		w.goWrong()
	case x < 53:
		w.edge()
	case x < 93:
		w.delivery()
	default:
		w.projection()
	}
}

// people use their devices, and networks come and go.
func (w *world) people(d *device) {
	switch x := w.rnd.IntN(10); {
	case x < 6 && w.trouble.has(lonely) && w.rnd.IntN(6) > 0:
		d.drop()
	case x < 6:
		d.dial()
	case x < 8:
		d.drop()
	case x < 9:
		d.send(heartbeat)
	case d.stay: // logs in again
		d.stay, d.kicked = false, false
		w.say("the person at device %s logs in again", d.name)
	}
}

func (d *device) send(kind upKind) {
	if d.conn != nil {
		d.conn.up = append(d.conn.up, upFrame{kind: kind, cursor: d.dedupe.Cursor()})
	}
}

// edge: gates and devices get on with their work.
func (w *world) edge() {
	g := w.someGate()
	switch x := w.rnd.IntN(38); {
	case x < 9:
		w.flush(&g.out)
		w.flush(&w.ingest)
	case x < 17:
		g.command()
	case x < 26:
		if n := len(w.conns); n > 0 {
			w.conns[n-1-w.rnd.IntN(min(n, 5))].receive()
		}
	case x < 27:
		g.readGates()
		g.readRevocations()
	case x < 28:
		if !g.still() {
			g.sign()
		}
	default:
		w.someDevice().read()
	}
}

// delivery: the workers get on with theirs.
func (w *world) delivery() {
	k := w.someWorker()
	if k.reload(); w.trouble.has(evictions) && w.rnd.IntN(3) == 0 {
		w.quietTime(k)
	}
	switch x := w.rnd.IntN(40); {
	case x < 18:
		k.step()
	case x < 25:
		w.flush(&k.out)
	case x < 33:
		if k.dispatch(); w.rnd.IntN(2) == 0 {
			k.more()
		}
	case x < 36:
		k.readPolicies()
		k.look()
	case x < 39:
		k.readGates()
	default:
		k.overtaken()
	}
}

// quietTime: the projection has caught up, perhaps, and who is away may leave.
func (w *world) quietTime(k *worker) {
	if w.rnd.IntN(3) == 0 {
		w.project()
	}
	k.evict()
}

func (w *world) projection() {
	if w.rnd.IntN(4) == 0 {
		if w.projector.flush() && w.rnd.IntN(4) == 0 {
			w.check.snapshot()
		}
		return
	}
	for n := w.rnd.IntN(4); n >= 0; n-- {
		w.projector.step(w)
	}
}

func (w *world) someDevice() *device { return w.devices[w.rnd.IntN(len(w.devices))] }

func (w *world) someGate() *gateLife { return w.lives[w.rnd.IntN(len(w.lives))] }

func (w *world) someWorker() *worker { return w.workers[w.rnd.IntN(len(w.workers))] }
