package console

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"waybill/schemas"
)

// DeadLetter is a push that ended as lost or unconfirmed. Its body is in the log
// alone, at Position, for as long as that keeps it.
type DeadLetter struct {
	Trace    string    `json:"trace_id"`
	ID       string    `json:"push_id"`
	Name     string    `json:"name,omitempty"`
	App      string    `json:"app"`
	User     string    `json:"user"`
	Label    string    `json:"label,omitempty"`
	Family   uint16    `json:"family"`
	Command  uint16    `json:"command"`
	Bytes    uint32    `json:"bytes,omitempty"`
	Position uint64    `json:"push_position"`
	Class    string    `json:"class"`
	Reason   string    `json:"reason"`
	Explains string    `json:"explained"`
	Attempt  uint32    `json:"attempt,omitempty"`
	Accepted time.Time `json:"accepted"`
	Ended    time.Time `json:"ended"`
	// First times of these steps; absent = not reached, or not known.
	Dispatched *time.Time `json:"dispatched,omitempty"`
	Sent       *time.Time `json:"sent,omitempty"`
	// Redriven says that it has been pushed again.
	Redriven bool `json:"redriven"`

	again schemas.ID // push id of its redrive, if there is one
}

// DeadQuery says which dead letters are listed; empty fields take all.
type DeadQuery struct {
	App, User, Label, Class, Reason string
	// From and To are times of their ends.
	From, To time.Time
	After    deadPlace // the last one of the page before
	Limit    int
}

// deadPlace is a place in the list, whose order is total.
type deadPlace struct {
	ended    int64 // microseconds; 0 = the beginning
	trace    schemas.ID
	position uint64
}

// deadPage is one page of the list, the newest end first.
type deadPage struct {
	Letters []DeadLetter `json:"dead_letters"`
	// Next is the parameter `after` of the next page; absent = this is the last.
	Next string `json:"next,omitempty"`
}

// NotDead is the reason why a push cannot be read as a dead letter.
const NotDead = "not_dead"

// Bounds of a list of dead letters.
const (
	defaultDead = 24 * time.Hour
	maxDead     = 1_000
	// A push ends within six days, and a little, of its acceptance.
	longestPush = 7 * 24 * time.Hour
)

// The words of those classes that make a dead letter.
var deadClasses = []string{"lost", "unconfirmed"}

const deadColumns = `
SELECT trace_id, push_id, name, app, user, label, family, command, size, position, class, reason, attempt,
       accepted, ended, dispatched, sent
FROM pushes FINAL `

// By accepted, too, since the table's parts are by that.
const deadList = deadColumns + `
WHERE class IN ('lost', 'unconfirmed') AND ({class:String} = '' OR class = {class:String}) AND ({reason:String} = '' OR reason = {reason:String})
  AND ({app:String} = '' OR app = {app:String}) AND ({user:String} = '' OR user = {user:String}) AND ({label:String} = '' OR label = {label:String})
  AND ended >= fromUnixTimestamp64Micro({from:Int64}) AND ended < fromUnixTimestamp64Micro({to:Int64})
  AND accepted >= fromUnixTimestamp64Micro({from:Int64} - {longest:Int64}) AND accepted < fromUnixTimestamp64Micro({to:Int64} + 3600000000)
  AND ({at:Int64} = 0 OR (ended, trace_id, position) < (fromUnixTimestamp64Micro({at:Int64}), {trace:UUID}, {position:UInt64}))
ORDER BY ended DESC, trace_id DESC, position DESC LIMIT {limit:UInt32}`

// deadLetters are one page.
func (s *store) deadLetters(ctx context.Context, q DeadQuery) (deadPage, error) {
	p := params{
		"app": q.App, "user": q.User, "label": q.Label, "class": q.Class, "reason": q.Reason,
		"from": strconv.FormatInt(q.From.UnixMicro(), 10), "to": strconv.FormatInt(q.To.UnixMicro(), 10),
		"longest": strconv.FormatInt(longestPush.Microseconds(), 10),
		"at":      strconv.FormatInt(q.After.ended, 10), "trace": uuid.UUID(q.After.trace).String(),
		"position": strconv.FormatUint(q.After.position, 10), "limit": strconv.Itoa(q.Limit + 1),
	}
	page := deadPage{Letters: []DeadLetter{}}
	var last deadPlace
	err := s.each(ctx, deadList, p, func(rows driver.Rows) error {
		if len(page.Letters) == q.Limit {
			page.Next = last.String()
			return nil
		}
		one, at, err := scanDead(rows)
		page.Letters, last = append(page.Letters, one), at
		return err
	})
	if err == nil {
		err = s.redriven(ctx, page.Letters)
	}
	if err != nil {
		return page, fmt.Errorf("list dead letters: %w", err)
	}
	return page, nil
}

// The ids are those of redrives: the table's index finds them.
const redrives = "SELECT DISTINCT push_id FROM pushes WHERE push_id IN {ids:Array(UUID)}"

// redriven marks those that have been pushed again.
func (s *store) redriven(ctx context.Context, letters []DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	ids := make([]string, len(letters))
	for i := range letters {
		ids[i] = "'" + uuid.UUID(letters[i].again).String() + "'"
	}
	done := make(map[schemas.ID]bool)
	err := s.each(ctx, redrives, params{"ids": "[" + strings.Join(ids, ",") + "]"}, func(rows driver.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		done[schemas.ID(id)] = true
		return err
	})
	for i := range letters {
		letters[i].Redriven = done[letters[i].again]
	}
	return err
}

const deadOne = deadColumns + `
WHERE push_id = {push:UUID} ORDER BY class IN ('lost', 'unconfirmed') DESC, ended DESC LIMIT 1`

// deadLetter is the push with that id, if need be one that is none; false =
// there is none at all.
func (s *store) deadLetter(ctx context.Context, push schemas.ID) (one DeadLetter, found bool, err error) {
	err = s.each(ctx, deadOne, params{"push": uuid.UUID(push).String()}, func(rows driver.Rows) error {
		found = true
		one, _, err = scanDead(rows)
		return err
	})
	letters := []DeadLetter{one}
	if err == nil && found {
		err = s.redriven(ctx, letters)
	}
	if err != nil {
		return one, false, fmt.Errorf("look up dead letter: %w", err)
	}
	return letters[0], found, nil
}

func scanDead(rows driver.Rows) (d DeadLetter, at deadPlace, err error) {
	var trace, push uuid.UUID
	var dispatched, sent time.Time
	err = rows.Scan(&trace, &push, &d.Name, &d.App, &d.User, &d.Label, &d.Family, &d.Command, &d.Bytes, &d.Position,
		&d.Class, &d.Reason, &d.Attempt, &d.Accepted, &d.Ended, &dispatched, &sent)
	d.Trace, d.ID, d.Explains = schemas.ID(trace).String(), schemas.ID(push).String(), explain(d.Reason)
	d.again = schemas.NamedID(d.App, d.User, schemas.RedriveName(schemas.ID(push), d.Name))
	d.Accepted, d.Ended = d.Accepted.UTC(), d.Ended.UTC()
	d.Dispatched, d.Sent = known1970(dispatched), known1970(sent)
	return d, deadPlace{d.Ended.UnixMicro(), schemas.ID(trace), d.Position}, err
}

// known1970 is a time of the tables, where 1970 means none.
func known1970(t time.Time) *time.Time {
	if t.UnixMicro() <= 0 {
		return nil
	}
	t = t.UTC()
	return &t
}

// dead says that the push is a dead letter.
func (d *DeadLetter) dead() bool { return slices.Contains(deadClasses, d.Class) }

// line is the letter for a terminal.
func (d *DeadLetter) line() string {
	again := ""
	if d.Redriven {
		again = "  redriven"
	}
	return fmt.Sprintf("%s  %s  %-11s %-15s  %s  %s  %s%s\n", d.Ended.Format(time.DateTime), d.ID, d.Class, d.Reason, d.App, d.User, d.Label, again)
}
