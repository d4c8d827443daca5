package schemas

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"time"
)

// ID is 16 bytes: a trace id, push id, session or install.
type ID [16]byte

// NewID draws an id in the shape of a UUIDv7 (RFC 9562): 48 bits of
// milliseconds, then random bits. It is also a legal W3C trace id, and its
// time lets ClickHouse find a trace's rows close together.
func NewID(now time.Time) ID {
	var id ID
	_, _ = rand.Read(id[6:]) // never fails (crypto/rand)
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// NamedID is the push id for a caller's own name: unique within app and user.
// The shape is that of a UUIDv8 (RFC 9562), so that it never equals a drawn id.
func NamedID(app, user, name string) ID {
	h := sha256.New()
	for _, s := range []string{app, user, name} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	var id ID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IDFrom copies 16 bytes; any other length is the zero id.
func IDFrom(b []byte) ID {
	if len(b) != len(ID{}) {
		return ID{}
	}
	return ID(b)
}

// IsZero says that there is no id.
func (id ID) IsZero() bool { return id == ID{} }

// String is 32 lower-case hex digits, as in a W3C traceparent.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 32 hex digits; dashes, as in a UUID, are allowed.
func ParseID(s string) (ID, error) {
	digits := make([]byte, 0, 32)
	for i := 0; i < len(s); i++ {
		if s[i] != '-' {
			digits = append(digits, s[i])
		}
	}
	var id ID
	if len(digits) != 32 {
		return id, fmt.Errorf("parse id %q: want 32 hex digits, got %d", s, len(digits))
	}
	if _, err := hex.Decode(id[:], digits); err != nil {
		return id, fmt.Errorf("parse id %q: %w", s, err)
	}
	return id, nil
}

// Key of a user's records: one user, one partition, one order. App names hold
// no slash, so the key is unique.
func Key(app, user string) []byte {
	b := make([]byte, 0, len(app)+1+len(user))
	return append(append(append(b, app...), '/'), user...)
}

// DigestFor tells whether two pushes of one push id ask for the same thing.
func (x *Pushed) DigestFor(device string) uint64 {
	h := fnv.New64a()
	var n [12]byte
	binary.BigEndian.PutUint32(n[0:], x.Family)
	binary.BigEndian.PutUint32(n[4:], x.Command)
	binary.BigEndian.PutUint32(n[8:], uint32(len(device)))
	h.Write(n[:])
	h.Write([]byte(device))
	h.Write(x.Body)
	return h.Sum64()
}
