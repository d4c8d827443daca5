package sim

import "waybill/schemas"

// Directed schedules take the place of the random steps where those hardly reach
// what a clause is about. The end is the same: faults stop, and all is checked.

// lateForRoute: nobody decides while a ttl runs out; then the device comes back,
// and the next claim is stamped by a clock that is behind.
func lateForRoute(w *world) {
	d := w.devices[0]
	w.workers[0].kill()
	w.flush(&w.workers[0].out)
	w.push(w.plain(1, 2000, ""), "")
	w.clock += 3 * second
	w.connect(d, w.current[0])
	w.project()
	k := w.newWorker()
	w.clock -= 2 * second
	w.flush(&k.out)
	w.clock += 2 * second
	k.readAll()
	w.newWorker()
}

// reloadAhead: a worker that has been overtaken, and has not read so, takes a user
// back from rows that know of a connection begun since, under the next one.
func reloadAhead(w *world) {
	w.trouble = evictions | longTTL
	first := w.workers[0]
	w.flush(&first.out)
	first.readAll()
	w.project()
	old := w.newWorker()
	w.push(w.plain(1, 3_600_000, "k"), "")
	w.push(w.plain(2, 3_600_000, "k"), "")
	w.flush(&old.out)
	own := len(w.log)
	next := w.newWorker()
	w.flush(&next.out)
	next.readAll()
	w.project()
	next.reload()
	next.reload()
	w.connect(w.devices[1], w.current[1])
	w.project()
	for old.next < own {
		old.read()
	}
	old.collect()
	old.reload()
	old.reload()
	for old.dispatch() {
	}
}

// plain is a push without options but for a collapse key.
func (w *world) plain(n int, ttl int64, key string) *schemas.Pushed {
	id := number('p', n)
	return &schemas.Pushed{PushId: id[:], Name: "p", Ttl: ttl, Body: bodies[0], Family: 1, CollapseKey: key}
}

// connect brings a login of the device into the log.
func (w *world) connect(d *device, g *gateLife) {
	d.dial()
	d.conn.gate = g
	d.conn.receive()
	w.flush(&g.out)
}

// project brings everything into the rows.
func (w *world) project() {
	for w.projector.step(w) {
	}
	w.projector.flush()
}

func (k *worker) readAll() {
	for k.next < len(k.w.log) {
		k.read()
	}
	k.collect()
}
