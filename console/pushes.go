package console

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"waybill/schemas"
)

// PushQuery says which pushes are listed; empty fields take all.
type PushQuery struct{ App, User, Label string }

// since is how far back a list goes. The order of the table serves a user; all
// else reads everything of its time.
func (q PushQuery) since() time.Duration {
	if q.User != "" {
		return History
	}
	return time.Hour
}

// Push is one line of a list of pushes, the newest first.
type Push struct {
	Trace    string    `json:"trace_id"`
	ID       string    `json:"push_id"`
	App      string    `json:"app"`
	User     string    `json:"user"`
	Label    string    `json:"label,omitempty"`
	Accepted time.Time `json:"accepted"`
	// State is the class of its outcome, or in_flight; Took the microseconds
	// from its acceptance to its delivery.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Took   int64  `json:"took_us,omitempty"`
}

const (
	pushList = `
SELECT trace_id, push_id, app, user, label, accepted, class, reason, delivered
FROM pushes FINAL
WHERE ({app:String} = '' OR app = {app:String}) AND ({user:String} = '' OR user = {user:String}) AND ({label:String} = '' OR label = {label:String})
  AND accepted > now() - {since:UInt32}`
	// ofUser finds a user's pushes without reading those of all others.
	ofUser = `
  AND (trace_id, position, partition) IN (SELECT trace_id, position, partition FROM pushes_of_users
       WHERE ({app:String} = '' OR app = {app:String}) AND user = {user:String})`
	newestFirst = `
ORDER BY accepted DESC LIMIT {limit:UInt32}`
)

func (q PushQuery) sql() string {
	if q.User == "" {
		return pushList + newestFirst
	}
	return pushList + ofUser + newestFirst
}

// pushes are at most maxPushes, the newest first.
func (s *store) pushes(ctx context.Context, q PushQuery, since time.Duration) ([]Push, error) {
	all := []Push{}
	p := params{"app": q.App, "user": q.User, "label": q.Label,
		"since": strconv.Itoa(int(since / time.Second)), "limit": strconv.Itoa(maxPushes)}
	err := s.each(ctx, q.sql(), p, func(rows driver.Rows) error {
		var trace, push uuid.UUID
		var delivered time.Time
		var one Push
		err := rows.Scan(&trace, &push, &one.App, &one.User, &one.Label, &one.Accepted, &one.State, &one.Reason, &delivered)
		one.Trace, one.ID = schemas.ID(trace).String(), schemas.ID(push).String()
		if one.State == "" {
			one.State = StateInFlight
		}
		if delivered.After(one.Accepted) {
			one.Took = delivered.Sub(one.Accepted).Microseconds()
		}
		all = append(all, one)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list pushes: %w", err)
	}
	return all, nil
}

// Span is how long the delivery took, for people.
func (p Push) Span() string {
	if p.Took == 0 {
		return ""
	}
	return span(time.Duration(p.Took) * time.Microsecond)
}
