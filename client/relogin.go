package client

import (
	"context"
	"errors"
	"time"
)

// errRelogin ends the connection of whoever was logged in.
var errRelogin = errors.New("the application asked for a new login")

// Relogin logs in again, now, with a fresh token from Config.Token, also in the
// midst of a wait. It is for an application in which somebody has logged in: the
// token names them from now on. A session without a person ends with that login,
// as identified, and what it was still owed is dropped. A person's own session
// ends by [Client.Logout]; without that it lives on until it expires.
//
// What is sent and not yet in the log is sent for the new person. Relogin
// returns at once; what comes of it are notices. Before Run it counts for Run's
// first login.
func (c *Client) Relogin() {
	c.ask()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.goodbye == nil {
		c.conn.goodbye = errRelogin // after the acks that are due
		c.poke()
	}
}

func (c *Client) ask() {
	select {
	case c.again <- struct{}{}:
	default: // it has been asked for and not begun
	}
}

// forgetIfAsked makes the next connection a login.
func (c *Client) forgetIfAsked() error {
	select {
	case <-c.again:
		return c.save(func(s *State) { s.Ticket = nil })
	default:
		return nil
	}
}

// rest waits for d, or until Relogin; false if ctx ended first.
func (c *Client) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.again:
		c.ask() // token takes it
		return true
	case <-ctx.Done():
		return false
	}
}
