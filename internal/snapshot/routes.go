package snapshot

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// routeColumns are rows of routes; gone are the devices without one.
type routeColumns struct {
	places
	conns
	base, resumeAt, since, windows, maxFrames []int64
	adopt                                     []int32
	gone                                      places
}

// add takes a device whose route may have begun, changed or ended.
func (c *routeColumns) add(u *mailbox.User, d mailbox.DeviceChange) {
	if !d.Connected() {
		if !d.New {
			c.gone.add(u, d.Place)
		}
		return
	}
	c.places.add(u, d.Place)
	c.conns.add(d.Conn)
	c.base = append(c.base, int64(d.Base))
	c.resumeAt = append(c.resumeAt, int64(d.ResumeAt))
	c.since = append(c.since, d.Since)
	c.windows = append(c.windows, int64(d.Window))
	c.maxFrames = append(c.maxFrames, int64(d.MaxFrame))
	c.adopt = append(c.adopt, int32(d.Adopt))
}

// queue deletes routes that ended, and writes those that are there.
func (c *routeColumns) queue(b *batch) {
	c.gone.queue(b, sqlRoutesGone)
	if len(c.place) > 0 {
		b.add(sqlRoutes, c.apps, c.users, c.place, c.gates, c.incarnations, c.connections,
			c.base, c.resumeAt, c.since, c.windows, c.maxFrames, c.adopt)
	}
}

// row is what the columns say of one route, for COPY.
func (c *routeColumns) row(partition int32, i int) []any {
	return []any{
		partition, c.apps[i], c.users[i], c.place[i], c.gates[i], c.incarnations[i], c.connections[i],
		c.base[i], c.resumeAt[i], c.since[i], c.windows[i], c.maxFrames[i], c.adopt[i],
	}
}

// routes fill in the devices that are connected.
func (l *loader) routes() error {
	var gate, incarnation, connection, base, resumeAt, since, window, maxFrame int64
	var adopt int32
	return l.rows(sqlLoadRoutes, func(u *mailbox.User, place int) error {
		d, err := deviceAt(u, place)
		if err != nil {
			return err
		}
		d.Conn, d.Base, d.ResumeAt = conn(gate, incarnation, connection), schemas.Position(base), schemas.Position(resumeAt)
		d.Since, d.Window, d.MaxFrame, d.Adopt = since, uint32(window), uint32(maxFrame), schemas.Reason(adopt)
		return nil
	}, &gate, &incarnation, &connection, &base, &resumeAt, &since, &window, &maxFrame, &adopt)
}

// conns are the three columns of a connection id.
type conns struct {
	gates, incarnations, connections []int64
}

// add takes one connection id, or none.
func (c *conns) add(id schemas.ConnID) {
	c.gates = append(c.gates, int64(id.Gate))
	c.incarnations = append(c.incarnations, int64(id.Incarnation))
	c.connections = append(c.connections, int64(id.Number))
}

// conn is the reverse of conns.add.
func conn(gate, incarnation, connection int64) schemas.ConnID {
	return schemas.ConnID{Gate: uint32(gate), Incarnation: uint64(incarnation), Number: uint64(connection)}
}
