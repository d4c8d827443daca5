package client

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// TestCloseReasons is the table of docs/protocol.md §9.
func TestCloseReasons(t *testing.T) {
	const base, limit = 250 * time.Millisecond, 30 * time.Second
	for reason, want := range map[schemas.Reason]struct {
		stop       bool
		login      bool
		newInstall bool
		min, max   time.Duration
	}{
		schemas.Reason_REASON_GAP:              {max: base},
		schemas.Reason_REASON_QUEUE_FULL:       {max: base},
		schemas.Reason_REASON_GATE_STOPPING:    {max: base},
		schemas.Reason_REASON_BUSY:             {max: base},
		schemas.Reason_REASON_BAD_FRAME:        {max: base},
		schemas.Reason(999):                    {max: base},
		schemas.Reason_REASON_SUPERSEDED:       {min: limit, max: 2 * limit},
		schemas.Reason_REASON_STALE_LOGIN:      {newInstall: true, max: base},
		schemas.Reason_REASON_BAD_TICKET:       {login: true, max: base},
		schemas.Reason_REASON_TICKET_EXPIRED:   {login: true, max: base},
		schemas.Reason_REASON_SESSION_ENDED:    {login: true, max: base},
		schemas.Reason_REASON_SESSION_EXPIRED:  {login: true, max: base},
		schemas.Reason_REASON_IDENTIFIED:       {login: true, max: base},
		schemas.Reason_REASON_TOKEN_EXPIRED:    {login: true, max: base},
		schemas.Reason_REASON_REPLACED_SESSION: {login: true, min: limit, max: 2 * limit},
		schemas.Reason_REASON_KICKED:           {stop: true, login: true},
		schemas.Reason_REASON_REVOKED:          {stop: true, login: true},
		schemas.Reason_REASON_LOGGED_OUT:       {stop: true, login: true},
		schemas.Reason_REASON_FLAPPING:         {max: base},
		schemas.Reason_REASON_TOO_MANY_DEVICES: {login: true, max: base},
		schemas.Reason_REASON_NOT_ADMITTED:     {stop: true},
		schemas.Reason_REASON_BAD_TOKEN:        {stop: true},
		schemas.Reason_REASON_UNKNOWN_APP:      {stop: true},
	} {
		t.Run(reason.Word(), func(t *testing.T) {
			bubble(t, func(t *testing.T, g *fakeGate) {
				d := g.start(nil)
				c, first := g.login()
				c.resumed(1, nil)
				c.wantAck(1, 0)
				c.close(&schemas.Close{Reason: reason, Message: "go", Reconnect: true})
				if n := d.wantNotice(Disconnected); n.Wait < want.min || n.Wait > want.max {
					t.Errorf("wait is %v, want %v to %v", n.Wait, want.min, want.max)
				}
				if want.stop {
					wantClosed(t, d, reason)
					if got := d.state().Ticket == nil; got != want.login {
						t.Errorf("ticket forgotten: %v, want %v", got, want.login)
					}
					return
				}
				f, hello, _ := g.accept().first()
				if got := f.Command == wire.CmdLogin; got != want.login {
					t.Errorf("device came back with %v", f.Header)
				}
				if got := string(hello.Install) != string(first.Install); got != want.newInstall {
					t.Errorf("new install: %v, want %v", got, want.newInstall)
				}
				if wantCount := map[bool]uint64{true: 1, false: 2}[want.newInstall]; hello.Count != wantCount || hello.Cursor != 1 {
					t.Errorf("count is %d, cursor %d, want %d and 1", hello.Count, hello.Cursor, wantCount)
				}
				d.end()
			})
		})
	}
}

func wantClosed(t *testing.T, d *device, reason schemas.Reason) {
	t.Helper()
	<-d.done
	var ce *ClosedError
	if !errors.As(d.err, &ce) || ce.Reason != reason {
		t.Errorf("Run ended with %v, want %s", d.err, reason.Word())
	}
}

func TestCloseThatForbidsReconnecting(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		c.close(&schemas.Close{Reason: schemas.Reason_REASON_GATE_STOPPING})
		wantClosed(t, d, schemas.Reason_REASON_GATE_STOPPING)
	})
}

func TestCloseNamesTimeAndPlace(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		c.close(&schemas.Close{Reason: schemas.Reason_REASON_GATE_STOPPING, Reconnect: true, After: 5000, Address: "other:1"})
		if n := d.wantNotice(Disconnected); n.Wait < 5*time.Second || n.Wait > 10*time.Second {
			t.Errorf("wait is %v, want 5 to 10 s", n.Wait)
		}
		if c, _ = g.login(); c.address != "other:1" {
			t.Errorf("device came to %s, want other:1", c.address)
		}
		c.session(wire.CmdRedirect, 0, marshal(t, &schemas.Redirect{Address: "third:1"}))
		if n := d.wantNotice(Disconnected); n.Wait > 500*time.Millisecond {
			t.Errorf("a redirect waits %v, want up to twice the base: no resumed has come since the close", n.Wait)
		}
		if c = g.accept(); c.address != "third:1" {
			t.Errorf("device came to %s, want third:1", c.address)
		}
		d.end()
	})
}

// A device that flaps stays away for as long as it is told, longer than its own
// backoff, and goes on with its ticket.
func TestFlappingStaysAway(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		for after := time.Second; after < 5*time.Minute; after *= 2 {
			c := g.accept()
			f, _, credential := c.first()
			if first := after == time.Second; (credential == "ticket ticket") == first {
				t.Errorf("after %v the device came with %s", after/2, credential)
			}
			c.respond(f, 0, marshal(t, welcome()))
			c.close(&schemas.Close{Reason: schemas.Reason_REASON_FLAPPING, Reconnect: true, After: after.Milliseconds()})
			n := d.wantNotice(Disconnected)
			if most := max(2*after, defaultBackoffCap); n.Wait < after || n.Wait > most {
				t.Errorf("wait is %v, want %v to %v", n.Wait, after, most)
			}
		}
		d.end()
	})
}

func TestRefusedLogin(t *testing.T) {
	for reason, stops := range map[schemas.Reason]bool{
		schemas.Reason_REASON_BUSY:       false,
		schemas.Reason_REASON_BAD_TICKET: false,
		schemas.Reason_REASON_BAD_TOKEN:  true,
	} {
		t.Run(reason.Word(), func(t *testing.T) {
			bubble(t, func(t *testing.T, g *fakeGate) {
				d := g.start(func(cfg *Config) {
					_ = cfg.Store.Save(State{Install: [16]byte{1}, Ticket: []byte("old")})
				})
				c := g.accept()
				f, _, _ := c.first()
				c.refuse(f, &schemas.Error{Reason: reason, RetryAfter: 3000})
				if stops {
					wantClosed(t, d, reason)
					return
				}
				if n := d.wantNotice(Disconnected); n.Wait < 3*time.Second {
					t.Errorf("wait is %v, want at least 3 s", n.Wait)
				}
				_, _, credential := g.accept().first()
				if want := map[bool]string{true: "token t", false: "ticket old"}[reason == schemas.Reason_REASON_BAD_TICKET]; credential != want {
					t.Errorf("device came back with %s, want %s", credential, want)
				}
				d.end()
			})
		})
	}
}

func TestAddressesGoRound(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) { cfg.Addresses = []string{"a:1", "b:1"} })
		w := welcome()
		w.Address, w.Others = "a:1", []string{"c:1"}
		c, _ := g.loginWith(w)
		c.nc.Close()
		var got []string
		for range 4 {
			c := g.accept()
			got = append(got, c.address)
			c.nc.Close() // before it answers
		}
		if want := []string{"a:1", "c:1", "b:1", "a:1"}; !equal(got, want) {
			t.Errorf("device tried %v, want %v", got, want)
		}
		d.end()
	})
}

func equal(a, b []string) bool {
	for i := range a {
		if len(a) != len(b) || a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestBackoffHasFullJitterAfterTheCap(t *testing.T) {
	b := backoff{base: 100 * time.Millisecond, limit: time.Second}
	for try, limit := range []time.Duration{100, 200, 400, 800, 1000, 1000, 1000} {
		limit *= time.Millisecond
		var low, high int
		for range 1000 {
			b.tries = try
			d := b.next()
			if d < 0 || d > limit {
				t.Fatalf("try %d waits %v, want 0 to %v", try, d, limit)
			}
			if d < limit/10 {
				low++
			}
			if d > limit*9/10 {
				high++
			}
		}
		if low < 30 || high < 30 {
			t.Errorf("try %d: %d of 1000 waits in the lowest tenth, %d in the highest", try, low, high)
		}
	}
	b.tries = 1 << 30
	if d := b.next(); d < 0 || d > time.Second {
		t.Errorf("after very many tries it waits %v", d)
	}
}

func TestHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(func(cfg *Config) { cfg.Network = func() string { return "lte" } })
		w := welcome()
		w.Heartbeat = 60_000
		begin := time.Now()
		c, _ := g.loginWith(w)
		c.push(9, 0)
		c.wantAck(9, 0)
		for n := range 5 {
			f := c.next()
			var m schemas.Heartbeat
			unmarshal(t, f.payload, &m)
			if f.Command != wire.CmdHeartbeat || m.Cursor != 9 || m.Network != "lte" {
				t.Errorf("heartbeat is %v %v", f.Header, &m)
			}
			if n == 0 && time.Since(begin) > time.Minute || n > 0 && time.Since(begin) != time.Minute {
				t.Errorf("heartbeat %d after %v", n, time.Since(begin))
			}
			begin = time.Now()
			time.Sleep(9 * time.Second)
			c.respond(f, 0, nil)
		}
		// The next one is not answered.
		c.next()
		begin = time.Now()
		d.wantNotice(Disconnected)
		if got := time.Since(begin); got != defaultAnswerTimeout {
			t.Errorf("given up after %v, want 10s", got)
		}
		d.end()
	})
}

func TestHeartbeatsAreAnsweredAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		w := welcome()
		w.Heartbeat = 60_000
		c, _ := g.loginWith(w)
		for range 100 {
			c.respond(c.next(), 0, nil)
		}
		time.Sleep(30 * time.Second)
		c.silent() // still there
		d.end()
	})
}

func TestHeartbeatsGoOnWhileTheQueueIsFull(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		release := make(chan struct{})
		d := g.start(func(cfg *Config) {
			cfg.Window = 1
			cfg.Handler = func(context.Context, Push) error {
				<-release
				return nil
			}
		})
		w := welcome()
		w.Heartbeat = 60_000
		c, _ := g.loginWith(w)
		for p := range uint64(4) { // one is handled, two wait, one blocks the reader
			c.push(p+1, 0)
		}
		beats := 0
		go func() { // the gate answers, but the device cannot read it yet
			for f := range c.frames {
				if f.Command == wire.CmdHeartbeat {
					beats++
					c.respond(f, 0, nil)
				}
			}
		}()
		time.Sleep(4*time.Minute + time.Second)
		close(release)
		synctest.Wait()
		if beats < 4 {
			t.Errorf("%d heartbeats in four minutes", beats)
		}
		for len(d.notices) > 0 {
			if n := <-d.notices; n.Kind == Disconnected {
				t.Errorf("disconnected: %v", n.Err)
			}
		}
		d.end()
	})
}

func TestSilentGate(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		begin := time.Now()
		g.accept().next()
		var ne net.Error
		if n := d.wantNotice(Disconnected); !errors.As(n.Err, &ne) || !ne.Timeout() {
			t.Errorf("disconnected because of %v", n.Err)
		}
		if got := time.Since(begin); got != defaultAnswerTimeout {
			t.Errorf("given up after %v, want 10s", got)
		}
		d.end()
	})
}

func TestGateThatMakesNoSense(t *testing.T) {
	request := wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Family: 9}, nil, nil)
	for name, b := range map[string][]byte{
		"garbage":                 []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"a push without a prefix": wire.AppendFrame(nil, wire.Header{Kind: wire.KindPush, Family: 9}, nil, []byte("x")),
		"a close without one":     wire.AppendFrame(nil, wire.Header{Kind: wire.KindPush, Command: wire.CmdClose}, nil, nil),
		"a request":               request,
		"a body that is no zstd":  wire.AppendPush(nil, wire.Header{Family: 9, Flags: wire.FlagCompressed}, wire.PushPrefix{Position: 1}, []byte("x")),
		"a resumed that is none":  wire.AppendPush(nil, wire.Header{Command: wire.CmdResumed}, wire.PushPrefix{Position: 1}, []byte{0xff}),
		"a frame over the limit":  wire.Header{Version: 1, Kind: wire.KindPush, Length: 65537}.Append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *fakeGate) {
				d := g.start(nil)
				c, _ := g.login()
				c.write(b)
				if n := d.wantNotice(Disconnected); n.Err == nil {
					t.Error("no error is told")
				}
				g.login() // it tries again
				d.end()
			})
		})
	}
}

func TestErrorFramesAreNoEnd(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		c.session(wire.CmdError, 0, marshal(t, &schemas.Error{Reason: schemas.Reason_REASON_UNKNOWN_FLAG, Flags: 7}))
		c.session(0x7f00, 0, nil) // a command of a later version
		c.push(1, 0)
		c.wantAck(1, 0)
		d.end()
	})
}
