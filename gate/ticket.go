package gate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"waybill/schemas"
)

// ticketLife is how long a resume ticket is good; each resume seals a new one.
const ticketLife = 30 * 24 * time.Hour

// ticketVersion begins every ticket and is authenticated with it; keys that
// rotate will need a second one.
const ticketVersion = 1

// ClusterKeySize is the bytes of the key that all gates of a cluster share.
const ClusterKeySize = 32

var errTicket = errors.New("the ticket was not sealed by this cluster")

// sealer makes and reads resume tickets: a version byte, a random nonce, and
// the schemas.Ticket under AES-256-GCM. Any gate that has the key reads it, so
// that a resume asks nobody.
type sealer struct{ aead cipher.AEAD }

// newSealer checks the key.
func newSealer(key []byte) (*sealer, error) {
	if len(key) != ClusterKeySize {
		return nil, fmt.Errorf("cluster key has %d bytes: it must have %d", len(key), ClusterKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open cluster key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open cluster key: %w", err)
	}
	return &sealer{aead}, nil
}

// seal draws a nonce for each ticket: 96 random bits are good for some billions
// of tickets under one key, which is what rotation is for.
func (s *sealer) seal(t *schemas.Ticket) ([]byte, error) {
	plain, err := t.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode ticket: %w", err)
	}
	head := 1 + s.aead.NonceSize()
	out := make([]byte, head, head+len(plain)+s.aead.Overhead())
	out[0] = ticketVersion
	_, _ = rand.Read(out[1:]) // never fails (crypto/rand)
	return s.aead.Seal(out, out[1:head], plain, out[:1]), nil
}

// open reads a ticket; it does not judge its expiry. The error is errTicket
// whatever is wrong: a stranger learns nothing from it.
func (s *sealer) open(sealed []byte) (*schemas.Ticket, error) {
	head := 1 + s.aead.NonceSize()
	if len(sealed) < head || sealed[0] != ticketVersion {
		return nil, errTicket
	}
	plain, err := s.aead.Open(nil, sealed[1:head], sealed[head:], sealed[:1])
	if err != nil {
		return nil, errTicket
	}
	var t schemas.Ticket
	if t.UnmarshalVT(plain) != nil {
		return nil, errTicket
	}
	return &t, nil
}
