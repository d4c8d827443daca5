package delivery

import (
	"cmp"
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// endTooMany ends sessions of a user who is logged in on more devices than may
// be: of the one that is away longest first, and of connected ones the oldest
// login, never the newest. Those that are ending already do not count.
func (c *Core) endTooMany(u *mailbox.User, w *userWork) {
	if len(u.Devices) <= c.set.Devices {
		return
	}
	var live []*mailbox.Device
	for i := range u.Devices {
		if d := &u.Devices[i]; d.Live && !w.asked[askKey{kind: schemas.Kind_KIND_SESSION_ENDED, id: d.Session}] {
			live = append(live, d)
		}
	}
	if len(live) <= c.set.Devices {
		return
	}
	slices.SortFunc(live, longestAway)
	for _, d := range live[:len(live)-c.set.Devices] {
		c.endSession(u, w, d, schemas.Reason_REASON_TOO_MANY_DEVICES)
	}
}

func longestAway(a, b *mailbox.Device) int {
	switch {
	case a.Connected() && b.Connected():
		return cmp.Compare(a.LoginAt, b.LoginAt)
	case a.Connected():
		return 1
	case b.Connected():
		return -1
	}
	return cmp.Compare(a.Progress, b.Progress)
}
