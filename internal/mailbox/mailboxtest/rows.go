package mailboxtest

import (
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Rows are what a storing reader that has folded s has of one user. They share
// the user with s, which must not be used any more. Push ids are those at or after
// from, or all of them.
func Rows(s *mailbox.State, key string, from schemas.Position, all bool) *mailbox.Rows {
	x := &mailbox.Rows{User: &mailbox.User{Key: key}, All: all}
	u := s.Users[key]
	if u == nil {
		return x
	}
	*x.User = mailbox.User{
		Key: u.Key, App: u.App, Name: u.Name, Devices: u.Devices,
		Pushes: u.Pushes, Waiting: u.Waiting, Closing: u.Closing, Tombs: u.Tombs,
	}
	x.Recent = slices.Collect(u.Remembered())
	if len(x.Recent) == 0 {
		x.Floor = u.Last() + 1
		return x
	}
	x.Floor = x.Recent[0].Pos
	if !all {
		x.Recent = slices.DeleteFunc(x.Recent, func(r mailbox.Recent) bool { return r.Pos < from })
	}
	return x
}
