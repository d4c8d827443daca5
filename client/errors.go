package client

import (
	"errors"
	"fmt"
	"time"

	"waybill/schemas"
)

// ErrRunning is Run's answer while it is running already.
var ErrRunning = errors.New("client is running already")

// ErrStopped ends what was waiting for an answer when Run returned. It may be
// in the log or not.
var ErrStopped = errors.New("client has stopped")

// ClosedError ends Run: the gate closed the connection or refused the login,
// and the device must not come back by itself.
type ClosedError struct {
	Reason  schemas.Reason
	Message string // the gate's, for a person
}

func (e *ClosedError) Error() string {
	return "closed by the gate: " + describe(e.Reason, e.Message)
}

// StatusError is the refusal of one request.
type StatusError struct {
	Reason  schemas.Reason
	Message string // the gate's, for a person
}

func (e *StatusError) Error() string {
	return "refused by the gate: " + describe(e.Reason, e.Message)
}

// StoreError ends Run: the device's state could not be read or saved, so
// nothing may be acknowledged any more.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return "keep state: " + e.Err.Error() }

// Unwrap is the Store's own error.
func (e *StoreError) Unwrap() error { return e.Err }

// HandlerError is the Err of a Notice: the application broke on a push.
type HandlerError struct {
	Position uint64
	Err      error
}

func (e *HandlerError) Error() string {
	return fmt.Sprintf("handle push at %v: %v", schemas.Position(e.Position), e.Err)
}

// Unwrap is what the Handler returned.
func (e *HandlerError) Unwrap() error { return e.Err }

// closing is how a gate ends a connection: its close frame, or the refusal of
// a login.
type closing struct {
	reason    schemas.Reason
	message   string
	reconnect bool
	after     time.Duration
	address   string
}

func (c *closing) Error() string {
	return "closed by the gate: " + describe(c.reason, c.message)
}

// redirection ends a connection by sending the device elsewhere.
type redirection struct{ address string }

func (r *redirection) Error() string { return "redirected to " + r.address }

func describe(r schemas.Reason, message string) string {
	if message == "" {
		message = r.Explain()
	}
	return r.Word() + ": " + message
}
