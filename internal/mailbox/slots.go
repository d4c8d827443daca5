package mailbox

import (
	"strings"

	"waybill/schemas"
)

// A user's devices stand in slots. Delivery ends sessions beyond a number; the
// slot of a device whose session has ended is another's one day, so that a user
// who logs in on a new device each day costs no more than one who has a few.

const (
	manySlots = 64                   // from here on slots of sessions that ended long ago are used again
	mostSlots = 256                  // from here on that of the session that ended first, whenever it was
	ticketAge = 31 * 24 * 3600 * 1e6 // microseconds of broker time: longer than a ticket lives
)

// deviceFor finds or makes the device, at that broker time. Copies are told apart
// by its index.
func (u *User) deviceFor(name string, at int64) int {
	i := u.Device(name)
	if i >= 0 {
		return i
	}
	name = strings.Clone(name)
	if i = u.freeSlot(at); i < 0 {
		u.Devices = append(u.Devices, Device{Name: name})
		return len(u.Devices) - 1
	}
	d := &u.Devices[i]
	*d = Device{Name: name, Floor: max(d.Floor, d.LoginAt), stored: d.stored}
	for _, p := range u.Pushes {
		if i < len(p.Copies) && p.Copies[i] != (Copy{}) {
			p.Copies[i] = Copy{}
			u.note(p)
		}
	}
	return i
}

// freeSlot is the one whose session ended first, if it may be used again; -1 if
// none may. Sessions that may come back and devices that are owed something keep
// theirs; beyond the most, ended ones do not, and Floor keeps them from coming
// back: what is lost is the reason that they would hear.
func (u *User) freeSlot(at int64) int {
	if len(u.Devices) < manySlots {
		return -1
	}
	free := -1
	for i := range u.Devices {
		if d := &u.Devices[i]; !d.Live && (free < 0 || d.Progress < u.Devices[free].Progress) && !u.owes(i) {
			free = i
		}
	}
	if free >= 0 && len(u.Devices) < mostSlots && at-u.Devices[free].Progress < ticketAge {
		return -1
	}
	return free
}

func (u *User) owes(i int) bool {
	for _, p := range u.Pushes {
		if i < len(p.Copies) && p.Copies[i].Open() {
			return true
		}
	}
	return false
}

// gave says that the session, named by its login, is of a device whose slot is
// another's: whoever is not known any more has logged in no later than this.
func (u *User) gave(device string, loginAt schemas.Position) bool {
	if u.Device(device) >= 0 {
		return false
	}
	floor := schemas.Position(0)
	for i := range u.Devices {
		floor = max(floor, u.Devices[i].Floor)
	}
	return floor > 0 && loginAt <= floor
}
