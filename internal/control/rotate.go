package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Rotation publishes another key that seals tickets.
type Rotation struct {
	// Configured is the key that all gates are configured with: the new one is
	// sealed under it.
	Configured []byte
	// Forget drops the published keys that Configured does not open: it has been
	// replaced, or one was published under a wrong one. Tickets under them are
	// lost; their devices log in.
	Forget bool
	Who    string // for the audit; empty = Operator("migrate")
}

// ErrOtherKey is what a rotation finds out of a configured key that did not seal
// the keys that are published.
var ErrOtherKey = errors.New("was published under another configured key")

// ErrRotated says that somebody else rotated at the same time.
var ErrRotated = errors.New("another rotation came in between; its key counts")

// RotateKey publishes a new key and returns its id. Gates seal with it when all
// of them have read it; what was sealed before goes on opening.
func RotateKey(ctx context.Context, log *eventlog.Log, r Rotation) (id uint32, err error) {
	if id, err = rotateKey(ctx, log, r); err != nil {
		return 0, fmt.Errorf("rotate the cluster key: %w", err)
	}
	return id, nil
}

func rotateKey(ctx context.Context, log *eventlog.Log, r Rotation) (uint32, error) {
	now, err := current(ctx, log)
	if err != nil {
		return 0, err
	}
	known, _, _ := now.ClusterKeys()
	strange, err := r.strange(known)
	if err != nil {
		return 0, err
	}
	c, err := newChanger(log, r.Who)
	if err != nil {
		return 0, err
	}
	defer c.close()
	for _, k := range strange {
		if err := c.drop(ctx, k.recordKey()); err != nil {
			return 0, err
		}
	}
	id := uint32(1)
	if len(known) > 0 {
		id = known[0].ID + 1
	}
	return id, c.publish(ctx, r.Configured, id)
}

// strange are the keys that the configured one does not open: to be dropped, or
// an error.
func (r Rotation) strange(known []ClusterKey) (all []ClusterKey, err error) {
	if _, err := NewAEAD(r.Configured); err != nil {
		return nil, err
	}
	for _, k := range known {
		if _, err := k.Open(r.Configured); err == nil {
			continue
		}
		if !r.Forget {
			return nil, fmt.Errorf("key %d %w; allowed: the one that the gates have", k.ID, ErrOtherKey)
		}
		all = append(all, k)
	}
	return all, nil
}

// publish appends a fresh key, and looks whether it is the one that counts.
func (c *changer) publish(ctx context.Context, configured []byte, id uint32) error {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	sealed, err := SealKey(configured, id, key)
	if err != nil {
		return err
	}
	event := func(sealed []byte) *schemas.Event {
		return &schemas.Event{
			Kind:          schemas.Kind_KIND_CLUSTER_KEY_SET,
			ClusterKeySet: &schemas.ClusterKeySet{Id: id, Sealed: sealed, Created: time.Now().UnixMicro()},
		}
	}
	if err := c.set(ctx, ClusterKey{ID: id}.recordKey(), event(sealed), event(nil)); err != nil {
		return err
	}
	now, err := current(ctx, c.log)
	if err != nil {
		return err
	}
	for _, k := range now.state.Load().clusterKeys {
		if k.ID == id && bytes.Equal(k.Sealed, sealed) {
			return nil
		}
	}
	return ErrRotated
}
