package snapshot

import (
	"context"
	"fmt"

	"waybill/internal/mailbox"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// LoadUser reads one user: devices with sessions and routes, pushes that are
// pending or wait for their time, ended sessions. Push ids for idempotency are
// left out. It is nil where nothing is known of the user.
func LoadUser(ctx context.Context, db DB, app, name string) (*mailbox.User, error) {
	var u *mailbox.User
	err := read(ctx, db, func(tx pgx.Tx) error {
		l := &loader{ctx: ctx, tx: tx, where: whereUser, only: []any{text(app), text(name)}, users: make(map[string]*loading)}
		if err := l.tables(); err != nil {
			return err
		}
		if found := l.users[string(schemas.Key(app, name))]; found != nil {
			u = found.user
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load user %q of %s: %w", name, app, err)
	}
	return u, nil
}

// Place is how far a partition of the log has been projected.
type Place struct {
	Topic     string
	Partition int32
	Next      int64 // offset to go on at
	Time      int64 // newest broker time that was folded, microseconds
	Term      schemas.Position
}

// Places lists every partition that has been projected.
func Places(ctx context.Context, db DB) ([]Place, error) {
	var all []Place
	err := read(ctx, db, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlReadPlaces)
		if err != nil {
			return err
		}
		var p Place
		var term int64
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &p.Next, &p.Time, &term}, func() error {
			p.Term = schemas.Position(term)
			all = append(all, p)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how far the log has been projected: %w", err)
	}
	return all, nil
}

// read runs f in a transaction that sees one moment and writes nothing. The lock
// comes before the moment: who waits for a rebuild's swap sees what it put there,
// as of its end and not as of the beginning of the wait. It hinders no writer.
func read(ctx context.Context, db DB, f func(pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, db, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlReadLock); err != nil {
			return fmt.Errorf("lock projection: %w", err)
		}
		return f(tx)
	})
}
