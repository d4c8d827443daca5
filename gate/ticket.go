package gate

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"waybill/internal/control"
	"waybill/schemas"
)

// ticketLife is how long a resume ticket is good; each resume seals a new one.
const ticketLife = control.TicketLife

// The first byte of a ticket, which is authenticated with it, says what stands
// before the nonce: nothing more, under the configured key, or the four bytes of
// a published key's id.
const (
	ticketConfigured = 1
	ticketPublished  = 2

	headConfigured = 1
	headPublished  = 1 + 4
)

// ClusterKeySize is the bytes of the key that all gates are configured with.
const ClusterKeySize = control.KeySize

// settle is how long a key must have been in the topic before anything is
// sealed with it. It is above staleAfter: a gate that takes logins has read what
// is as old as that, also one of which nobody has heard yet.
const settle = 2 * staleAfter

var errTicket = errors.New("the ticket was not sealed by this cluster")

// sealer makes and reads resume tickets: a head, a random nonce, and the
// schemas.Ticket under AES-256-GCM. Any gate that has the keys reads it, so that
// a resume asks nobody.
type sealer struct {
	// Fixed.
	key        []byte // the configured one, under which the others are published
	configured cipher.AEAD
	now        func() time.Time
	agreed     func() schemas.Position // what every other gate has read of the control topic

	ring atomic.Pointer[[]publishedKey] // newest first

	seen schemas.Position // newest key that take was told of; its caller's
}

// publishedKey is a key of the control topic that the configured one opened.
type publishedKey struct {
	control.ClusterKey
	aead cipher.AEAD
}

// newSealer checks the key. It has no other one, and knows no other gate.
func newSealer(key []byte) (*sealer, error) {
	aead, err := control.NewAEAD(key)
	if err != nil {
		return nil, err
	}
	s := &sealer{key: key, configured: aead, now: time.Now, agreed: func() schemas.Position { return 0 }}
	s.ring.Store(new([]publishedKey))
	return s, nil
}

// take makes these the published keys, newest first. One goroutine calls it. A key that does not open is left out: it
// was published by somebody, or is read by a gate, with a wrong configured key.
func (s *sealer) take(keys []control.ClusterKey, log *slog.Logger) {
	var ring []publishedKey
	for _, k := range keys {
		aead, err := s.opened(k)
		if err != nil && k.At > s.seen {
			log.Error("a published cluster key does not open: nothing is sealed with it here, and its tickets are refused", "key", k.ID, "err", err)
		}
		if err == nil {
			ring = append(ring, publishedKey{k, aead})
		}
	}
	if len(keys) > 0 {
		s.seen = max(s.seen, keys[0].At)
	}
	s.ring.Store(&ring)
}

func (s *sealer) opened(k control.ClusterKey) (cipher.AEAD, error) {
	for _, known := range *s.ring.Load() {
		if known.ID == k.ID && known.At == k.At {
			return known.aead, nil
		}
	}
	key, err := k.Open(s.key)
	if err != nil {
		return nil, err
	}
	return control.NewAEAD(key)
}

// current is the key that seals now: the newest that every gate has read. nil is
// the configured one.
func (s *sealer) current() *publishedKey {
	ring, agreed, now := *s.ring.Load(), s.agreed(), s.now().UnixMicro()
	for i := range ring {
		if k := &ring[i]; k.At <= agreed && now-k.Published >= settle.Microseconds() && !k.retired(now) {
			return k
		}
	}
	return nil
}

// retired says that no ticket under the key can be good any more.
func (k *publishedKey) retired(now int64) bool { return k.Retires != 0 && k.Retires <= now }

// seal draws a nonce for each ticket: 96 random bits are good for some billions
// of tickets under one key, which is what rotation is for.
func (s *sealer) seal(t *schemas.Ticket) ([]byte, error) {
	plain, err := t.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode ticket: %w", err)
	}
	aead, head := s.configured, headConfigured
	k := s.current()
	if k != nil {
		aead, head = k.aead, headPublished
	}
	from := head + aead.NonceSize()
	out := make([]byte, from, from+len(plain)+aead.Overhead())
	if out[0] = ticketConfigured; k != nil {
		out[0] = ticketPublished
		binary.BigEndian.PutUint32(out[1:], k.ID)
	}
	_, _ = rand.Read(out[head:]) // never fails (crypto/rand)
	return aead.Seal(out, out[head:from], plain, out[:head]), nil
}

// open reads a ticket; it does not judge its expiry. The error is errTicket
// whatever is wrong: a stranger learns nothing from it.
func (s *sealer) open(sealed []byte) (*schemas.Ticket, error) {
	aead, head := s.keyOf(sealed)
	if aead == nil || len(sealed) < head+aead.NonceSize() {
		return nil, errTicket
	}
	from := head + aead.NonceSize()
	plain, err := aead.Open(nil, sealed[head:from], sealed[from:], sealed[:head])
	if err != nil {
		return nil, errTicket
	}
	var t schemas.Ticket
	if t.UnmarshalVT(plain) != nil {
		return nil, errTicket
	}
	return &t, nil
}

// keyOf finds the key that a ticket names, and how long its head is; nil where
// nobody has it, or no ticket under it can be good.
func (s *sealer) keyOf(sealed []byte) (cipher.AEAD, int) {
	switch {
	case len(sealed) >= headConfigured && sealed[0] == ticketConfigured:
		return s.configured, headConfigured
	case len(sealed) < headPublished || sealed[0] != ticketPublished:
		return nil, 0
	}
	ring, id := *s.ring.Load(), binary.BigEndian.Uint32(sealed[1:])
	for i := range ring {
		if k := &ring[i]; k.ID == id && !k.retired(s.now().UnixMicro()) {
			return k.aead, headPublished
		}
	}
	return nil, 0
}
