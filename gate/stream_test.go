package gate

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// TestStreamsOverAPipe: the whole of a connection in a bubble of time, without
// a socket: a login, silence, the farewell.
func TestStreamsOverAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		facts := newPromptFacts(t)
		g := newTestGate(t, facts)
		s := &streams{gate: g}
		near, far := net.Pipe()
		s.carry(near)
		ticking := make(chan struct{})
		go func() { defer close(ticking); g.tick(t.Context()) }()
		t.Cleanup(func() { <-ticking })

		d := &device{t: t, nc: far}
		began := time.Now()
		d.login("ann", 0)
		time.Sleep(2 * time.Minute) // of the bubble
		d.echo()
		if err := far.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		silent := time.Now()
		b := make([]byte, 4096)
		n, err := far.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if h, _, _, err := wire.Next(b[:n], 1<<20); err != nil || h.Command != wire.CmdClose {
			t.Errorf("after the silence came %v, %v", h, err)
		}
		want := g.cfg.Heartbeat * 5 / 2
		if after := time.Since(silent); after < want || after > want+2*wheelTick {
			t.Errorf("closed after %v of silence, %v after the login; want %v", after, time.Since(began), want)
		}
		s.wg.Wait()
		facts.await(t, "disconnected", ended(schemas.Reason_REASON_HEARTBEAT_TIMEOUT, "ann"))
	})
}
