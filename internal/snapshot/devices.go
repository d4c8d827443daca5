package snapshot

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// deviceColumns are rows of devices: what moves with acks.
type deviceColumns struct {
	places
	cursors, received, progress, marks, gapFrom, gapTo []int64
	resumed                                            []bool
	names                                              []string
}

// add takes one device, live or not: its cursor outlives its session.
func (c *deviceColumns) add(u *mailbox.User, d mailbox.DeviceChange) {
	c.places.add(u, d.Place)
	c.cursors = append(c.cursors, int64(d.Cursor))
	c.received = append(c.received, int64(d.Received))
	c.progress = append(c.progress, d.Progress)
	c.marks = append(c.marks, int64(d.UplinkMark))
	c.gapFrom = append(c.gapFrom, int64(d.GapFrom))
	c.gapTo = append(c.gapTo, int64(d.GapTo))
	c.resumed = append(c.resumed, d.Resumed)
	c.names = append(c.names, text(d.Name))
}

// queue writes the rows; a place's name changes only when it is another's.
func (c *deviceColumns) queue(b *batch) {
	if len(c.place) > 0 {
		b.add(sqlDevices, c.apps, c.users, c.place, c.cursors, c.received, c.progress,
			c.marks, c.gapFrom, c.gapTo, c.resumed, c.names)
	}
}

// row is what the columns say of one device, for COPY.
func (c *deviceColumns) row(partition int32, i int) []any {
	return []any{
		partition, c.apps[i], c.users[i], c.place[i], c.cursors[i], c.received[i], c.progress[i],
		c.marks[i], c.gapFrom[i], c.gapTo[i], c.resumed[i], c.names[i],
	}
}

// devices come first and in order of place: places are counted from 0 without
// a hole, since a device is never forgotten.
func (l *loader) devices() error {
	var cursor, received, progress, mark, gapFrom, gapTo int64
	var resumed bool
	var name string
	return l.rows(sqlLoadDevices, func(u *mailbox.User, place int) error {
		d := &mailbox.Device{
			Name: untext(name), Cursor: schemas.Position(cursor), Received: schemas.Position(received), Progress: progress,
			UplinkMark: uint64(mark), GapFrom: schemas.Position(gapFrom), GapTo: schemas.Position(gapTo), Resumed: resumed,
		}
		if place != len(u.Devices) {
			return errorOf(u, "device %q has place %d, not %d", d.Name, place, len(u.Devices))
		}
		u.Devices = append(u.Devices, *d)
		return nil
	}, &cursor, &received, &progress, &mark, &gapFrom, &gapTo, &resumed, &name)
}

// sessionColumns are rows of sessions: what a login brings.
type sessionColumns struct {
	places
	sessions, before, installs [][16]byte
	began, loginAt, counts     []int64
	flapAt, kickAt, floors     []int64
	flaps, kicks               []int32
	ended, leaving             []int32
	live                       []bool
	platforms, clientVersion   []string
}

// add takes the newest session of a device, also one that is over: install and
// count decide about the next connect.
func (c *sessionColumns) add(u *mailbox.User, d mailbox.DeviceChange) {
	c.places.add(u, d.Place)
	c.sessions = append(c.sessions, d.Session)
	c.before, c.installs = append(c.before, d.Before), append(c.installs, d.Install)
	c.began = append(c.began, d.SessionTime)
	c.loginAt = append(c.loginAt, int64(d.LoginAt))
	c.counts = append(c.counts, int64(d.Count))
	c.floors = append(c.floors, int64(d.Floor))
	c.flapAt, c.kickAt = append(c.flapAt, d.FlapAt), append(c.kickAt, d.KickAt)
	c.flaps, c.kicks = append(c.flaps, int32(d.Flaps)), append(c.kicks, int32(d.Kicks))
	c.ended = append(c.ended, int32(d.Ended))
	c.leaving = append(c.leaving, int32(d.Leaving))
	c.live = append(c.live, d.Live)
	c.platforms = append(c.platforms, text(d.Platform))
	c.clientVersion = append(c.clientVersion, text(d.Version))
}

// queue writes the rows. Each device has one from its first event on.
func (c *sessionColumns) queue(b *batch) {
	if len(c.place) > 0 {
		b.add(sqlSessions, c.apps, c.users, c.place, c.sessions, c.installs, c.began, c.loginAt,
			c.counts, c.ended, c.leaving, c.live, c.platforms, c.clientVersion,
			c.before, c.flapAt, c.kickAt, c.flaps, c.kicks, c.floors)
	}
}

// row is what the columns say of one session, for COPY.
func (c *sessionColumns) row(partition int32, i int) []any {
	return []any{
		partition, c.apps[i], c.users[i], c.place[i], c.sessions[i], c.installs[i], c.began[i], c.loginAt[i],
		c.counts[i], c.ended[i], c.leaving[i], c.live[i], c.platforms[i], c.clientVersion[i],
		c.before[i], c.flapAt[i], c.kickAt[i], c.flaps[i], c.kicks[i], c.floors[i],
	}
}

// sessions fill in the devices.
func (l *loader) sessions() error {
	var session, install, before [16]byte
	var began, loginAt, count, flapAt, kickAt, floor int64
	var ended, leaving, flaps, kicks int32
	var live bool
	var platform, version string
	return l.rows(sqlLoadSessions, func(u *mailbox.User, place int) error {
		d, err := deviceAt(u, place)
		if err != nil {
			return err
		}
		d.Session, d.Install, d.SessionTime, d.LoginAt = session, install, began, schemas.Position(loginAt)
		d.Count, d.Live = uint64(count), live
		d.Ended, d.Leaving = schemas.Reason(ended), schemas.Reason(leaving)
		d.Platform, d.Version = untext(platform), untext(version)
		d.Before, d.FlapAt, d.KickAt, d.Flaps, d.Kicks = before, flapAt, kickAt, uint16(flaps), uint16(kicks)
		d.Floor = schemas.Position(floor)
		return nil
	}, &session, &install, &began, &loginAt, &count, &ended, &leaving, &live, &platform, &version,
		&before, &flapAt, &kickAt, &flaps, &kicks, &floor)
}

// deviceAt is the device of a row that belongs to one.
func deviceAt(u *mailbox.User, place int) (*mailbox.Device, error) {
	if place < 0 || place >= len(u.Devices) {
		return nil, errorOf(u, "there is no device with place %d", place)
	}
	return &u.Devices[place], nil
}
