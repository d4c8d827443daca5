package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

func TestPushesAreHandledThenAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, hello := g.login()
		if hello.Cursor != 0 || hello.Count != 1 || len(hello.Install) != 16 || !hello.Zstd || hello.Limits.Window != 32 {
			t.Errorf("hello is %v", hello)
		}
		c.push(41, 0)
		d.wantHandled(41)
		c.wantAck(41, 0)
		if got := d.state(); got.Cursor != 41 || got.Count != 1 || string(got.Ticket) != "ticket" {
			t.Errorf("state is %+v", got)
		}
		c.resumed(47, nil)
		c.wantAck(47, 0)
		if n := d.wantNotice(Resumed); n.Gap != nil {
			t.Errorf("gap is %+v, want none", n.Gap)
		}
		d.end()
	})
}

func TestResumeAfterADrop(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, first := g.login()
		c.push(5, 0)
		c.wantAck(5, 0)
		c.nc.Close()

		c = g.accept()
		f, hello, credential := c.first()
		if credential != "ticket ticket" || hello.Cursor != 5 || hello.Count != 2 || string(hello.Install) != string(first.Install) {
			t.Errorf("resume with %s, %v", credential, hello)
		}
		if c.address != "last:1" {
			t.Errorf("device came to %s, want its last gate first", c.address)
		}
		c.respond(f, 0, marshal(t, welcome()))
		c.push(5, wire.FlagAgain) // its ack was lost
		c.wantAck(5, 0)
		c.push(6, 0)
		c.wantAck(6, 0)
		d.wantHandled(5, 6)
		d.end()
	})
}

func TestGapIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		c.resumed(30, &schemas.Gap{Reason: schemas.Reason_REASON_OVERFLOW, From: 10, To: 20})
		c.wantAck(30, 0)
		want := Gap{Reason: schemas.Reason_REASON_OVERFLOW, From: 10, To: 20}
		if n := d.wantNotice(Resumed); n.Gap == nil || *n.Gap != want {
			t.Errorf("gap is %+v, want %+v", n.Gap, want)
		}
		d.end()
	})
}

func TestStrangeCursorIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) {
			_ = cfg.Store.Save(State{Install: [16]byte{1}, Cursor: 1000, Sequence: 7})
		})
		c, hello := g.login()
		if hello.Cursor != 1000 {
			t.Errorf("cursor is %d", hello.Cursor)
		}
		c.resumed(20, &schemas.Gap{Reason: schemas.Reason_REASON_STRANGE_CURSOR, From: 1000, To: 20, Adopt: true})
		c.wantAck(20, 0)
		c.push(21, 0)
		c.wantAck(21, 0)
		d.wantHandled(21)
		if got := d.state().Cursor; got != 21 {
			t.Errorf("cursor is %d, want 21", got)
		}
		d.end()
	})
}

func TestBurstIsAcknowledgedTogether(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var burst []byte
		for p := range uint64(20) {
			burst = append(burst, pushFrame(p+1, 0)...)
		}
		c.write(burst)
		acks := 0
		for cursor := uint64(0); cursor < 20; acks++ {
			a, err := wire.ParseAckBody(c.next().payload)
			if err != nil || a.Cursor <= cursor {
				t.Fatalf("ack is %+v after %d, %v", a, cursor, err)
			}
			cursor = a.Cursor
		}
		if acks > 10 {
			t.Errorf("%d acks for 20 pushes in one write", acks)
		}
		d.end()
	})
}

func TestReceivedBeforeARepeatedPush(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		conns, said := make(chan *gateConn, 1), make(chan frame, 1)
		d := g.start(func(cfg *Config) {
			cfg.Handler = func(context.Context, Push) error {
				said <- <-(<-conns).frames // written before the handler is called
				return nil
			}
		})
		c, _ := g.login()
		conns <- c
		c.push(8, wire.FlagAgain)
		if a, err := wire.ParseAckBody((<-said).payload); err != nil || a.Received != 8 || a.Cursor != 0 {
			t.Errorf("before the handler the device said %+v, %v", a, err)
		}
		c.wantAck(8, 0)
		d.end()
	})
}

func TestReceivedWhenTheHandlerIsSlow(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) {
			cfg.Handler = func(_ context.Context, p Push) error {
				if p.Position == 2 {
					time.Sleep(3 * time.Second)
				}
				return nil
			}
		})
		c, _ := g.login()
		c.push(1, 0)
		c.wantAck(1, 0)
		begin := time.Now()
		c.push(2, 0)
		c.wantAck(1, 2)
		if got := time.Since(begin); got != time.Second {
			t.Errorf("received after %v, want 1s", got)
		}
		c.wantAck(2, 0)
		if got := time.Since(begin); got != 3*time.Second {
			t.Errorf("acknowledged after %v, want 3s", got)
		}
		d.end()
	})
}

// A message seen twice when a reconnect overlaps a slow handler.
func TestSlowHandlerAcrossAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		release := make(chan struct{})
		calls := 0
		d := g.start(func(cfg *Config) {
			cfg.Handler = func(context.Context, Push) error {
				calls++
				<-release
				return nil
			}
		})
		c, _ := g.login()
		c.push(3, 0)
		c.wantAck(0, 3)
		c.nc.Close()
		c, hello := g.login()
		if hello.Cursor != 0 {
			t.Errorf("cursor is %d while the handler still runs", hello.Cursor)
		}
		c.push(3, wire.FlagAgain)
		c.wantAck(0, 3) // at once: the handler has it
		close(release)
		c.wantAck(3, 0)
		c.push(4, 0)
		for got := uint64(3); got == 3; { // the repeat is acknowledged too, alone or with 4
			a, _ := wire.ParseAckBody(c.next().payload)
			got = a.Cursor
		}
		if calls != 2 {
			t.Errorf("handler was called %d times for 2 pushes", calls)
		}
		d.end()
	})
}

// A handler waits for the answer to its own uplink, across a reconnect, while a
// whole window of pushes waits for it.
func TestHandlerMaySend(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		var d *device
		var got []uint64
		ready := make(chan struct{})
		d = g.start(func(cfg *Config) {
			cfg.Window = 4
			cfg.Handler = func(ctx context.Context, p Push) error {
				<-ready
				got = append(got, p.Position)
				if p.Position == 1 {
					return d.Send(ctx, 9, 0, []byte("taken"))
				}
				return nil
			}
		})
		close(ready)
		c, _ := g.login()
		for p := range uint64(4) {
			c.push(p+1, 0)
		}
		c.wantUplink("taken", 2, 2, 1)
		synctest.Wait()
		c.nc.Close()
		c, _ = g.login()
		c.ackUplinkAfter("taken", func() {
			for p := range uint64(4) {
				c.push(p+1, wire.FlagAgain)
			}
		})
		for cursor := uint64(0); cursor < 4; {
			a, _ := wire.ParseAckBody(c.next().payload)
			cursor = a.Cursor
		}
		if !slices.Equal(got, []uint64{1, 2, 3, 4}) {
			t.Errorf("application got %v, want 1 2 3 4", got)
		}
		d.end()
	})
}

// ackUplinkAfter reads an uplink, does what is to be done first, and acks it.
func (c *gateConn) ackUplinkAfter(body string, first func()) {
	c.t.Helper()
	f := c.wantUplink(body, 2, 2, 2)
	first()
	c.ackUplink(f)
}

func TestBrokenApplication(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("no room") },
		"panic": func() error { panic("nil map") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *fakeGate) {
				var got []uint64
				broken := true
				d := g.start(func(cfg *Config) {
					cfg.Handler = func(_ context.Context, p Push) error {
						got = append(got, p.Position)
						if p.Position == 2 && broken {
							return fail()
						}
						return nil
					}
				})
				c, _ := g.login()
				c.write(append(append(pushFrame(1, 0), pushFrame(2, 0)...), pushFrame(3, 0)...))
				c.wantAck(1, 0) // what was handled before is acknowledged
				c.gone()
				var he *HandlerError
				if n := d.wantNotice(Disconnected); !errors.As(n.Err, &he) || he.Position != 2 {
					t.Errorf("disconnected because of %v, want the handler's error", n.Err)
				}
				c, hello := g.login()
				if hello.Cursor != 1 {
					t.Errorf("cursor is %d, want 1", hello.Cursor)
				}
				broken = false
				c.push(2, wire.FlagAgain)
				c.wantAck(1, 2)
				c.wantAck(2, 0)
				c.push(3, 0)
				c.wantAck(3, 0)
				if len(got) != 4 || got[1] != 2 || got[2] != 2 || got[3] != 3 {
					t.Errorf("application got %v, want 1 2 2 3", got)
				}
				d.end()
			})
		})
	}
}

func TestPoisonBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) {
			cfg.Handler = func(context.Context, Push) error { return errors.New("poison") }
			cfg.BackoffBase, cfg.BackoffCap = time.Second, time.Hour
		})
		begin := time.Now()
		for range 10 {
			c, _ := g.login()
			c.push(1, 0)
			c.gone()
		}
		if got := time.Since(begin); got < 20*time.Second {
			t.Errorf("ten connections in %v: the backoff does not grow", got)
		}
		d.end()
	})
}

func TestStopAcknowledgesWhatWasHandled(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) {
			cfg.Handler = func(ctx context.Context, _ Push) error {
				<-ctx.Done() // still at work when Run is told to end
				return nil
			}
		})
		c, _ := g.login()
		c.push(1, 0)
		time.Sleep(time.Millisecond)
		d.stop()
		c.wantAck(1, 0)
		d.end()
		if got := d.state().Cursor; got != 1 {
			t.Errorf("cursor is %d, want 1", got)
		}
	})
}

func TestCompressedBodies(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		comp, err := wire.NewCompressor()
		if err != nil {
			t.Fatal(err)
		}
		long := make([]byte, 1000)
		body, _ := comp.Append(nil, long)
		h := wire.Header{Family: 7, Flags: wire.FlagCompressed}
		c.write(wire.AppendPush(nil, h, wire.PushPrefix{Position: 1}, body))
		if p := <-d.handled; string(p.Body) != string(long) {
			t.Errorf("body has %d bytes, want 1000 zeros", len(p.Body))
		}
		c.wantAck(1, 0)
		var r results
		d.send(t.Context(), &r, string(long))
		f := c.next()
		if !f.Flags.Has(wire.FlagCompressed) || f.Length > 100 {
			t.Errorf("uplink is %v, want it compressed", f.Header)
		}
		c.ackUplink(f)
		r.wg.Wait()

		bomb, _ := comp.Append(nil, make([]byte, 1<<20))
		c.write(wire.AppendPush(nil, h, wire.PushPrefix{Position: 2}, bomb))
		if n := d.wantNotice(Disconnected); n.Err == nil {
			t.Error("a bomb was let in")
		}
		d.end()
	})
}
