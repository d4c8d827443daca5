package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// Send brings a one-way uplink to the log: nil means that it is there. It is
// sent again across reconnects, always under the same sequence, until ctx ends;
// then it may be in the log or not. Uplinks keep the order in which Send and
// Request were called. Family is 1 to 65535; body must not be changed before
// Send returns. A refusal for good is a *[StatusError].
func (c *Client) Send(ctx context.Context, family, command uint16, body []byte) error {
	_, err := c.uplink(ctx, &call{oneWay: true, family: family, command: command, body: body})
	return err
}

// Request is an uplink that an app-server answers. It waits for the answer
// until ctx ends, across reconnects, like Send. Where nobody answers, the error
// is a *[StatusError] with the reason no_handler; the uplink is in the log
// nonetheless.
func (c *Client) Request(ctx context.Context, family, command uint16, body []byte) (Response, error) {
	return c.uplink(ctx, &call{family: family, command: command, body: body})
}

// Opened reports that a person opened the push. It returns when that is in the
// log.
func (c *Client) Opened(ctx context.Context, p Push) error {
	body, err := (&schemas.OpenedReport{
		Position: p.Position, PushId: p.ID[:], DeviceTime: time.Now().UnixMicro(),
	}).MarshalVT()
	if err != nil {
		return fmt.Errorf("encode opened report: %w", err)
	}
	_, err = c.do(ctx, &c.reports, &call{command: wire.CmdOpened, trace: p.Trace, body: body})
	return err
}

// Logout ends the session: what the device is owed is dropped, the ticket is
// forgotten and Run ends with the reason logged_out.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.do(ctx, &c.reports, &call{command: wire.CmdLogout})
	return err
}

func (c *Client) uplink(ctx context.Context, call *call) (Response, error) {
	if call.family == wire.FamilySession {
		return Response{}, errors.New("send uplink: family 0 is the session's; use 1 to 65535")
	}
	call.trace = schemas.NewID(time.Now())
	return c.do(ctx, &c.uplinks, call)
}

// do puts a call into its outbox and waits for its end.
func (c *Client) do(ctx context.Context, box *outbox, call *call) (Response, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return Response{}, ctx.Err()
	}
	call.done = make(chan struct{})
	if err := c.put(box, call); err != nil {
		<-c.slots
		return Response{}, err
	}
	select {
	case <-call.done:
	case <-ctx.Done():
		if c.giveUp(box, call) {
			return Response{}, ctx.Err()
		}
	}
	return call.response, call.err
}

func (c *Client) put(box *outbox, call *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return c.stopped
	}
	if len(call.body) > c.room {
		return tooLarge(len(call.body), c.room)
	}
	box.add(call)
	c.poke()
	return nil
}

// giveUp forgets a call; false if it has ended at the same moment.
func (c *Client) giveUp(box *outbox, call *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.logged[call.sequence] == call {
		delete(c.logged, call.sequence)
		<-c.slots
		return true
	}
	if !box.giveUp(call) {
		return false
	}
	if box.held {
		c.poke() // others may have waited for this one
	}
	return true
}
