package console

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"waybill/schemas"
)

// Bounds of one page. What is beyond them is said on it.
const (
	maxHops        = 5_000
	maxUsers       = 20  // whose connects and disconnects are joined
	maxConnections = 400 // of one user
	maxPushes      = 100
)

// queryTimeout is how long somebody looks at a blank page before an error helps
// more.
const queryTimeout = 5 * time.Second

// store asks ClickHouse. It only reads.
type store struct{ db driver.Conn }

func openStore(dsn string) (*store, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	db, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return &store{db: db}, nil
}

// params are values of a query, by name.
type params = clickhouse.Parameters

// each calls scan for every row of the answer.
func (s *store) each(ctx context.Context, query string, p params, scan func(driver.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(p),
		clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": int(queryTimeout / time.Second)}))
	rows, err := s.db.Query(ctx, query)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			_ = rows.Close()
			return err
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	return rows.Err()
}

const hopsOfTrace = `
SELECT position, user, attempt, rank, kind, at, app, device, gate, incarnation, connection,
       node, class, reason, push_id, size, topic, place
FROM hops WHERE trace_id = {trace:UUID}
ORDER BY position, user, attempt, rank, place LIMIT {limit:UInt32}`

// hops of a trace, at most maxHops.
func (s *store) hops(ctx context.Context, trace schemas.ID) ([]Hop, error) {
	var all []Hop
	p := params{"trace": uuid.UUID(trace).String(), "limit": strconv.Itoa(maxHops)}
	err := s.each(ctx, hopsOfTrace, p, func(rows driver.Rows) error {
		h := Hop{Trace: trace}
		var push uuid.UUID
		err := rows.Scan(&h.Position, &h.User, &h.Attempt, &h.Rank, &h.Kind, &h.At, &h.App, &h.Device,
			&h.Conn.Gate, &h.Conn.Incarnation, &h.Conn.Number, &h.Node, &h.Class, &h.Reason, &push, &h.Size, &h.Topic, &h.Place)
		h.Push = schemas.ID(push)
		all = append(all, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up trace: %w", err)
	}
	return all, nil
}

// The rows after the push, and the last ones of each device, which say what it
// is doing now.
const connectionsOfUser = `
SELECT kind, at, app, user, device, gate, incarnation, connection, node, reason, how, detail, platform, network, place
FROM connections WHERE app = {app:String} AND user = {user:String} AND place > {after:UInt64}
ORDER BY place LIMIT {limit:UInt32}
UNION ALL
SELECT kind, at, app, user, device, gate, incarnation, connection, node, reason, how, detail, platform, network, place
FROM connections WHERE app = {app:String} AND user = {user:String} AND kind IN ('connected', 'disconnected', 'route_ended')
ORDER BY place DESC LIMIT 4 BY device LIMIT {limit:UInt32}`

func (s *store) connections(ctx context.Context, app, user string, after uint64) ([]Connection, error) {
	var all []Connection
	p := params{"app": app, "user": user, "after": strconv.FormatUint(after, 10), "limit": strconv.Itoa(maxConnections)}
	err := s.each(ctx, connectionsOfUser, p, func(rows driver.Rows) error {
		c := Connection{}
		err := rows.Scan(&c.Kind, &c.At, &c.App, &c.User, &c.Device, &c.Conn.Gate, &c.Conn.Incarnation, &c.Conn.Number,
			&c.Node, &c.Reason, &c.How, &c.Detail, &c.Platform, &c.Network, &c.Place)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up connections: %w", err)
	}
	return all, nil
}

// A push that was accepted wins over its repeats, which ended as duplicates.
const traceOfPush = `
SELECT trace_id FROM pushes WHERE push_id = {push:UUID}
ORDER BY reason = 'duplicate', accepted DESC LIMIT 1`

// traceOf the push with that id; zero if there is none.
func (s *store) traceOf(ctx context.Context, push schemas.ID) (schemas.ID, error) {
	var trace uuid.UUID
	err := s.each(ctx, traceOfPush, params{"push": uuid.UUID(push).String()}, func(rows driver.Rows) error { return rows.Scan(&trace) })
	if err != nil {
		return schemas.ID{}, fmt.Errorf("look up push id: %w", err)
	}
	return schemas.ID(trace), nil
}

// What no push's row tells is in hop_rows. Both tables know the bounds of these
// times without being read; the view hops does not.
const newestHop = "SELECT greatest((SELECT max(at) FROM hop_rows), (SELECT max(accepted) FROM pushes))"

// newest is the time of the newest hop, or of the newest push if that has come
// further; zero if there is none.
func (s *store) newest(ctx context.Context) (time.Time, error) {
	var t time.Time
	err := s.each(ctx, newestHop, nil, func(rows driver.Rows) error { return rows.Scan(&t) })
	if err != nil {
		return time.Time{}, fmt.Errorf("look up the newest hop: %w", err)
	}
	return t, nil
}

// trace is all that is known of a trace, or of the push with that id. No
// messages: Absent says why.
func (s *store) trace(ctx context.Context, id schemas.ID) (Trace, error) {
	hops, err := s.hops(ctx, id)
	if err != nil {
		return Trace{}, err
	}
	if len(hops) == 0 {
		trace, err := s.traceOf(ctx, id)
		if err != nil || trace.IsZero() {
			return Trace{}, err
		}
		if hops, err = s.hops(ctx, trace); err != nil {
			return Trace{}, err
		}
	}
	connections, partial, err := s.connectionsOf(ctx, hops)
	if err != nil {
		return Trace{}, err
	}
	t := Tell(hops, connections)
	t.only(id)
	if t.Partial = partial; len(hops) == maxHops {
		t.Partial = fmt.Sprintf("Only the first %d hops are shown.", maxHops)
	}
	return t, nil
}

// connectionsOf the users whom the hops name, as far as the bounds go.
func (s *store) connectionsOf(ctx context.Context, hops []Hop) (all []Connection, partial string, err error) {
	users := make(map[[2]string]bool)
	for _, h := range hops {
		user := [2]string{h.App, h.User}
		if h.Kind != "pushed" || users[user] {
			continue
		}
		if len(users) == maxUsers {
			return all, fmt.Sprintf("Connects and disconnects are shown for the first %d users only.", maxUsers), nil
		}
		users[user] = true
		own, err := s.connections(ctx, h.App, h.User, h.Position)
		if err != nil {
			return nil, "", err
		}
		if len(own) >= maxConnections {
			partial = fmt.Sprintf("Only the first %d connects and disconnects of a user are shown.", maxConnections)
		}
		all = append(all, own...)
	}
	return all, partial, nil
}
