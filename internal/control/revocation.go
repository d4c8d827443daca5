package control

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"waybill/schemas"
)

// Revocation names sessions that may not go on: those of one user, or of one
// device, that began before a time, or a single one of them.
type Revocation struct {
	App, User string
	Device    string     // empty: all of the user's
	Session   schemas.ID // zero: all that began before
	// Before is microseconds since 1970, by the clock of who revoked: a session
	// whose login is as late as that, by its gate's clock, goes on.
	Before int64
	Reason schemas.Reason
}

// Covers says that the session may not go on; began is when it did, in
// microseconds by its gate's clock.
func (r Revocation) Covers(app, user, device string, session schemas.ID, began int64) bool {
	return r.App == app && r.User == user && (r.Device == "" || r.Device == device) &&
		(r.Session.IsZero() || r.Session == session) && began < r.Before
}

// key of the record: what it revokes, so that the topic keeps the newest of it.
// No app is called so.
func (r Revocation) key() string {
	parts := []string{"revoked", r.App, r.User, r.Device, ""}
	if !r.Session.IsZero() {
		parts[4] = hex.EncodeToString(r.Session[:])
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// event is the record, but for who writes it and when.
func (r Revocation) event() *schemas.Event {
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_REVOKED, App: r.App, User: r.User, Device: r.Device,
		Revoked: &schemas.Revoked{Reason: r.Reason, Before: r.Before},
	}
	if !r.Session.IsZero() {
		e.Revoked.Session = bytes.Clone(r.Session[:])
	}
	return e
}

// revocationOf reads the record of one.
func revocationOf(e *schemas.Event) Revocation {
	return Revocation{
		App: strings.Clone(e.GetApp()), User: strings.Clone(e.GetUser()), Device: strings.Clone(e.GetDevice()),
		Session: schemas.IDFrom(e.GetRevoked().GetSession()), Before: e.GetRevoked().GetBefore(),
		Reason: cmp.Or(e.GetRevoked().GetReason(), schemas.Reason_REASON_REVOKED),
	}
}

// whose is the user of a session.
type whose struct{ app, user string }

// byUser sorts revocations to those whom they may concern.
func byUser(all []Revocation) map[whose][]Revocation {
	m := make(map[whose][]Revocation, len(all))
	for _, r := range all {
		w := whose{r.App, r.User}
		m[w] = append(m[w], r)
	}
	return m
}

// Revocations that have not been dropped, in the order of their times, and a
// channel that is closed when they may be others. Nobody changes the list.
func (v *View) Revocations() (now []Revocation, changed <-chan struct{}) {
	s := v.state.Load()
	return s.revocations, s.replaced
}

// Revoked says whether a session may not go on, and why.
func (v *View) Revoked(app, user, device string, session schemas.ID, began int64) (schemas.Reason, bool) {
	for _, r := range v.state.Load().revoked[whose{app, user}] {
		if r.Covers(app, user, device, session, began) {
			return r.Reason, true
		}
	}
	return schemas.Reason_REASON_NONE, false
}

// inOrder sorts by time, then by what is revoked.
func inOrder(all map[string]Revocation) []Revocation {
	list := make([]Revocation, 0, len(all))
	for _, r := range all {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Revocation) int {
		return cmp.Or(cmp.Compare(a.Before, b.Before), cmp.Compare(a.key(), b.key()))
	})
	return list
}
