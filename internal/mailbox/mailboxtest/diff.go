package mailboxtest

import (
	"slices"

	"waybill/internal/mailbox"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// view is what two equal folds have in common: without what a reader keeps in
// them, without marks of what is stored, and without users of whom there is
// nothing to say.
type view struct {
	Term, Sealed any
	Users        map[string]userView
}

type userView struct {
	User   mailbox.User
	Recent []mailbox.Recent
}

func viewOf(s *mailbox.State, bodies bool) view {
	v := view{Term: s.Term, Sealed: s.Sealed, Users: make(map[string]userView)}
	for key, u := range s.Users {
		x := userView{User: mailbox.User{
			Key: u.Key, App: u.App, Name: u.Name, Devices: u.Devices, Closing: u.Closing, Tombs: u.Tombs,
		}}
		for r := range u.Remembered() {
			x.Recent = append(x.Recent, r)
		}
		for _, p := range u.Pushes {
			x.User.Pushes = append(x.User.Pushes, pushView(p, bodies))
		}
		for _, w := range u.Waiting {
			w.Push, w.Asked = pushView(w.Push, true), 0
			x.User.Waiting = append(x.User.Waiting, w)
		}
		if u := &x.User; len(u.Devices)+len(u.Pushes)+len(u.Waiting)+len(u.Closing)+len(u.Tombs)+len(x.Recent) > 0 {
			v.Users[key] = x
		}
	}
	return v
}

func pushView(p *mailbox.Push, bodies bool) *mailbox.Push {
	q := *p
	q.Ending, q.Copies = mailbox.Ending{}, slices.Clone(p.Copies)
	if !bodies {
		q.Body = nil
	}
	for i := range q.Copies {
		q.Copies[i].Work = mailbox.Work{}
	}
	for n := len(q.Copies); n > 0 && q.Copies[n-1] == (mailbox.Copy{}); n-- {
		q.Copies = q.Copies[:n-1]
	}
	return &q
}

func same[T comparable](a, b T) bool { return a == b }

// Diff says in what two states differ; "" = they are equal. Without bodies it
// leaves those of due pushes out, which a storing reader lets go.
func Diff(want, got *mailbox.State, bodies bool) string {
	return cmp.Diff(viewOf(want, bodies), viewOf(got, bodies), cmpopts.EquateEmpty(),
		cmpopts.IgnoreUnexported(mailbox.User{}, mailbox.Device{}, mailbox.Push{}),
		cmp.Comparer(same[mailbox.Copy]), cmp.Comparer(same[mailbox.Recent]), cmp.Comparer(same[mailbox.Tomb]),
		cmp.Comparer(same[mailbox.Closing]))
}
