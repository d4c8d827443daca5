package snapshot

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// keys are the columns with which every table of a user begins, after the
// partition, which is one for the whole flush.
type keys struct {
	apps, users []string
}

// add names the user of one more row.
func (k *keys) add(u *mailbox.User) {
	k.apps, k.users = append(k.apps, text(u.App)), append(k.users, text(u.Name))
}

// positions names rows that are to go.
type positions struct {
	keys
	positions []int64
}

// addAll names one user's rows.
func (c *positions) addAll(u *mailbox.User, all []schemas.Position) {
	for _, p := range all {
		c.add(u)
		c.positions = append(c.positions, int64(p))
	}
}

// queue deletes the rows with a statement that takes them as $2 to $4.
func (c *positions) queue(b *batch, sql string) {
	if len(c.positions) > 0 {
		b.add(sql, c.apps, c.users, c.positions)
	}
}

// places names rows of devices, or of ordered lists.
type places struct {
	keys
	place []int32
}

// add names one row; as the end of a list, the first that must not be.
func (c *places) add(u *mailbox.User, place int) {
	c.keys.add(u)
	c.place = append(c.place, int32(place))
}

// queue deletes rows with a statement that takes them as $2 to $4.
func (c *places) queue(b *batch, sql string) {
	if len(c.place) > 0 {
		b.add(sql, c.apps, c.users, c.place)
	}
}
