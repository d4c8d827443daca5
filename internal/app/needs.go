package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/eventlog"
	"waybill/migrations"
)

// presence is how much of a database must be there.
type presence uint8

const (
	notNeeded presence = iota
	answering          // it lets us in
	migrated           // and has the schema that this binary needs
)

// needs say what must be there before a stage, or a migration, can begin.
type needs struct {
	kafka      bool     // a broker answers
	topics     []string // and these exist
	postgres   presence
	clickhouse presence
}

// lack is one thing that is missing. key stays the same while only the details
// change; words are for a person: where, what, and which command makes it.
type lack struct{ key, words string }

// probe looks for one engine's part of the needs; nil when all of it is there.
// It answers within ctx.
type probe func(ctx context.Context) *lack

// probes opens what looking needs; closers end it. Addresses that make no sense
// are an error: no waiting mends them.
func (n needs) probes(b Base) (all []probe, closers []func(), err error) {
	if n.kafka || len(n.topics) > 0 {
		log, err := eventlog.Open(eventlog.Config{Brokers: b.Kafka, Node: "probe@" + b.Host}) // its complaints are said in our words
		if err != nil {
			return nil, closers, fmt.Errorf("open the log: %w", err)
		}
		closers = append(closers, log.Close)
		all = append(all, kafkaProbe{log, b.Kafka, n.topics}.look)
	}
	for _, d := range []struct {
		need presence
		open func(string) (*database, error)
		dsn  string
	}{{n.postgres, openPostgres, b.Postgres}, {n.clickhouse, openClickHouse, b.ClickHouse}} {
		if d.need == notNeeded {
			continue
		}
		db, err := d.open(d.dsn)
		if err != nil {
			return nil, closers, err
		}
		closers = append(closers, db.close)
		all = append(all, func(ctx context.Context) *lack { return db.look(ctx, d.need) })
	}
	return all, closers, nil
}

// kafkaProbe asks the brokers for topics.
type kafkaProbe struct {
	log     *eventlog.Log
	brokers []string
	topics  []string
}

func (p kafkaProbe) look(ctx context.Context) *lack {
	at := strings.Join(p.brokers, ",")
	if len(p.topics) == 0 {
		if err := p.log.Ping(ctx); err != nil {
			return p.silent(ctx, at)
		}
	}
	var missing []string
	for _, topic := range p.topics {
		_, err := p.log.Partitions(ctx, topic)
		switch {
		case err == nil:
		case errors.Is(err, eventlog.ErrUnknownTopic):
			missing = append(missing, topic)
		default:
			return p.silent(ctx, at)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &lack{"topics", fmt.Sprintf("Kafka at %s has no topic %s: `waybill migrate` makes it", at, strings.Join(missing, ", "))}
}

// silent says why no broker answers, as far as a plain connection tells.
func (p kafkaProbe) silent(ctx context.Context, at string) *lack {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialWait)
	defer cancel()
	why := "it takes connections, but does not answer as a broker that is ready"
	for _, broker := range p.brokers {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", broker)
		if err != nil {
			why = plain(err)
			continue
		}
		_ = c.Close()
	}
	return &lack{"kafka", fmt.Sprintf("Kafka at %s does not answer (%s)", at, why)}
}

// database is Postgres or ClickHouse as a probe sees it.
type database struct {
	db      *sql.DB
	name    string // Postgres
	at      string // host:port/database, without secrets
	newest  int64  // schema that this binary needs
	noTable func(error) bool
}

func openPostgres(dsn string) (*database, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the address of Postgres: %w", err)
	}
	d := &database{name: "Postgres", at: fmt.Sprintf("%s:%d/%s", cfg.Host, cfg.Port, cfg.Database), noTable: noPostgresTable}
	if d.newest, err = migrations.PostgresVersion(); err != nil {
		return nil, err
	}
	if d.db, err = sql.Open("pgx", dsn); err != nil {
		return nil, fmt.Errorf("open Postgres: %w", err)
	}
	return d, nil
}

func openClickHouse(dsn string) (*database, error) {
	cfg, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the address of ClickHouse: %w", err)
	}
	d := &database{name: "ClickHouse", at: strings.Join(cfg.Addr, ",") + "/" + cfg.Auth.Database, noTable: noClickHouseTable}
	if d.newest, err = migrations.ClickHouseVersion(); err != nil {
		return nil, err
	}
	if d.db, err = sql.Open("clickhouse", dsn); err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return d, nil
}

func (d *database) close() { _ = d.db.Close() } // it only looked

// answers is a check for a stage that can do nothing without this database.
func (d *database) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	if l := d.look(ctx, migrated); l != nil {
		return fmt.Errorf("waits for this: %s", l.words)
	}
	return nil
}

func (d *database) look(ctx context.Context, need presence) *lack {
	var version sql.NullInt64
	err := d.db.QueryRowContext(ctx, "SELECT max(version_id) FROM "+migrations.VersionTable).Scan(&version)
	none := err != nil && d.noTable(err)
	switch {
	case err != nil && !none:
		return &lack{d.name, fmt.Sprintf("%s at %s does not answer (%s)", d.name, d.at, plain(err))}
	case need == answering, !none && version.Int64 >= d.newest:
		return nil
	case none:
		return &lack{d.name + " tables", fmt.Sprintf("%s at %s has no tables: `waybill migrate` makes them", d.name, d.at)}
	}
	return &lack{d.name + " version", fmt.Sprintf("%s at %s has version %d of the tables, this binary needs %d: `waybill migrate` brings it",
		d.name, d.at, version.Int64, d.newest)}
}

func noPostgresTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42P01"
}

// clickhouseNoTable is ClickHouse's code UNKNOWN_TABLE.
const clickhouseNoTable = 60

func noClickHouseTable(err error) bool {
	var ch *clickhouse.Exception
	return errors.As(err, &ch) && ch.Code == clickhouseNoTable || strings.Contains(err.Error(), "UNKNOWN_TABLE") // over HTTP it is text
}

// plain is an error's innermost cause, which is what an operator can mend.
func plain(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Message
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return name.Err + ": " + name.Name
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
