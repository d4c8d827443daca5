package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// logIn sends the connection's first frame, a resume if there is a ticket, and
// waits for the Welcome. token is "" for a resume.
func (c *Client) logIn(ctx context.Context, conn *conn, token string) (*schemas.Welcome, error) {
	state, sequence, err := c.count(userOf(token))
	if err != nil {
		return nil, err
	}
	frame, err := c.firstFrame(state, sequence, token)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.nc.Close() })()
	deadline := time.Now().Add(c.cfg.AnswerTimeout)
	_ = conn.nc.SetWriteDeadline(deadline) // a closed connection fails at the write
	conn.setDeadline(deadline)
	defer conn.setDeadline(time.Time{})
	if _, err := conn.nc.Write(frame); err != nil {
		return nil, fmt.Errorf("send login: %w", err)
	}
	return awaitWelcome(conn, sequence)
}

// token is fetched before a gate is dialed: a gate does not wait long for a
// login.
func (c *Client) token(ctx context.Context) (string, error) {
	if err := c.forgetIfAsked(); err != nil {
		return "", err
	}
	c.mu.Lock()
	resume := c.state.Ticket != nil
	c.mu.Unlock()
	if resume {
		return "", nil
	}
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch token: %w", err)
	}
	return token, nil
}

// count stores the number of this attempt and for whom it is (empty: for whoever
// it was), and reserves sequences, before anything is sent.
func (c *Client) count(user string) (State, uint64, error) {
	c.mu.Lock()
	sequence := c.used + 1
	c.mu.Unlock()
	err := c.save(func(s *State) {
		if s.Install == [16]byte{} {
			s.Install = newInstall()
		}
		s.become(user)
		s.Count++
		s.Sequence = max(s.Sequence, sequence+sequenceBlock)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = sequence
	return c.state, sequence, err
}

func newInstall() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func (c *Client) firstFrame(s State, sequence uint64, token string) ([]byte, error) {
	hello := c.hello(s)
	h := wire.Header{Kind: wire.KindRequest, Command: wire.CmdResume, Sequence: sequence}
	var body []byte
	var err error
	if s.Ticket != nil {
		body, err = (&schemas.Resume{Ticket: s.Ticket, Hello: hello}).MarshalVT()
	} else {
		h.Command = wire.CmdLogin
		body, err = (&schemas.Login{Token: token, Hello: hello, Identifies: s.identifies()}).MarshalVT()
	}
	if err != nil {
		return nil, fmt.Errorf("encode login: %w", err)
	}
	return wire.AppendFrame(nil, h, nil, body), nil
}

func (c *Client) hello(s State) *schemas.Hello {
	return &schemas.Hello{
		Install:       s.Install[:],
		Count:         s.Count,
		Cursor:        s.Cursor,
		Platform:      c.cfg.Platform,
		ClientVersion: c.cfg.Version,
		Network:       c.cfg.Network(),
		Limits:        &schemas.Limits{Window: uint32(min(c.cfg.Window, math.MaxInt32))},
		Zstd:          !c.cfg.NoCompression,
	}
}

// awaitWelcome reads the answer to the first frame. Nothing else may come
// before it, but for the gate's reason to hang up.
func awaitWelcome(conn *conn, sequence uint64) (*schemas.Welcome, error) {
	for {
		h, payload, err := conn.next()
		if err != nil {
			return nil, fmt.Errorf("await welcome: %w", err)
		}
		if h.Kind == wire.KindPush && h.Family == wire.FamilySession {
			if err := hangUp(h, payload); err != nil {
				return nil, err
			}
			continue
		}
		if h.Kind != wire.KindResponse || h.Sequence != sequence {
			return nil, fmt.Errorf("await welcome: gate sent %v first", h)
		}
		return parseWelcome(h, payload)
	}
}

func parseWelcome(h wire.Header, body []byte) (*schemas.Welcome, error) {
	if h.Status != 0 {
		return nil, refusedLogin(h, body)
	}
	w := &schemas.Welcome{}
	if err := w.UnmarshalVT(body); err != nil {
		return nil, fmt.Errorf("parse welcome: %w", err)
	}
	if len(w.Ticket) == 0 {
		w.Ticket = nil // a gate that seals none: log in each time
	}
	return w, nil
}

// refusedLogin is the status of a first frame as if it were a close.
func refusedLogin(h wire.Header, body []byte) error {
	reason, message, wait := parseError(h, body)
	return &closing{reason: reason, message: message, reconnect: !answerTo(reason).stop, after: wait}
}

// hangUp reads a push of family 0 by which the gate ends the connection; nil
// if it is another.
func hangUp(h wire.Header, payload []byte) error {
	_, body, err := wire.ParsePushPrefix(payload)
	if err != nil {
		return fmt.Errorf("parse %v: %w", h, err)
	}
	switch h.Command {
	case wire.CmdClose:
		var m schemas.Close
		if err := m.UnmarshalVT(body); err != nil {
			return fmt.Errorf("parse close: %w", err)
		}
		return &closing{m.Reason, m.Message, m.Reconnect, milliseconds(m.After), m.Address}
	case wire.CmdRedirect:
		var m schemas.Redirect
		if err := m.UnmarshalVT(body); err != nil {
			return fmt.Errorf("parse redirect: %w", err)
		}
		return &redirection{address: m.Address}
	}
	return nil
}

// parseError reads the body of a refusal. One that cannot be read leaves its
// status.
func parseError(h wire.Header, body []byte) (schemas.Reason, string, time.Duration) {
	reason := schemas.Reason(h.Status)
	var m schemas.Error
	if err := m.UnmarshalVT(body); err != nil {
		return reason, "", 0
	}
	return reason, m.Message, milliseconds(m.RetryAfter)
}

// milliseconds of the wire; a negative or absurd number is bounded to a day.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 24*3600*1000)) * time.Millisecond
}
