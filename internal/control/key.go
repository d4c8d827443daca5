package control

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// KeySize is the bytes of a key that seals tickets, of the configured one too.
const KeySize = 32

// TicketLife is how long a resume ticket is good.
const TicketLife = 30 * 24 * time.Hour

// keptFor is how long a key opens tickets after a newer one was published, and
// how long a revocation is kept: as long as tickets live, and a day for what
// was published to be read by every gate.
const keptFor = TicketLife + 24*time.Hour

// ClusterKey seals resume tickets. The topic holds it under the configured key,
// which all gates have: who reads the topic alone opens no ticket.
type ClusterKey struct {
	ID        uint32           // from 1; higher is newer
	At        schemas.Position // of its record
	Published int64            // broker time, microseconds
	// Retires is when the last ticket under it has expired, in microseconds; 0 =
	// no newer key was published.
	Retires int64

	// Sealed is the key under the configured one: a nonce, then AES-256-GCM.
	Sealed []byte
}

// errSealed: the one thing that is to be known of a key that does not open.
var errSealed = errors.New("the key was sealed under another configured key")

// Open returns the key itself. It must be sealed under that configured key.
func (k ClusterKey) Open(configured []byte) ([]byte, error) {
	aead, err := NewAEAD(configured)
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(k.Sealed) < n {
		return nil, errSealed
	}
	key, err := aead.Open(nil, k.Sealed[:n], k.Sealed[n:], keyLabel(k.ID))
	if err != nil || len(key) != KeySize {
		return nil, errSealed
	}
	return key, nil
}

// SealKey makes what ClusterKey.Sealed of that id is; see ClusterKey.Open.
func SealKey(configured []byte, id uint32, key []byte) ([]byte, error) {
	aead, err := NewAEAD(configured)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return aead.Seal(nonce, nonce, key, keyLabel(id)), nil
}

// keyLabel is authenticated with a sealed key: it is that one and no ticket,
// which the configured key may have sealed too.
func keyLabel(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte("waybill cluster key "), id)
}

// NewAEAD is AES-256-GCM under the key.
func NewAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("cluster key has %d bytes: it must have %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open cluster key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open cluster key: %w", err)
	}
	return aead, nil
}

// recordKey of the key's record. No app is called so.
func (k ClusterKey) recordKey() string { return fmt.Sprintf("cluster-key/%d", k.ID) }

// clusterKeyOf reads the record of one.
func clusterKeyOf(entry *eventlog.Entry) ClusterKey {
	k := entry.Event.GetClusterKeySet()
	return ClusterKey{ID: k.GetId(), At: entry.Position, Published: entry.Time, Sealed: bytes.Clone(k.GetSealed())}
}

// newestFirst sorts the keys, and says of each when it retires.
func newestFirst(all map[string]ClusterKey) []ClusterKey {
	list := make([]ClusterKey, 0, len(all))
	for _, k := range all {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b ClusterKey) int { return cmp.Compare(b.ID, a.ID) })
	for i := range list {
		if i > 0 {
			list[i].Retires = list[i-1].Published + keptFor.Microseconds()
		}
	}
	return list
}

// ClusterKeys that have not been dropped, the newest first, as of a position:
// everything up to it has been read. The channel is closed when they may be
// others. Nobody changes the list.
func (v *View) ClusterKeys() (now []ClusterKey, asOf schemas.Position, changed <-chan struct{}) {
	s := v.state.Load()
	return s.clusterKeys, s.asOf, s.replaced
}
