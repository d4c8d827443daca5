package session

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/migrations"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

var (
	//go:embed sql/rebuild_tables.sql
	sqlTables string
	//go:embed sql/rebuild_places.sql
	sqlPlaces string
)

// tables are the live ones, in the schema that the address leads to, and those
// beside them. The connection holds an advisory lock while it lives, so that
// nobody else rebuilds the same tables.
type tables struct {
	conn    *pgx.Conn
	dsn     string
	live    string // schemas
	rebuilt string // of the fresh tables, until the swap
	before  string // of the former ones, from the swap on
	topic   string // whose positions are reached: waybill.events of the newest epoch in the end
}

// longestName of a schema, in bytes: Postgres cuts off what is longer.
const longestName = 63

// openTables connects, takes the lock and removes what a rebuild that died has
// left behind.
func openTables(ctx context.Context, dsn string) (*tables, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to postgres: %w", err)
	}
	t := &tables{conn: conn, dsn: dsn, topic: eventlog.EventsTopic}
	if err := t.lock(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return t, nil
}

func (t *tables) lock(ctx context.Context) error {
	var mine bool
	row := t.conn.QueryRow(ctx, "SELECT current_schema()::text, pg_try_advisory_lock(hashtextextended('waybill rebuild ' || current_schema(), 0))")
	if err := row.Scan(&t.live, &mine); err != nil {
		return fmt.Errorf("lock the rebuild: %w", err)
	}
	if !mine {
		return ErrRebuilding
	}
	t.rebuilt, t.before = t.live+"_rebuild", t.live+"_before"
	if len(t.rebuilt) > longestName {
		return fmt.Errorf("the schema %q is %d bytes long; allowed: %d", t.live, len(t.live), longestName-len("_rebuild"))
	}
	return t.remove(ctx)
}

// remove drops what is beside the live tables.
func (t *tables) remove(ctx context.Context) error {
	for _, schema := range []string{t.rebuilt, t.before} {
		if _, err := t.conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+quote(schema)+" CASCADE"); err != nil {
			return fmt.Errorf("drop schema %s: %w", schema, err)
		}
	}
	return nil
}

// lastWork bounds what is done when the rebuild is over, or was told to stop.
const lastWork = 10 * time.Second

// close removes what is beside the live tables, and lets the lock go.
func (t *tables) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWork)
	defer cancel()
	if t.conn.IsClosed() { // by a context that ended in the middle of a statement
		conn, err := pgx.Connect(ctx, t.dsn)
		if err != nil {
			return fmt.Errorf("connect to postgres to remove %s: %w", t.rebuilt, err)
		}
		if t.conn = conn; t.lock(ctx) != nil { // the next rebuild removes it
			return conn.Close(ctx)
		}
	}
	return errors.Join(t.remove(ctx), t.conn.Close(ctx))
}

// fresh makes the tables with the migrations that made the live ones, and a
// pool to which they are the only ones.
func (t *tables) fresh(ctx context.Context) (*pgxpool.Pool, error) {
	if _, err := t.conn.Exec(ctx, "CREATE SCHEMA "+quote(t.rebuilt)); err != nil {
		return nil, fmt.Errorf("create schema %s: %w", t.rebuilt, err)
	}
	cfg, err := pgxpool.ParseConfig(t.dsn)
	if err != nil {
		return nil, fmt.Errorf("read the address of postgres: %w", err)
	}
	cfg.ConnConfig.RuntimeParams["search_path"] = quote(t.rebuilt)
	setDefault(cfg.ConnConfig.RuntimeParams, "synchronous_commit", "off")
	setDefault(cfg.ConnConfig.RuntimeParams, "application_name", "waybill-rebuild")
	db := stdlib.OpenDB(*cfg.ConnConfig)
	if err := errors.Join(migrations.Postgres(ctx, db), db.Close()); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the fresh tables: %w", err)
	}
	return pool, nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// places is where the live tables stand.
func (t *tables) places(ctx context.Context) (map[int32]livePlace, error) {
	return placesOf(ctx, t.conn, t.topic)
}

func placesOf(ctx context.Context, q querier, topic string) (map[int32]livePlace, error) {
	rows, err := q.Query(ctx, sqlPlaces, topic)
	if err != nil {
		return nil, fmt.Errorf("read where the tables stand: %w", err)
	}
	all := make(map[int32]livePlace)
	var partition int32
	var next, term int64
	var sealed bool
	_, err = pgx.ForEachRow(rows, []any{&partition, &next, &term, &sealed}, func() error {
		all[partition] = livePlace{next: next, term: schemas.Position(term), sealed: sealed}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read where the tables stand: %w", err)
	}
	return all, nil
}

// names lists the tables that are rebuilt, in the order in which they are locked.
func (t *tables) names(ctx context.Context) ([]string, error) {
	rows, err := t.conn.Query(ctx, sqlTables, t.rebuilt, migrations.VersionTable)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return all, nil
}

const (
	// lockWait is how long the swap waits for its locks: everybody who comes
	// meanwhile waits behind it. Shorter than a server looks for deadlocks (1 s),
	// so that it is the swap that gives way.
	lockWait = "500ms"
	// stopFor is how long the live tables may stand locked while the fold
	// reaches them.
	stopFor = 3 * time.Second
)

// swap tries until everybody has let the tables go, and the fold has reached them.
func (r *Rebuild) swap(ctx context.Context) error {
	names, err := r.tables.names(ctx)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		began := time.Now()
		err := pgx.BeginFunc(ctx, r.tables.conn, func(tx pgx.Tx) error { return r.swapIn(ctx, tx, names) })
		if err == nil {
			r.cfg.Logger.Info("swapped: the rebuilt tables are the live ones", "tables", len(names), "stopped_seconds", time.Since(began).Seconds())
			return nil
		}
		if !errors.Is(err, errNotNow) && !locked(err) || ctx.Err() != nil {
			return fmt.Errorf("swap: %w", err)
		}
		r.cfg.Logger.Info("the tables could not be swapped now, trying again", "err", err)
		select {
		case <-time.After(min(retryFirst<<min(tries, 10), retryMost)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errNotNow: the fold was too far behind to wait for it with locked tables.
var errNotNow = errors.New("the rebuilt tables are too far behind")

// swapIn is one try. Under the lock nobody moves the live positions; what is
// stored of them by then is reached, and only then the tables change places.
func (r *Rebuild) swapIn(ctx context.Context, tx pgx.Tx, names []string) error {
	t := r.tables
	do := func(sql string) (err error) { _, err = tx.Exec(ctx, sql); return err }
	if err := do("SET LOCAL lock_timeout = '" + lockWait + "'"); err != nil {
		return err
	}
	for _, name := range names {
		if err := do("LOCK TABLE " + (pgx.Identifier{t.live, name}).Sanitize() + " IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	places, err := placesOf(ctx, tx, t.topic)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeoutCause(ctx, stopFor, errNotNow)
	defer cancel()
	if err := r.legs.reach(short, places); err != nil {
		return err
	}
	if err := do("CREATE SCHEMA " + quote(t.before)); err != nil {
		return err
	}
	for _, name := range names {
		if err := errors.Join(
			do("ALTER TABLE "+(pgx.Identifier{t.live, name}).Sanitize()+" SET SCHEMA "+quote(t.before)),
			do("ALTER TABLE "+(pgx.Identifier{t.rebuilt, name}).Sanitize()+" SET SCHEMA "+quote(t.live)),
		); err != nil {
			return err
		}
	}
	return nil
}

// locked says that somebody else has the tables.
func locked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40P01")
}
