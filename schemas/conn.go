package schemas

import "fmt"

// ConnID names one connection for ever: the number of its gate (from 1), that
// gate's incarnation (position of its started record in waybill.gates), and a
// count within the incarnation. The zero value is no connection.
type ConnID struct {
	Gate        uint32
	Incarnation uint64
	Number      uint64
}

// IsZero says that there is no connection.
func (c ConnID) IsZero() bool { return c == ConnID{} }

// String is what pages and logs show: g2.17.5.
func (c ConnID) String() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("g%d.%d.%d", c.Gate, c.Incarnation, c.Number)
}

// Conn is the connection that the event is about.
func (x *Event) Conn() ConnID { return ConnID{x.Gate, x.Incarnation, x.Connection} }

// SetConn names the connection that the event is about.
func (x *Event) SetConn(c ConnID) {
	x.Gate, x.Incarnation, x.Connection = c.Gate, c.Incarnation, c.Number
}

// Conn is the connection that the command is for.
func (x *Command) Conn() ConnID { return ConnID{x.Gate, x.Incarnation, x.Connection} }

// SetConn names the connection that the command is for.
func (x *Command) SetConn(c ConnID) {
	x.Gate, x.Incarnation, x.Connection = c.Gate, c.Incarnation, c.Number
}
