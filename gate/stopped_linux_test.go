package gate

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"waybill/internal/wire"
	"waybill/schemas"
)

// TestStoppedGate: a gate that was stopped beyond its lease and woken goes on
// with what it holds; one whose number has been given to another meanwhile ends
// every connection, also those that came while it was stopped, and itself.
func TestStoppedGate(t *testing.T) {
	for name, replaced := range map[string]bool{"goes on": false, "is replaced": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := startChild(t, "gate "+w.brokers[0])
			address := p.line()
			ann := dial(t, address)
			ann.login("ann", 0)
			connected := w.await(w.events, schemas.Kind_KIND_CONNECTED)

			p.signal(unix.SIGSTOP)
			late := dial(t, address) // by the kernel
			late.write(loginFrame(t, "bob", 0))
			w.tell(connected, tellPush(1, 0, "while it was stopped"))
			if !replaced {
				w.outlive(2)
				p.signal(unix.SIGCONT)
				ann.expect(wire.KindPush, 0x0100)
				ann.echo()
				late.welcome(wire.CmdLogin)
				return
			}
			fresh := w.start(2)
			p.signal(unix.SIGCONT)
			ann.expectEnd()
			late.expectEnd()
			if s := p.line(); !strings.Contains(s, ErrReplaced.Error()) {
				t.Errorf("the process ended with %q", s)
			}
			cy := dial(t, fresh.Addr())
			cy.login("cy", 0)
			cy.echo()
		})
	}
}

// outlive lets another gate renew its lease until that of the given one is over
// by the topic's own time.
func (w *world) outlive(number uint32) {
	w.t.Helper()
	w.start(1)
	const more = 2 * 3 // each renews three times within a lease
	for seen := 0; seen < more; {
		if e := w.await(w.gates, schemas.Kind_KIND_ALIVE); e.Gate != number {
			seen++
		}
	}
}

// expectEnd reads until the connection ends.
func (d *device) expectEnd() {
	d.t.Helper()
	for {
		if _, _, err := d.read(); err != nil {
			return
		}
	}
}
