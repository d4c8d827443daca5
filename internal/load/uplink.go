package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/wire"
)

var errParked = errors.New("the device was told to leave")

// uplink is one on its way, until the gate says that the log has it.
type uplink struct {
	sequence uint64
	at       int64 // when it was written first, nanoseconds since 1970
	tries    uint16
	again    int64 // when a refused one is written again; 0 = it is on its way
}

// refusedWait is how long a refused uplink waits, as docs/protocol.md wants it
// where the gate names no time.
const refusedWait = int64(time.Second)

// sendUplink writes a new one.
func (d *device) sendUplink(now int64) {
	d.sequence++
	d.flying = append(d.flying, uplink{sequence: d.sequence, at: now})
	d.writeUplink(now, &d.flying[len(d.flying)-1])
}

func (d *device) writeUplink(now int64, u *uplink) {
	u.tries++
	u.again = 0
	h := wire.Header{Flags: wire.FlagOneWay, Family: family, Command: 1, Sequence: u.sequence}
	d.out = wire.AppendUplink(d.out, h, wire.UplinkPrefix{Time: now / 1000, Lowest: d.flying[0].sequence, Tries: u.tries}, d.f.uplinkBody)
}

func (d *device) uplinkDone(now int64, sequence uint64) {
	for i, u := range d.flying {
		if u.sequence == sequence {
			d.flying = append(d.flying[:i], d.flying[i+1:]...)
			if d.f.onUplink != nil {
				d.f.onUplink(d, now, u)
			}
			return
		}
	}
}

func (d *device) uplinkRefused(now int64, sequence uint64) {
	for i := range d.flying {
		if d.flying[i].sequence == sequence {
			d.flying[i].again = now + refusedWait
		}
	}
}

// retryUplinks writes what was refused or lost its connection again.
func (d *device) retryUplinks(now int64) {
	if !d.up || len(d.flying) == 0 {
		return
	}
	for i := range d.flying {
		if u := &d.flying[i]; u.again != 0 && now >= u.again {
			d.writeUplink(now, u)
		}
	}
	d.flush()
}

// Uplinks lets every device send uplinks, one after another, and times each
// until the gate's ack says that the log has it.
func (s *Session) Uplinks(ctx context.Context) (Run, error) {
	m := newMeter()
	s.startUplinks(m)
	run, err := s.measure(ctx, m)
	if err != nil {
		return run, err
	}
	flying := 0
	s.fleet.ask(func() { s.fleet.onUplink = func(_ *device, now int64, u uplink) { m.record(u.at, now) } })
	ended := time.Now()
	waiting, cancel := withPatience(ctx)
	defer cancel()
	err = poll(waiting, func() bool {
		s.fleet.ask(func() { flying = s.fleet.flyingNow() })
		return flying == 0
	})
	run.Drain = time.Since(ended).Seconds()
	s.fleet.ask(func() { s.fleet.onUplink, run.Latency = nil, m.latency() })
	run.Refused = s.fleet.takeRefused()
	if err != nil {
		return run, fmt.Errorf("%d uplinks were not acknowledged", flying)
	}
	return run, nil
}

// startUplinks puts the window's uplinks on their way; each ack sends the next.
func (s *Session) startUplinks(m *meter) {
	each := max(s.cfg.Outstanding/len(s.fleet.devices), 1)
	s.fleet.ask(func() {
		s.fleet.uplinkBody = filler(s.cfg.Body)
		s.fleet.onUplink = func(d *device, now int64, u uplink) {
			m.record(u.at, now)
			d.sendUplink(now) // flushed by the read that brought the ack
		}
		now := time.Now().UnixNano()
		for _, d := range s.fleet.devices {
			for range each {
				d.sendUplink(now)
			}
			d.flush()
		}
	})
}

// flyingNow counts uplinks on their way.
func (f *fleet) flyingNow() (n int) {
	for _, d := range f.devices {
		n += len(d.flying)
	}
	return n
}

// takeRefused counts refusals since the last call.
func (f *fleet) takeRefused() (n uint64) {
	f.ask(func() { n, f.uplinksRefused = f.uplinksRefused, 0 })
	return n
}

// holdUplinks lets what was on its way go again: the connection that carried
// it may have lost it.
func (d *device) holdUplinks(now int64) {
	for i := range d.flying {
		d.flying[i].again = now
	}
}
