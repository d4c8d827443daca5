package sim

import (
	"waybill/schemas"
)

// end notes one outcome: the first of its identity, and true.
func (c *check) end(who int, pos schemas.Position, o *schemas.Outcome) {
	if p := at(&c.ends[who], pos); *p == 0 {
		*p = o.Class
	} else {
		c.w.fail("two outcomes of %v for %s: %s, then %s", pos, c.w.called(who), p.Word(), o.Class.Word())
	}
	if who != whole && o.Reason == schemas.Reason_REASON_OVERFLOW {
		c.gaps[who] = append(c.gaps[who], pos)
	}
	if who != whole && o.Reason == schemas.Reason_REASON_POISON {
		c.poison(who, pos)
	}
	seen := c.seen(who, pos)
	switch o.Class {
	case schemas.Class_CLASS_DELIVERED:
		if !seen {
			c.w.fail("%v is delivered for %s and was never handled", pos, c.w.called(who))
		}
	case schemas.Class_CLASS_WITHDRAWN, schemas.Class_CLASS_LOST:
		if seen {
			c.w.fail("%v is %s for %s and was handled", pos, o.Class.Word(), c.w.called(who))
		}
	}
}

func (c *check) seen(who int, pos schemas.Position) bool {
	if who == whole {
		return *at(&c.handled[0], pos) || *at(&c.handled[1], pos)
	}
	return *at(&c.handled[who], pos)
}

// at is the place for a position; the slice grows.
func at[T any](list *[]T, pos schemas.Position) *T {
	for i := int(pos.Offset()); len(*list) <= i; {
		var none T
		*list = append(*list, none)
	}
	return &(*list)[pos.Offset()]
}

// endsForAll: a push that ends undelivered as a whole ends for each device
// that is still owed it, which must be told if that was an overflow.
func (c *check) endsForAll(pos schemas.Position, o *schemas.Outcome) {
	u := c.state.Users[userKey]
	if o.Class == schemas.Class_CLASS_DELIVERED || u == nil || u.Push(pos) == nil {
		return
	}
	for i, p := 0, u.Push(pos); i < len(u.Devices); i++ {
		if !p.Copy(i).Open() {
			continue
		}
		d := c.w.deviceIndex(u.Devices[i].Name)
		*at(&c.ends[d], pos) = o.Class
		if o.Reason == schemas.Reason_REASON_OVERFLOW {
			c.gaps[d] = append(c.gaps[d], pos)
		}
	}
}
