package delivery

import (
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// proof is how a worker finds out that its partition takes writes: it appends
// ticks while an ack timer has run out, one at a time. Two that follow one
// another in time prove what ran out before the first. The owner's goroutine
// has it, but for ends.
type proof struct {
	ends   chan tickEnd // from the appender; one place, one tick
	flying bool         // a tick is not acknowledged
	landed bool         // it is, and has to be read back
	slow   bool         // that it takes long has been said
	offset int64        // of the tick that landed
	began  time.Time    // when it was handed over ...
	asOf   int64        // ... and the core's time then
	before int64        // asOf of the tick before it; 0 = none, or it was slow
	again  time.Time    // no tick before
}

// tickEnd says how a tick ended.
type tickEnd struct {
	at   schemas.Position // 0 = not known
	err  error
	took time.Duration
}

// settle is between two ticks: a partition that takes writes again has, by then,
// what the gates kept. Their producers try again within half a second.
const settle = 2 * time.Second

// prove judges ack timers once the second tick has been read back, or takes the
// next step towards that.
func (o *owner) prove() {
	switch p := &o.proof; {
	case p.flying:
		o.saySlow()
	case p.landed && o.next <= p.offset:
	case p.landed:
		if p.landed = false; p.before > 0 {
			o.core.Prove(p.before)
		}
		p.before = p.asOf
	case !time.Now().Before(p.again):
		o.tick()
	}
}

// tick appends a record that says nothing to anybody, under the key of a user
// whose ack timer has run out: that is of this partition.
func (o *owner) tick() {
	key := o.core.InDoubt()
	if key == "" {
		return
	}
	p := &o.proof
	began := time.Now()
	p.began, p.asOf, p.slow = began, o.core.Now(), false
	err := o.out.tick(key, &schemas.Event{
		Kind: schemas.Kind_KIND_TICK, Time: began.UnixMicro(), Node: o.w.cfg.Node,
		Term: uint64(o.core.term), Tick: &schemas.Tick{},
	}, func(at eventlog.Appended, err error) { p.ends <- tickEnd{at.Position, err, time.Since(began)} })
	if p.flying = err == nil; err != nil {
		o.noWrites()
	}
}

// tickEnded: one that was slow proves the contrary.
func (o *owner) tickEnded(t tickEnd) {
	p := &o.proof
	p.flying = false
	if t.err != nil || t.at == 0 || t.took > answersWithin {
		o.noWrites()
		return
	}
	p.landed, p.offset, p.again = true, t.at.Offset(), time.Now().Add(settle)
}

// noWrites: what devices acknowledged is stuck on its way into the log, or was
// until now.
func (o *owner) noWrites() {
	o.proof.before = 0
	o.core.Grace(o.clock.now())
	o.log.Warn("the partition took no writes: ack timers get a grace")
}

func (o *owner) saySlow() {
	if p := &o.proof; !p.slow && time.Since(p.began) > answersWithin {
		p.slow = true
		o.log.Warn("the partition takes no writes: ack timers wait")
	}
}
