package mailbox

import (
	"slices"
	"strings"

	"waybill/schemas"
)

// Device is one device of a user: its session, its cursor and, while it is
// connected, its route.
type Device struct {
	Name string

	// The session: one login with its resumes. Live until it is ended. It is the
	// newest of its device: an older one cannot come back, so none is listed.
	Live        bool
	Session     schemas.ID
	SessionTime int64            // when it began, by the gate's clock
	LoginAt     schemas.Position // of its login: its name, and what "newer" means for a policy
	Ended       schemas.Reason   // why it has ended; 0 while it lives
	Leaving     schemas.Reason   // the device logged out, or was identified: delivery will end the session
	Platform    string
	Version     string
	Install     schemas.ID
	Count       uint64
	Floor       schemas.Position // newest login of those who had the slot before
	Before      schemas.ID       // the session before: a repeated record of its login revives nothing
	Cursor      schemas.Position // newest that the device acknowledged
	// Progress is the broker time of the newest sign that the device gets on;
	// while it is away, of its last connection's end; without a session, of that
	// one's end.
	Progress   int64
	UplinkMark uint64
	// GapFrom and GapTo bound what ended as overflow and has not been said.
	GapFrom, GapTo schemas.Position
	// Flaps counts how often installs alternated on the device, Kicks how often
	// devices of the user had kicked each other when this session kicked; with the
	// broker times of the newest.
	FlapAt, KickAt int64
	Flaps, Kicks   uint16

	// The route. Conn is zero while there is none.
	Conn     schemas.ConnID
	Base     schemas.Position // where every series of writes to Conn starts
	Adopt    schemas.Reason   // why the cursor meant nothing; Base is then ours
	ResumeAt schemas.Position // of its connected, and of its resumed
	Resumed  bool             // an acked has reached ResumeAt
	Received schemas.Position // the application works on it
	Window   uint32           // pushes in flight; 0 = delivery's default
	MaxFrame uint32           // bytes; 0 = no limit
	Since    int64            // broker time of its connected

	swept schemas.Position // no push up to here waits for the device's word; never stored

	changed bool // cursor and gap, or what moves with each ack
	linked  bool // the session or the route: at connects and ends only
	stored  bool // its place has rows, of whichever device
}

// Connected says that the device has a route.
func (d *Device) Connected() bool { return !d.Conn.IsZero() }

// Device index by name; -1 where the user has no such device.
func (u *User) Device(name string) int {
	for i := range u.Devices {
		if u.Devices[i].Name == name {
			return i
		}
	}
	return -1
}

// routed is the device whose route is conn; -1 where that route is over.
func (u *User) routed(name string, conn schemas.ConnID) int {
	i := u.Device(name)
	if i < 0 || conn.IsZero() || u.Devices[i].Conn != conn {
		return -1
	}
	return i
}

// endRoute forgets the route: at that broker time the device is away. With a
// reason the connection must still be closed: it is closing until its end is
// read.
func (u *User) endRoute(i int, at int64, reason schemas.Reason) {
	d := &u.Devices[i]
	if !d.Connected() {
		return
	}
	if reason != 0 {
		x := Closing{Device: d.Name, Conn: d.Conn, Reason: reason, Install: d.Install}
		if reason == schemas.Reason_REASON_FLAPPING {
			x.After = Damping(d.Flaps) / 1000
		}
		u.close(x)
	}
	u.countTry(i)
	d.Progress = at
	d.Conn, d.Base, d.Adopt, d.ResumeAt, d.Resumed = schemas.ConnID{}, 0, 0, 0, false
	d.Received, d.Window, d.MaxFrame, d.Since = 0, 0, 0, 0
	d.linked, u.moved = true, true
}

// countTry holds the connection against the push after the cursor, if the
// device said that its application had begun with it.
func (u *User) countTry(i int) {
	for _, p := range u.Unswept(i) {
		c := p.Copy(i)
		if !c.Open() || c.Acked {
			continue
		}
		if u.Devices[i].Received == p.Pos && c.Tries < 255 {
			c.Tries++
			u.note(p)
		}
		return
	}
}

// close puts the connection on the list of those that must go. Its device's name
// belongs to the reader.
func (u *User) close(x Closing) {
	if len(u.Closing) == maxClosing {
		i := u.abandoned()
		u.Closing = slices.Delete(u.Closing, i, i+1)
	}
	x.Device = strings.Clone(x.Device)
	u.Closing = append(u.Closing, x)
	u.changes.lists, u.moved = true, true
}

// abandoned is which connection is given up when the list is full: the oldest
// whose install has a newer one. A phone uses one connection at a time, so nobody
// is behind it, and its gate ends it for its silence. Where there is none, as many
// installs as the list is long wait for gates that do not answer; then the oldest
// goes, whose close lies in waybill.dispatch since it came onto the list: it is
// only not said a second time.
func (u *User) abandoned() int {
	for i := range u.Closing {
		x := &u.Closing[i]
		newer := func(y Closing) bool { return y.Device == x.Device && y.Install == x.Install }
		if slices.ContainsFunc(u.Closing[i+1:], newer) {
			return i
		}
		if j := u.Device(x.Device); j >= 0 && u.Devices[j].Connected() && u.Devices[j].Install == x.Install {
			return i
		}
	}
	return 0
}
