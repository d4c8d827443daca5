package wire

import (
	"errors"
	"fmt"
)

// ErrShort says that the buffer ends before the frame does: read more.
var ErrShort = errors.New("frame is not complete yet")

// Each error names the bytes that were wrong and what is supported, because it
// is read by the person who writes the other side. The reason that goes on the
// wire follows from the type: VersionError unknown_version, FlagError
// unknown_flag, TooLargeError frame_too_large, all others bad_frame.

// VersionError is a header of a version other than [Version].
type VersionError struct{ Version uint8 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("frame has version %d: only version %d is supported", e.Version, Version)
}

// KindError is a header of no known kind.
type KindError struct{ Kind Kind }

func (e *KindError) Error() string {
	return fmt.Sprintf("frame has kind %d: kinds are 1 request, 2 response, 3 push, 4 ack", uint8(e.Kind))
}

// FlagError is a header with flags beside [KnownFlags].
type FlagError struct{ Flags Flags }

func (e *FlagError) Error() string {
	return fmt.Sprintf("frame has flags %#04x: only those in %#04x are supported", uint16(e.Flags), uint16(KnownFlags))
}

// ReservedError is a header whose reserved bytes are not 0.
type ReservedError struct{ Reserved uint16 }

func (e *ReservedError) Error() string {
	return fmt.Sprintf("frame has reserved bytes %#04x: they must be 0", e.Reserved)
}

// TooLargeError is a payload over the connection's limit, in bytes after the
// header. It is known from the header alone: nothing of the payload was read.
type TooLargeError struct{ Length, Max uint32 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("frame has %d bytes after its header: at most %d are allowed", e.Length, e.Max)
}

// PrefixError is a payload too small for what the header says begins it.
type PrefixError struct {
	What      string // "push prefix", "uplink prefix" or "ack body"
	Want, Got int    // bytes
}

func (e *PrefixError) Error() string {
	return fmt.Sprintf("%s needs %d bytes: the payload has %d", e.What, e.Want, e.Got)
}
