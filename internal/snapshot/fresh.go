package snapshot

import (
	"context"
	"fmt"

	"waybill/internal/mailbox"

	"github.com/jackc/pgx/v5"
)

// freshDevices are devices whose places have no rows yet. Nobody else writes
// behind the fence, so nothing can be in their way and they are copied in: a
// quarter of what the same rows cost as an upsert, which is what a rebuild of a
// million sessions is made of.
type freshDevices struct {
	devices  deviceColumns
	sessions sessionColumns
	routes   routeColumns
}

func (f *freshDevices) add(u *mailbox.User, d mailbox.DeviceChange) {
	f.devices.add(u, d)
	f.sessions.add(u, d)
	f.routes.add(u, d)
}

func (f *freshDevices) rows() int {
	return len(f.devices.place) + len(f.sessions.place) + len(f.routes.place)
}

// The columns of the rows, in the order in which row says them.
var (
	copyDevices = []string{
		"partition", "app", "user_name", "place", "cursor", "received", "progress",
		"uplink_mark", "gap_from", "gap_to", "resumed", "device",
	}
	copySessions = []string{
		"partition", "app", "user_name", "place", "session", "install", "began", "login_at",
		"count", "ended", "leaving", "live", "platform", "client_version",
		"session_before", "flapped_at", "kicked_at", "flaps", "kicks", "floor",
	}
	copyRoutes = []string{
		"partition", "app", "user_name", "place", "gate", "incarnation", "connection",
		"base", "resume_at", "since", "in_flight", "max_frame", "adopt",
	}
)

// copy writes the rows, with a round trip for each table that gets any.
func (f *freshDevices) copy(ctx context.Context, tx pgx.Tx, partition int32) error {
	for _, t := range []struct {
		name    string
		columns []string
		rows    int
		row     func(partition int32, i int) []any
	}{
		{"devices", copyDevices, len(f.devices.place), f.devices.row},
		{"sessions", copySessions, len(f.sessions.place), f.sessions.row},
		{"routes", copyRoutes, len(f.routes.place), f.routes.row},
	} {
		if t.rows == 0 {
			continue
		}
		from := pgx.CopyFromSlice(t.rows, func(i int) ([]any, error) { return t.row(partition, i), nil })
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, from); err != nil {
			return fmt.Errorf("copy into %s: %w", t.name, err)
		}
	}
	return nil
}
