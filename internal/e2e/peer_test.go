package e2e

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/internal/wire"
	"waybill/schemas"
)

// peer is a device that writes whatever bytes the test wants.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

// frame is what a gate wrote.
type frame struct {
	wire.Header
	payload []byte
}

// dial connects a peer to the first gate.
func (w *world) dial() *peer {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.gates[0])
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	return &peer{t: w.t, nc: nc, r: bufio.NewReader(nc)}
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// read takes one frame; false when the gate has closed.
func (p *peer) read() (f frame, open bool) {
	p.t.Helper()
	if err := p.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	head := make([]byte, wire.HeaderSize)
	if _, err := io.ReadFull(p.r, head); err != nil {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			p.t.Fatal("the gate says nothing")
		}
		return f, false
	}
	h, err := wire.ParseHeader(head, 1<<20)
	if err != nil {
		p.t.Fatalf("the gate wrote no frame: %v", err)
	}
	f = frame{h, make([]byte, h.Length)}
	if _, err := io.ReadFull(p.r, f.payload); err != nil {
		p.t.Fatalf("the gate wrote half a frame: %v", err)
	}
	return f, true
}

// next takes frames up to one of the kind and command.
func (p *peer) next(kind wire.Kind, command uint16) frame {
	p.t.Helper()
	for {
		f, open := p.read()
		if !open {
			p.t.Fatalf("the gate closed before %v %s", kind, wire.SessionCommand(command))
		}
		if f.Kind == kind && f.Command == command {
			return f
		}
	}
}

// position in the prefix of a push.
func position(t testing.TB, f frame) uint64 {
	t.Helper()
	prefix, _, err := wire.ParsePushPrefix(f.payload)
	if err != nil || prefix.Position == 0 {
		t.Fatalf("%s has no position: %v", wire.SessionCommand(f.Command), err)
	}
	return prefix.Position
}

// end is what a gate said before it closed.
type end struct {
	refused *schemas.Error // a response with a status, or an error frame
	closed  *schemas.Close
}

// readEnd reads until the gate has closed.
func (p *peer) readEnd() (e end) {
	p.t.Helper()
	for {
		f, open := p.read()
		if !open {
			return e
		}
		switch {
		case f.Family != wire.FamilySession:
		case f.Status != 0:
			e.refused = decode(p.t, f.payload, &schemas.Error{})
		case f.Kind == wire.KindPush && f.Command == wire.CmdError:
			e.refused = decode(p.t, f.payload[wire.PushPrefixSize:], &schemas.Error{})
		case f.Kind == wire.KindPush && f.Command == wire.CmdClose:
			e.closed = decode(p.t, f.payload[wire.PushPrefixSize:], &schemas.Close{})
		}
	}
}

// decode reads a body of family 0.
func decode[M interface{ UnmarshalVT([]byte) error }](t testing.TB, b []byte, m M) M {
	t.Helper()
	if err := m.UnmarshalVT(b); err != nil {
		t.Fatalf("the gate wrote a body that cannot be read: %v", err)
	}
	return m
}

// encode writes a body of family 0.
func encode(t testing.TB, m interface{ MarshalVT() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// login is the frame that logs a user's phone in.
func login(t testing.TB, token string, cursor uint64) []byte {
	t.Helper()
	body := encode(t, &schemas.Login{Token: token, Hello: &schemas.Hello{
		Install: []byte("install-of-phone"), Count: 1, Cursor: cursor, Platform: "raw",
	}})
	return wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogin, Sequence: 1}, nil, body)
}

// claims of a token that an app's backend might sign, for better or worse.
type claims struct {
	app, kid, secret string
	expires          time.Duration // from now
}

func (c claims) token(t testing.TB, user string) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"app": c.app, "sub": user, "device": "phone", "exp": time.Now().Add(c.expires).Unix(),
	})
	tok.Header["kid"] = c.kid
	s, err := tok.SignedString([]byte(c.secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// nextOf takes frames up to one of an application's family.
func (p *peer) nextOf(family uint16) frame {
	p.t.Helper()
	for {
		f, open := p.read()
		if !open {
			p.t.Fatalf("the gate closed before a frame of family %d", family)
		}
		if f.Family == family {
			return f
		}
	}
}
