package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Revocation names sessions that may not go on: those of one user, or of one
// device, that began before a time, or a single one of them.
type Revocation struct {
	App, User string
	Device    string     // empty: all of the user's
	Session   schemas.ID // zero: all that began before
	// Before is microseconds since 1970, by the clock of who revoked or that of
	// the log, whichever was later: a session that began then or afterwards goes on.
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

// revocationOf reads the record of one. Somebody's clock that is slow leaves
// nobody out: the broker's counts where it is later.
func revocationOf(entry *eventlog.Entry) Revocation {
	e := entry.Event
	return Revocation{
		App: strings.Clone(e.GetApp()), User: strings.Clone(e.GetUser()), Device: strings.Clone(e.GetDevice()),
		Session: schemas.IDFrom(e.GetRevoked().GetSession()), Before: max(e.GetRevoked().GetBefore(), entry.Time),
		Reason: cmp.Or(e.GetRevoked().GetReason(), schemas.Reason_REASON_REVOKED),
	}
}

// whose is the user of a session.
type whose struct{ app, user string }

// revocations are those in force: in the order of their times, and by whom they
// may concern. They are never changed once they are shown.
type revocations struct {
	list   []Revocation
	byUser map[whose][]Revocation
}

func newRevocations(all map[string]Revocation) *revocations {
	s := &revocations{make([]Revocation, 0, len(all)), make(map[whose][]Revocation, len(all))}
	for _, r := range all {
		s.list = append(s.list, r)
		w := whose{r.App, r.User}
		s.byUser[w] = append(s.byUser[w], r)
	}
	slices.SortFunc(s.list, Revocation.compare)
	return s
}

// compare orders by time, then by what is revoked.
func (r Revocation) compare(o Revocation) int {
	return cmp.Or(cmp.Compare(r.Before, o.Before), cmp.Compare(r.App, o.App), cmp.Compare(r.User, o.User),
		cmp.Compare(r.Device, o.Device), bytes.Compare(r.Session[:], o.Session[:]))
}

// Revoke puts the revocation in force and drops those that have been kept for
// long enough. Before is now where it is 0, Reason revoked where there is none;
// who is for the audit, empty = Operator("revoke").
func Revoke(ctx context.Context, log *eventlog.Log, r Revocation, who string) error {
	r.Before, r.Reason = cmp.Or(r.Before, time.Now().UnixMicro()), cmp.Or(r.Reason, schemas.Reason_REASON_REVOKED)
	if r.User == "" {
		return errors.New("revoke: no user is named; allowed: one user of the app")
	}
	now, err := current(ctx, log)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if _, known := now.App(r.App); !known {
		return fmt.Errorf("revoke: %w %q; allowed: %s", ErrNoApp, r.App, strings.Join(slices.Sorted(slices.Values(now.Names())), ", "))
	}
	c, err := newChanger(log, cmp.Or(who, Operator("revoke")))
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	defer c.close()
	if err := c.set(ctx, r.key(), r.event(), r.event()); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if _, err := c.tidy(ctx); err != nil {
		return fmt.Errorf("the sessions are revoked; tidy %s: %w", eventlog.ControlTopic, err)
	}
	return nil
}

// ErrNoApp says that the control topic knows no app of that name.
var ErrNoApp = errors.New("there is no app")

// Revocations that have not been dropped, in the order of their times, and a
// channel that is closed when they may be others. Nobody changes the list.
func (v *View) Revocations() (now []Revocation, changed <-chan struct{}) {
	s := v.state.Load()
	return s.revoked.list, s.replaced
}

// Revoked is what says that the session may not go on, if anything does.
func (v *View) Revoked(app, user, device string, session schemas.ID, began int64) (by Revocation, revoked bool) {
	for _, r := range v.state.Load().revoked.byUser[whose{app, user}] {
		if r.Covers(app, user, device, session, began) {
			return r, true
		}
	}
	return Revocation{}, false
}
