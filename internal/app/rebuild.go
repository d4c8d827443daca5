package app

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/projector/session"
)

// RebuildConfig says how Postgres' tables are rebuilt.
type RebuildConfig struct {
	Accept bool          // swap although the rebuilt tables differ
	Wait   time.Duration // how long engines that are away are waited for; 0 = not at all
}

// Rebuild folds the log into fresh tables beside those of Postgres, compares,
// and swaps them, while every stage runs.
func Rebuild(ctx context.Context, b Base, cfg RebuildConfig) (session.Rebuilt, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, cfg.Wait, errPatience)
	defer cancel()
	var last string
	needed := needs{topics: []string{eventlog.EventsTopic}, postgres: migrated}
	if err := await(waiting, b, needed, b.Logger.With("tool", "rebuild"), func(words string) { last = words }); err != nil {
		return session.Rebuilt{}, fmt.Errorf("rebuild: %w: %s", err, last)
	}
	log, err := b.open("rebuild@" + b.Host)
	if err != nil {
		return session.Rebuilt{}, err
	}
	defer log.Close()
	r, err := session.NewRebuild(session.RebuildConfig{Log: log, DSN: b.Postgres, Accept: cfg.Accept, Logger: b.Logger})
	if err != nil {
		return session.Rebuilt{}, err
	}
	return r.Run(ctx)
}
