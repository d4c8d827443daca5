package mailbox

import "waybill/schemas"

// indexed is how many pushes make an index of their ids worth its while.
const indexed = 64

// mayHold says whether a push with that id may be open or waiting. For users
// with many pushes it answers without looking at each.
func (u *User) mayHold(id schemas.ID) bool {
	if len(u.Pushes)+len(u.Waiting) < indexed {
		u.ids = nil
		return true
	}
	if u.ids == nil {
		u.ids = make(map[schemas.ID]int)
		for _, p := range u.Pushes {
			u.count(p)
		}
		for i := range u.Waiting {
			u.count(u.Waiting[i].Push)
		}
	}
	return u.ids[id] > 0
}

// count and uncount keep the index, where there is one.
func (u *User) count(p *Push) {
	if u.ids != nil && p.Never == 0 {
		u.ids[p.ID]++
	}
}

func (u *User) uncount(p *Push) {
	if u.ids == nil || p.Never != 0 {
		return
	}
	if u.ids[p.ID]--; u.ids[p.ID] <= 0 {
		delete(u.ids, p.ID)
	}
}
