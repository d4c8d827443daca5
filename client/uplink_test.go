package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

func TestSendIsAcknowledgedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		d.send(t.Context(), &r, "a")
		f := c.wantUplink("a", 2, 2, 1) // 1 was the login's
		if !f.Flags.Has(wire.FlagOneWay) || f.Family != 9 || f.Command != 0x0100 || f.Trace == [16]byte{} {
			t.Errorf("uplink is %v", f.Header)
		}
		c.ackUplink(f)
		c.ackUplink(f) // a second one changes nothing
		r.wg.Wait()
		if err := r.of("a"); err != nil {
			t.Errorf("Send returned %v", err)
		}
		d.end()
	})
}

func TestUplinksAcrossAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		var r results
		d.send(t.Context(), &r, "before Run has connected")
		c, _ := g.login()
		first := c.wantUplink("before Run has connected", 2, 2, 1)
		d.send(t.Context(), &r, "b")
		c.wantUplink("b", 3, 2, 1)
		d.send(t.Context(), &r, "c")
		c.ackUplink(c.wantUplink("c", 4, 2, 1)) // answers come in any order
		synctest.Wait()
		c.nc.Close()

		c, hello := g.login()
		if hello.Count != 2 {
			t.Errorf("count is %d", hello.Count)
		}
		again := c.wantUplink("before Run has connected", 2, 2, 2)
		if again.Trace != first.Trace {
			t.Error("the second try has another trace id")
		}
		c.ackUplink(again)
		c.ackUplink(c.wantUplink("b", 3, 2, 2))
		r.wg.Wait()
		d.send(t.Context(), &r, "d")
		c.ackUplink(c.wantUplink("d", 6, 6, 1)) // 5 was the resume's
		d.end()
	})
}

func TestRefusedUplinksKeepTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		for _, body := range []string{"a", "b", "c"} {
			d.send(t.Context(), &r, body)
		}
		a, b := c.wantUplink("a", 2, 2, 1), c.wantUplink("b", 3, 2, 1)
		held := c.wantUplink("c", 4, 2, 1)
		c.ackUplink(a)
		refused := time.Now()
		c.refuse(b, &schemas.Error{Reason: schemas.Reason_REASON_BUSY, RetryAfter: 2000})
		d.send(t.Context(), &r, "d")
		time.Sleep(5 * time.Second)
		c.silent() // "c" is not answered yet
		c.refuse(held, &schemas.Error{Reason: schemas.Reason_REASON_UPLINK_HELD})
		c.wantUplink("b", 3, 3, 2)
		if waited := time.Since(refused); waited != 5*time.Second {
			t.Errorf("sent again after %v, want at once when the last was answered", waited)
		}
		c.wantUplink("c", 4, 3, 2)
		c.wantUplink("d", 5, 3, 1)
		d.end()
		r.wg.Wait()
	})
}

func TestRefusedUplinkWaits(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		d.send(t.Context(), &r, "a")
		for try := range uint16(3) {
			f := c.wantUplink("a", 2, 2, try+1)
			begin := time.Now()
			c.refuse(f, &schemas.Error{Reason: schemas.Reason_REASON_BUSY, RetryAfter: 2000})
			c.silent()
			for len(c.frames) == 0 {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
			}
			if waited := time.Since(begin); waited < 2*time.Second || waited > 4*time.Second+10*time.Millisecond {
				t.Errorf("try %d came after %v, want 2 to 4 s", try+2, waited)
			}
		}
		c.ackUplink(c.wantUplink("a", 2, 2, 4))
		r.wg.Wait()
		d.end()
	})
}

func TestNothingOvertakesARefusedUplink(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		d.send(t.Context(), &r, "a")
		c.refuse(c.wantUplink("a", 2, 2, 1), &schemas.Error{Reason: schemas.Reason_REASON_BUSY})
		d.send(t.Context(), &r, "b")
		c.silent()
		c.ackUplink(c.wantUplink("a", 2, 2, 2))
		c.ackUplink(c.wantUplink("b", 3, 2, 1))
		r.wg.Wait()
		d.end()
	})
}

func TestGivingUpFreesThoseBehind(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		ctx, cancel := context.WithCancel(t.Context())
		d.send(ctx, &r, "a")
		d.send(t.Context(), &r, "b")
		a, b := c.wantUplink("a", 2, 2, 1), c.wantUplink("b", 3, 2, 1)
		c.refuse(a, &schemas.Error{Reason: schemas.Reason_REASON_BUSY, RetryAfter: 1000})
		c.refuse(b, &schemas.Error{Reason: schemas.Reason_REASON_UPLINK_HELD})
		cancel()
		c.ackUplink(c.wantUplink("b", 3, 3, 2))
		r.wg.Wait()
		if err := r.of("a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Send of what was given up returned %v", err)
		}
		if err := r.of("b"); err != nil {
			t.Errorf("Send returned %v", err)
		}
		d.end()
	})
}

func TestFinalRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		var r results
		d.send(t.Context(), &r, "a")
		c.refuse(c.wantUplink("a", 2, 2, 1), &schemas.Error{Reason: schemas.Reason_REASON_BLOCKED, Message: "not you"})
		r.wg.Wait()
		var se *StatusError
		if err := r.of("a"); !errors.As(err, &se) || se.Reason != schemas.Reason_REASON_BLOCKED || se.Message != "not you" {
			t.Errorf("Send returned %v", err)
		}
		d.end()
	})
}

func TestRequest(t *testing.T) {
	prefix := func(position uint64) []byte { return wire.PushPrefix{Position: position}.Append(nil) }
	for name, c := range map[string]struct {
		status   schemas.Reason
		position uint64
		body     string
		cursor   uint64
		refused  bool
	}{
		"answered by the gate itself":  {0, 0, "yes", 0, false},
		"answered through the mailbox": {0, 12, "yes", 12, false},
		"nobody answers":               {schemas.Reason_REASON_NO_HANDLER, 0, "", 0, true},
		"nobody answers, owed":         {schemas.Reason_REASON_NO_HANDLER, 12, "", 12, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *fakeGate) {
				d := g.start(nil)
				conn, _ := g.login()
				go func() {
					f := conn.wantUplink("price?", 2, 2, 1)
					h := wire.Header{Kind: wire.KindResponse, Family: 9, Command: f.Command, Sequence: f.Sequence, Trace: f.Trace, Status: uint16(c.status)}
					conn.write(wire.AppendFrame(nil, h, prefix(c.position), []byte(c.body)))
				}()
				got, err := d.Request(t.Context(), 9, 0x0200, []byte("price?"))
				var se *StatusError
				if errors.As(err, &se) != c.refused || string(got.Body) != c.body {
					t.Errorf("answer is %q, %v", got.Body, err)
				}
				if c.cursor != 0 {
					conn.wantAck(c.cursor, 0)
				}
				d.end()
			})
		})
	}
}

// The gate says at once that a request is in the log; its answer comes on the
// next connection.
func TestRequestWhoseAnswerIsOwed(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) { cfg.MaxUplinks = 2 })
		c, _ := g.login()
		answers := make(chan string)
		go func() {
			got, err := d.Request(t.Context(), 9, 0x0200, []byte("price?"))
			answers <- fmt.Sprint(string(got.Body), err)
		}()
		f := c.wantUplink("price?", 2, 2, 1)
		c.ackUplink(f)
		var r results
		d.send(t.Context(), &r, "a")
		c.ackUplink(c.wantUplink("a", 3, 3, 1)) // the request is held no longer
		c.nc.Close()
		c, _ = g.login()
		c.silent() // nor sent again
		h := wire.Header{Kind: wire.KindResponse, Family: 9, Command: f.Command, Sequence: f.Sequence}
		c.write(wire.AppendFrame(nil, h, wire.PushPrefix{Position: 5}.Append(nil), []byte("12 EUR")))
		if got := <-answers; got != "12 EUR<nil>" {
			t.Errorf("answer is %s", got)
		}
		c.wantAck(5, 0)

		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := d.Request(ctx, 9, 0x0200, nil)
			answers <- fmt.Sprint(err)
		}()
		c.ackUplink(c.next())
		synctest.Wait()
		cancel()
		if got := <-answers; got != "context canceled" {
			t.Errorf("request that was given up returned %s", got)
		}
		if len(d.slots) != 0 {
			t.Errorf("%d slots are taken and nobody waits", len(d.slots))
		}
		d.end()
	})
}

func TestOpenedAndLogout(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		go func() {
			f := c.next()
			var m schemas.OpenedReport
			unmarshal(t, f.payload, &m)
			if f.Command != wire.CmdOpened || m.Position != 5 || len(m.PushId) != 16 {
				t.Errorf("opened report is %v, %v", f.Header, &m)
			}
			c.refuse(f, &schemas.Error{Reason: schemas.Reason_REASON_LOG_AWAY})
			c.respond(c.next(), 0, nil)
			c.respond(c.next(), 0, nil)
			c.close(&schemas.Close{Reason: schemas.Reason_REASON_LOGGED_OUT})
		}()
		if err := d.Opened(t.Context(), Push{Position: 5}); err != nil {
			t.Error(err)
		}
		if err := d.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		<-d.done
		var ce *ClosedError
		if !errors.As(d.err, &ce) || ce.Reason != schemas.Reason_REASON_LOGGED_OUT {
			t.Errorf("Run ended with %v", d.err)
		}
		if d.state().Ticket != nil {
			t.Error("the ticket was kept")
		}
	})
}

func TestWhatCannotBeSent(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) { cfg.MaxUplinks = 1 })
		w := welcome()
		w.Limits = &schemas.Limits{MaxFrame: 1000}
		var r results
		d.send(t.Context(), &r, string(make([]byte, 983))) // queued under the default limit
		c, _ := g.loginWith(w)
		r.wg.Wait()
		var se *StatusError
		if err := r.of(string(make([]byte, 983))); !errors.As(err, &se) || se.Reason != schemas.Reason_REASON_FRAME_TOO_LARGE {
			t.Errorf("983 bytes into 982: %v", err)
		}
		if err := d.Send(t.Context(), 9, 0, make([]byte, 983)); !errors.As(err, &se) {
			t.Errorf("983 bytes into 982: %v", err)
		}
		if err := d.Send(t.Context(), 0, 0, nil); err == nil {
			t.Error("an uplink of family 0 was taken")
		}
		d.send(t.Context(), &r, "holds the only slot")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Send(ctx, 9, 0, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send beyond MaxUplinks returned %v", err)
		}
		d.stop()
		<-d.done
		r.wg.Wait()
		if err := r.of("holds the only slot"); !errors.Is(err, ErrStopped) {
			t.Errorf("Send ended with %v, want ErrStopped", err)
		}
		if err := d.Send(t.Context(), 9, 0, nil); !errors.Is(err, ErrStopped) {
			t.Errorf("Send after Run returned %v, want ErrStopped", err)
		}
		c.gone()
	})
}

func TestSequencesAreReservedAndNeverUsedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		last := uint64(1)
		for range 2*sequenceBlock + 10 {
			var r results
			d.send(t.Context(), &r, "x")
			f := c.next()
			if f.Sequence != last+1 {
				t.Fatalf("sequence is %d after %d", f.Sequence, last)
			}
			if last = f.Sequence; d.state().Sequence < last {
				t.Fatalf("sequence %d is used, only %d are stored", last, d.state().Sequence)
			}
			c.ackUplink(f)
			r.wg.Wait()
		}
		d.end()
		// The process starts again with what was stored.
		stored := d.state()
		d = g.start(func(cfg *Config) { _ = cfg.Store.Save(stored) })
		c = g.accept()
		if f := c.next(); f.Sequence <= last {
			t.Errorf("sequence %d was used before the restart", f.Sequence)
		}
		d.end()
	})
}
