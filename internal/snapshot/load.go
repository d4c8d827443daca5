package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// ErrBroken refuses rows that contradict each other, which no flush has written.
// What helps is to drop the tables and to replay the log.
var ErrBroken = errors.New("the rows contradict each other")

// DB begins transactions: a connection or a pool.
type DB interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// Load reads the partition's fold and its place in the log, all as of one
// moment. Where nothing is stored yet, the snapshot is empty and Next is 0; of a
// sealed partition the place is all that it has.
func Load(ctx context.Context, db DB, topic string, partition int32) (*Snapshot, error) {
	s := empty(topic, partition)
	err := read(ctx, db, func(tx pgx.Tx) error {
		l := &loader{ctx: ctx, tx: tx, partition: partition, users: make(map[string]*loading)}
		return l.load(s)
	})
	if err != nil {
		return nil, fmt.Errorf("load snapshot of %s/%d: %w", topic, partition, err)
	}
	return s, nil
}

func empty(topic string, partition int32) *Snapshot {
	return &Snapshot{Topic: topic, Partition: partition, State: mailbox.New(), Serials: new(eventlog.Serials)}
}

// loader puts rows together to users.
type loader struct {
	ctx       context.Context // of this one load
	tx        pgx.Tx
	partition int32
	where     string // in place of the whole partition; see which
	only      []any  // its parameters
	users     map[string]*loading
	resting   bool     // users who are not present are absent: of them no rows are taken
	last      *loading // of the row before: rows of one user stand together
	key       []byte   // scratch
	lastApp   string   // of last, as stored
	lastName  string
}

// loading is a user on its way into the state.
type loading struct {
	user    *mailbox.User // nil of one who is absent
	recent  storedRecent
	present bool // with loader.resting
	rest    mailbox.Rest
}

// load fills the snapshot. Without a place in the log there are no rows either.
func (l *loader) load(s *Snapshot) error {
	found, err := l.projection(s)
	if s.Found = found; err != nil || !found || s.State.Sealed {
		return err // behind a seal, the rows are those of the next epoch
	}
	if err := l.tables(); err != nil {
		return err
	}
	if s.ids, err = l.recent(); err != nil {
		return err
	}
	for _, u := range l.users {
		s.State.Restore(u.user, u.recent.known())
	}
	return nil
}

// tables reads all that stands in a row for each thing.
func (l *loader) tables() error {
	for _, table := range []func() error{
		l.devices, l.sessions, l.routes, l.closing, l.pushes, l.debts, l.waiting, l.tombs,
	} {
		if err := table(); err != nil {
			return err
		}
	}
	return nil
}

// projection reads the place in the log; false where there is none yet.
func (l *loader) projection(s *Snapshot) (bool, error) {
	var term, at int64
	var serials []byte
	// First, so that rows of a newer table never come under an older one's name.
	if err := l.tx.QueryRow(l.ctx, sqlLoadTable).Scan(&s.table); err != nil {
		return false, fmt.Errorf("load projection: %w", err)
	}
	err := l.tx.QueryRow(l.ctx, sqlLoadProjection, l.partition, s.Topic).Scan(&s.Next, &term, &at, &s.State.Sealed, &serials)
	if errors.Is(err, pgx.ErrNoRows) {
		s.ids.rewritten(0)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("load projection: %w", err)
	}
	s.State.Term = schemas.Position(term)
	if err := s.Serials.Decode(serials); err != nil {
		return false, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return true, nil
}

// rows runs a statement whose first three columns are app, user_name and place;
// the others go to targets, and add takes each row from there.
func (l *loader) rows(sql string, add func(u *mailbox.User, place int) error, targets ...any) error {
	sql, args := l.which(sql)
	rows, err := l.tx.Query(l.ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	var app, user string
	var place int
	_, err = pgx.ForEachRow(rows, append([]any{&app, &user, &place}, targets...), func() error {
		if u := l.user(app, user); u != nil {
			return add(u, place)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// What a load reads: a whole partition, as the statements say, some of its users,
// or one user. The partitions are then named one by one, so that each is a probe
// of the key.
const (
	wherePartition = "WHERE partition = $1"
	whereUsers     = "WHERE partition = $1 AND (app, user_name) IN (SELECT * FROM unnest($2::text[], $3::text[]))"
	whereUser      = "WHERE partition IN (SELECT partition FROM projection) AND app = $1 AND user_name = $2"
)

// which is the statement for what this loader reads, and its parameters.
func (l *loader) which(sql string) (string, []any) {
	if l.only == nil {
		return sql, []any{l.partition}
	}
	return strings.Replace(sql, wherePartition, l.where, 1), l.only
}

// user is whom a row is about; made when the first of its rows is read. nil: it
// is absent.
func (l *loader) user(app, name string) *mailbox.User {
	if l.last == nil || l.lastName != name || l.lastApp != app {
		l.last, l.lastApp, l.lastName = l.find(untext(app), untext(name)), app, name
	}
	return l.last.user
}

// byKey is the user of a row that names it by key.
func (l *loader) byKey(key string) (*loading, error) {
	if u := l.users[key]; u != nil {
		return u, nil
	}
	app, name, ok := strings.Cut(key, "/")
	if !ok {
		return nil, fmt.Errorf("%w: user %q has no app before a slash", ErrBroken, key)
	}
	return l.find(app, name), nil
}

// find looks a user up among those that have been read.
func (l *loader) find(app, name string) *loading {
	l.key = append(append(append(l.key[:0], app...), '/'), name...)
	u := l.users[string(l.key)]
	if u == nil {
		u = &loading{present: !l.resting}
		l.users[string(l.key)] = u
	}
	if u.present && u.user == nil {
		key := string(l.key)
		u.user = &mailbox.User{Key: key, App: key[:len(app)], Name: key[len(app)+1:]}
	}
	return u
}

// errorOf is about rows that do not fit together.
func errorOf(u *mailbox.User, format string, args ...any) error {
	return fmt.Errorf("%w: user %q: %s", ErrBroken, u.Key, fmt.Sprintf(format, args...))
}
