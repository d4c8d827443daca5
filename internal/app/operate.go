package app

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/control"
	"waybill/internal/eventlog"
)

// rotateKey publishes a key that seals tickets from the moment on at which every
// gate has read it.
func rotateKey(ctx context.Context, b Base, r control.Rotation) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	id, err := control.RotateKey(ctx, log, r)
	if err != nil {
		return err
	}
	b.Logger.Info("a cluster key is published; gates seal with it when all of them have read it", "key", id)
	return nil
}

// tidy drops revocations and keys that no ticket can need any more.
func tidy(ctx context.Context, b Base) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	dropped, err := control.Tidy(ctx, log)
	if err != nil {
		return err
	}
	if dropped > 0 {
		b.Logger.Info("revocations and cluster keys that no ticket needs any more are dropped", "records", dropped)
	}
	return nil
}

// Revoke ends sessions, in the log when it returns and on every gate a second
// later. wait is how long brokers that are away are waited for.
func Revoke(ctx context.Context, b Base, r control.Revocation, wait time.Duration) error {
	waiting, cancel := context.WithTimeoutCause(ctx, wait, errPatience)
	defer cancel()
	var last string
	needed := needs{topics: []string{eventlog.ControlTopic, eventlog.AuditTopic}}
	if err := await(waiting, b, needed, b.Logger.With("tool", "revoke"), func(words string) { last = words }); err != nil {
		return fmt.Errorf("revoke: %w: %s", err, last)
	}
	log, err := b.open("revoke@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	return control.Revoke(ctx, log, r, "")
}
