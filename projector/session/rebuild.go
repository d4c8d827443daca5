package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"waybill/internal/eventlog"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrDiffers ends a rebuild whose tables do not say what the live ones say.
// Nothing was swapped.
var ErrDiffers = errors.New("the rebuilt tables say something else than the live ones: nothing was swapped")

// ErrRebuilding refuses a second rebuild of the same tables.
var ErrRebuilding = errors.New("another rebuild of these tables is at work")

// RebuildConfig of a Rebuild.
type RebuildConfig struct {
	// Log is where waybill.events is read.
	Log *eventlog.Log
	// DSN is the address of Postgres. Its user must be allowed to make schemas.
	DSN string
	// Accept swaps although the tables differ. What the log no longer holds is
	// then gone, so it is to be asked for by somebody who has read the differences.
	Accept bool
	Logger *slog.Logger // nil = none
}

// Rebuild folds the log into fresh tables beside the live ones and puts them in
// their place:
//
//	log ─▶ fold ─▶ tables in the schema <live>_rebuild
//	live tables ─▶ positions, which the fold reaches exactly
//	         equal? ─▶ lock, reach once more, swap: one transaction
//
// It is for one Run. Everything else runs on meanwhile: the live projector
// waits for the swap's transaction, is refused by the fence, and loads what it
// finds. What a rebuild that died leaves behind, the next one takes away.
type Rebuild struct {
	cfg    RebuildConfig
	db     *pgxpool.Pool // of the fresh tables
	legs   *legs
	tables *tables
}

// Rebuilt says what a rebuild did.
type Rebuilt struct {
	Partitions  int // of all epochs
	Events      int64
	Differences []Difference // in the order of their names; empty = none
	Swapped     bool
}

// NewRebuild checks the configuration and connects to nothing.
func NewRebuild(cfg RebuildConfig) (*Rebuild, error) {
	if cfg.Log == nil {
		return nil, errors.New("new rebuild: no log")
	}
	if _, err := pgxpool.ParseConfig(cfg.DSN); err != nil {
		return nil, fmt.Errorf("new rebuild: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Rebuild{cfg: cfg}, nil
}

// Run rebuilds, compares and swaps. Until the swap's commit nothing that is
// live has changed.
func (r *Rebuild) Run(ctx context.Context) (Rebuilt, error) {
	done, err := r.run(ctx)
	if err != nil {
		return done, fmt.Errorf("rebuild: %w", err)
	}
	return done, nil
}

func (r *Rebuild) run(ctx context.Context) (done Rebuilt, err error) {
	if r.tables, err = openTables(ctx, r.cfg.DSN); err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.tables.close(ctx)) }()
	if r.db, err = r.tables.fresh(ctx); err != nil {
		return done, err
	}
	defer r.db.Close()

	if err := r.formerEpochs(ctx, &done); err != nil {
		return done, err
	}
	err = r.legsOf(ctx, &done, func(ctx context.Context) error { return r.replace(ctx, &done) })
	return done, err
}

// legsOf folds the topic of the tables while do sets the targets.
func (r *Rebuild) legsOf(ctx context.Context, done *Rebuilt, do func(context.Context) error) error {
	r.legs = newLegs()
	ctx, cancel := context.WithCancelCause(ctx)
	followed := make(chan error, 1)
	go func() {
		followed <- r.cfg.Log.Follow(ctx, eventlog.FollowConfig{
			Topic: r.tables.topic, Serve: r.serve(cancel), Fetch: eventlog.Fetch{MaxWait: 100 * time.Millisecond, Reuse: true},
		})
	}()
	said := make(chan struct{})
	go func() { defer close(said); r.legs.say(ctx, r.cfg.Logger) }()
	err := do(ctx)
	cancel(err)
	err = errors.Join(err, <-followed)
	<-said
	partitions, events := r.legs.sum()
	done.Partitions, done.Events = done.Partitions+partitions, done.Events+events
	return err
}

// near is how long the way to the live tables may take when the swap begins.
const near = time.Second

// replace follows the live tables until they are near, compares, and swaps.
func (r *Rebuild) replace(ctx context.Context, done *Rebuilt) (err error) {
	for took := 2 * near; took > near; {
		began := time.Now()
		places, err := r.tables.places(ctx)
		if err != nil {
			return err
		}
		if err := r.legs.reach(ctx, places); err != nil {
			return err
		}
		took = time.Since(began)
	}
	if done.Differences, err = r.compare(ctx); err != nil {
		return err
	}
	if len(done.Differences) > 0 && !r.cfg.Accept {
		return ErrDiffers
	}
	if err := r.swap(ctx); err != nil {
		return err
	}
	done.Swapped = true
	return nil
}
