package wire

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// String is one line for support: "request login seq=7 len=31". Fields
// that are 0 are left out.
func (h Header) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", h.Kind, h.command())
	if h.Version != Version {
		fmt.Fprintf(&b, " version=%d", h.Version)
	}
	if h.Flags != 0 {
		fmt.Fprintf(&b, " flags=%v", h.Flags)
	}
	if h.Status != 0 {
		fmt.Fprintf(&b, " status=%d", h.Status)
	}
	if h.Sequence != 0 {
		fmt.Fprintf(&b, " seq=%d", h.Sequence)
	}
	fmt.Fprintf(&b, " len=%d", h.Length)
	if h.Trace != [16]byte{} {
		b.WriteString(" trace=" + hex.EncodeToString(h.Trace[:]))
	}
	return b.String()
}

// command is "login" in family 0, "family/command.sub" in all others.
func (h Header) command() string {
	if h.Family == FamilySession {
		return SessionCommand(h.Command)
	}
	return fmt.Sprintf("%d/%d.%d", h.Family, h.Command>>8, h.Command&0xff)
}

// Describe is a text trace of one frame: its header, its prefix and the size
// of its body, never the body itself, which is the application's. A payload
// that is too small for its prefix says so.
func Describe(h Header, payload []byte) string {
	s := h.String()
	part, body, err := describePrefix(h, payload)
	if err != nil {
		return s + " (" + err.Error() + ")"
	}
	if part != "" {
		s += " " + part
	}
	return fmt.Sprintf("%s body=%d", s, len(body))
}

func describePrefix(h Header, payload []byte) (string, []byte, error) {
	switch h.PrefixSize() {
	case PushPrefixSize:
		p, body, err := ParsePushPrefix(payload)
		return fmt.Sprintf("position=%d id=%x", p.Position, p.PushID), body, err
	case UplinkPrefixSize:
		p, body, err := ParseUplinkPrefix(payload)
		return fmt.Sprintf("time=%d lowest=%d tries=%d", p.Time, p.Lowest, p.Tries), body, err
	}
	if h.Kind == KindAck && h.Family == FamilySession {
		a, err := ParseAckBody(payload)
		return fmt.Sprintf("cursor=%d received=%d", a.Cursor, a.Received), payload, err
	}
	return "", payload, nil
}
